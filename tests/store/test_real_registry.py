"""The same against distribution's own registry: without login, with htpasswd, over TLS."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from imagekit.errors import RemoteFailed, WrongDigest
from imagekit.oci.descriptor import Descriptor
from imagekit.store.hosts import Host, Hosts
from imagekit.store.registry import Registry
from tests.support.blobs import blob_of, manifest_of, opener
from tests.support.real_registry import real_registry

pytestmark = pytest.mark.real
Open = Callable[..., Registry]
DATA = b"0123456789abcdef" * 200_000
BLOB = blob_of(DATA)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


def read(registry: Registry, descriptor: Descriptor) -> bytes:
    with registry.blob(descriptor) as pieces:
        return b"".join(pieces)


def test_an_image_goes_in_and_comes_out_byte_for_byte(host: str, repository: Open):
    target = repository(f"{host}/team/app")
    config = blob_of(b"{}")
    assert not target.has(BLOB)
    target.put(BLOB, opener(DATA))
    target.put(config, opener(b"{}"))
    assert target.has(BLOB)
    document = manifest_of(config, BLOB)
    assert target.digest_of("v1") is None
    target.put_document(document)
    target.put_document(document, "v1")
    source = repository(f"{host}/team/app", reads=True)
    assert source.digest_of("v1") == document.descriptor.digest
    assert source.document("v1") == document
    assert source.document(str(document.descriptor.digest)) == document
    assert read(source, BLOB) == DATA
    assert source.tags() == ("v1",)


def test_a_blob_is_mounted_and_one_that_is_nowhere_is_uploaded_in_the_same_session(host: str, repository: Open):
    repository(f"{host}/base").put(BLOB, opener(DATA))
    target = repository(f"{host}/mounted")
    assert target.mount(BLOB, f"{host}/base")
    assert target.has(BLOB)
    other = blob_of(b"other")
    assert not target.mount(other, f"{host}/base")
    target.put(other, opener(b"other"))
    assert read(target, other) == b"other"


def test_one_repository_streams_into_another(host: str, repository: Open):
    source, target = repository(f"{host}/from", reads=True), repository(f"{host}/to")
    repository(f"{host}/from").put(BLOB, opener(DATA))
    target.put(BLOB, lambda: source.blob(BLOB))
    assert read(target, BLOB) == DATA


def test_an_empty_blob_is_taken(host: str, repository: Open):
    target = repository(f"{host}/empty")
    target.put(blob_of(b""), opener())
    assert read(target, blob_of(b"")) == b""


def test_what_is_not_there_and_what_is_not_right_is_told(host: str, repository: Open):
    target = repository(f"{host}/errors")
    with pytest.raises(RemoteFailed, match=r"no such image, or no access to it: .*MANIFEST_UNKNOWN"):
        repository(f"{host}/errors", reads=True).document("v1")
    with pytest.raises(RemoteFailed, match="MANIFEST_BLOB_UNKNOWN"):
        target.put_document(manifest_of(blob_of(b"nowhere")), "v1")
    with pytest.raises(WrongDigest):
        target.put(BLOB, opener(DATA[:-1]))
    with pytest.raises(RemoteFailed, match="DIGEST_INVALID"):
        target.put(BLOB, opener(DATA[:-1] + b"!"))
    assert not target.has(BLOB)


def test_a_login_of_htpasswd_is_asked_for(tmp_path: Path, repository: Open):
    with real_registry(tmp_path, users={"ann": "pw"}) as host:
        auth = base64.b64encode(b"ann:pw").decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
        target = repository(f"{host}/app", environment={"DOCKER_CONFIG": str(tmp_path)})
        target.put(BLOB, opener(DATA))
        assert target.has(BLOB)
        with pytest.raises(RemoteFailed, match="wants credentials, and none are known"):
            repository(f"{host}/app").has(BLOB)


def test_tls_with_an_authority_of_ones_own(tmp_path: Path, repository: Open):
    authority = trustme.CA()
    mine = authority.issue_cert("localhost")
    files = {name: tmp_path / name for name in ("ca.pem", "server.pem", "server.key")}
    authority.cert_pem.write_to_path(str(files["ca.pem"]))
    mine.private_key_pem.write_to_path(str(files["server.key"]))
    files["server.pem"].write_bytes(b"".join(pem.bytes() for pem in mine.cert_chain_pems))
    with real_registry(tmp_path, certificate=(files["server.pem"], files["server.key"])) as host:
        target = repository(f"{host}/app", hosts=Hosts(hosts={host: Host(ca=str(files["ca.pem"]))}))
        target.put(BLOB, opener(DATA))
        assert read(target, BLOB) == DATA
        with pytest.raises(RemoteFailed, match="is not trusted"):
            repository(f"{host}/app", hosts=Hosts(hosts={host: Host(insecure=False)})).has(BLOB)
