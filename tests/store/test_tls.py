"""TLS: whom we trust, whom we show ourselves to, and what is said of a certificate that is not trusted."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from imagekit.errors import InvalidFile, RemoteFailed
from imagekit.store.hosts import Host, Hosts
from imagekit.store.tls import issuer
from tests.support.blobs import blob_of, opener
from tests.support.registry import Registry as Server
from tests.support.registry import tls_context

BLOB = blob_of(b"data")


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    context, authority = tls_context(tmp_path)
    with Server(tls=context) as server:
        yield server, authority


def test_a_host_with_its_own_authority_is_read_and_written(secure, repository):
    server, authority = secure
    hosts = Hosts(hosts={server.host: Host(ca=authority)})
    target = repository(f"{server.host}/app", hosts=hosts)
    target.put(BLOB, opener(b"data"))
    assert target.has(BLOB)


def test_an_authority_on_the_command_line_does_for_a_host_on_loopback(secure, repository):
    server, authority = secure
    hosts = Hosts(ca_file=authority)
    target = repository(f"{server.host}/app", hosts=hosts)
    target.put(BLOB, opener(b"data"))
    assert target.has(BLOB)


def test_a_host_on_loopback_without_tls_stays_plain_beside_it(server, repository, tmp_path):
    _, authority = tls_context(tmp_path)
    target = repository(f"{server.host}/app", hosts=Hosts(ca_file=authority))
    target.put(BLOB, opener(b"data"))
    assert target.has(BLOB)


@pytest.mark.parametrize("how", ["ca_file", "SSL_CERT_FILE", "AWS_CA_BUNDLE"])
def test_an_authority_is_named_in_every_way_that_tools_know(secure, repository, how):
    server, authority = secure
    environment = {how: authority}
    hosts = Hosts(hosts={server.host: Host(insecure=False)}, environment=environment)
    if how == "ca_file":
        hosts = hosts.given(ca_file=authority)
    assert not repository(f"{server.host}/app", hosts=hosts).has(BLOB)


def test_dockers_folder_is_trusted(secure, repository, tmp_path: Path):
    server, authority = secure
    folder = tmp_path / "certs.d" / server.host
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(Path(authority).read_bytes())
    hosts = Hosts(certs_d=str(tmp_path / "certs.d"))
    assert not repository(f"{server.host}/app", hosts=hosts).has(BLOB)


def test_an_authority_of_one_host_is_not_trusted_for_another(secure, repository, tmp_path: Path):
    server, authority = secure
    hosts = Hosts(hosts={"other.corp": Host(ca=authority), server.host: Host(insecure=False)})
    with pytest.raises(RemoteFailed, match="not trusted"):
        repository(f"{server.host}/app", hosts=hosts).has(BLOB)


def test_a_bundle_of_the_environment_stands_for_the_systems(tmp_path: Path):
    from imagekit.store.hosts import Certificates
    from imagekit.store.tls import context_for

    _, authority = tls_context(tmp_path)
    assert len(context_for(Certificates(bundle=authority)).get_ca_certs()) == 1


def test_a_certificate_that_is_not_trusted_is_named_with_its_signer_and_what_to_do(secure, repository, clock):
    server, _ = secure
    hosts = Hosts(hosts={server.host: Host(insecure=False)})
    with pytest.raises(RemoteFailed, match=rf"the certificate of {server.host} is not trusted: ") as caught:
        repository(f"{server.host}/app", hosts=hosts).has(BLOB)
    assert "it is signed by O=Example Corp, OU=Test CA" in str(caught.value)
    assert "--ca-file" in caught.value.hint
    assert server.requests == []
    assert clock.slept == [], "trust does not come by trying again"


def test_a_certificate_of_another_name_is_not_trusted(repository, tmp_path: Path):
    context, authority = tls_context(tmp_path, "other.corp")
    with Server(tls=context) as server:
        target = repository(f"{server.host}/app", hosts=Hosts(hosts={server.host: Host(ca=authority)}))
        with pytest.raises(RemoteFailed, match="Hostname mismatch"):
            target.has(BLOB)


def test_a_client_certificate_is_shown(repository, tmp_path: Path):
    context, authority = tls_context(tmp_path)
    users = trustme.CA()
    context.verify_mode = ssl.CERT_REQUIRED
    users.configure_trust(context)
    mine = users.issue_cert("ann@corp")
    certificate, key = tmp_path / "me.pem", tmp_path / "me.key"
    mine.cert_chain_pems[0].write_to_path(str(certificate))
    mine.private_key_pem.write_to_path(str(key))
    with Server(tls=context) as server:
        shown = Host(ca=authority, client_certificate=str(certificate), client_key=str(key))
        assert not repository(f"{server.host}/app", hosts=Hosts(hosts={server.host: shown})).has(BLOB)
        with pytest.raises(RemoteFailed):
            repository(f"{server.host}/app", hosts=Hosts(hosts={server.host: Host(ca=authority)})).has(BLOB)


def test_files_that_hold_no_certificate_are_named(repository, tmp_path: Path):
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    with pytest.raises(InvalidFile, match=r"junk\.pem holds no CA certificate"):
        repository("localhost:1/app", hosts=Hosts(hosts={"localhost:1": Host(ca=str(junk))})).has(BLOB)
    host = Host(insecure=False, client_certificate=str(junk))
    with pytest.raises(InvalidFile, match=r"client certificate .*junk\.pem .* cannot be used"):
        repository("localhost:1/app", hosts=Hosts(hosts={"localhost:1": host})).has(BLOB)


def test_an_encrypted_key_is_an_error_and_no_question(repository, tmp_path: Path):
    from cryptography.hazmat.primitives import serialization

    mine = trustme.CA().issue_cert("ann@corp")
    key = serialization.load_pem_private_key(mine.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    path = tmp_path / "both.pem"
    path.write_bytes(encrypted + mine.cert_chain_pems[0].bytes())
    host = Host(insecure=False, client_certificate=str(path))
    with pytest.raises(InvalidFile, match=r"both\.pem cannot be used"):
        repository("localhost:1/app", hosts=Hosts(hosts={"localhost:1": host})).has(BLOB)


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x80", b"\x30\x03\x30\x01\x00", b"\xff" * 64, b"\x30\x84\xff\xff\xff\xff"]
)
def test_a_certificate_that_cannot_be_read_has_no_issuer(data: bytes):
    assert issuer(data) == ""
