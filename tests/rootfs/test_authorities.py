"""A user's own certificate authorities in an image."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
from base64 import b64encode
from struct import pack

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import InvalidFile
from imagekit.rootfs.anchors import Anchor
from imagekit.rootfs.authorities import ANCHORS, Authority, authorities, bundle
from imagekit.rootfs.extracted import BUNDLE, FOLDER, extracted
from tests.support.tools import need

WEB = ssl.create_default_context(cafile=certifi.where()).get_ca_certs(binary_form=True)
ONE, TWO, THREE = WEB[:3]


def pem(*certificates: bytes) -> bytes:
    return "".join(map(ssl.DER_cert_to_PEM_cert, certificates)).encode()


def loaded(data: bytes) -> list[bytes]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=data.decode())
    return context.get_ca_certs(binary_form=True)


def keystore(*entries: bytes) -> bytes:
    data = pack(">III", 0xFEEDFEED, 2, len(entries)) + b"".join(entries)
    secret = "changeit".encode("utf-16-be") + b"Mighty Aphrodite"
    return data + hashlib.sha1(secret + data, usedforsecurity=False).digest()


def entry(certificate: bytes) -> bytes:
    alias = hashlib.sha256(certificate).hexdigest()[:32].encode()
    return pack(">IH", 2, 32) + alias + pack(">QH", 0, 5) + b"X.509" + pack(">I", len(certificate)) + certificate


def trusted(there: dict[str, bytes], more: tuple[Authority, ...]) -> dict[str, bytes]:
    return extracted(there, {}, {one.certificate: Anchor(authority=one) for one in more})


def test_certificates_are_read_as_pem_one_or_several_or_as_der():
    assert authorities(pem(ONE), "ca.pem") == (Authority(label="ca.pem", certificate=ONE),)
    assert authorities(b"words\r\n" + pem(ONE, TWO, ONE).replace(b"\n", b"\r\n"), "ca") == (
        Authority(label="ca 1", certificate=ONE),
        Authority(label="ca 2", certificate=TWO),
    )
    assert authorities(ONE, "ca.der") == (Authority(label="ca.der", certificate=ONE),)


def test_what_openssl_keeps_behind_a_trusted_certificate_is_left():
    text = b64encode(ONE + b"\x30\x03\x0c\x01x")
    data = b"-----BEGIN TRUSTED CERTIFICATE-----\n" + text + b"\n-----END TRUSTED CERTIFICATE-----\n"
    assert authorities(data, "ca")[0].certificate == ONE


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "holds no certificate"),
        (b"hello", "holds no certificate"),
        (pem(ONE)[:200], "holds no certificate"),
        (pem(ONE).replace(b"MII", b"!!!", 1), "no base 64"),
        (pem(ONE[:-10]), "cut off"),
        (ONE[:-10], "cut off"),
        (pem(ONE) + b"-----BEGIN RSA PRIVATE KEY-----\nabc", "holds a private key"),
        (b"x" * (5 << 20), "no certificate"),
    ],
)
def test_what_is_no_certificate_is_refused(data, why):
    with pytest.raises(InvalidFile, match=why):
        authorities(data, "ca.pem")


def test_a_bundle_has_what_it_had_and_each_new_one_once():
    own = {one.certificate: one.pem for one in authorities(pem(ONE, TWO), "corp/ca.pem")}
    made = bundle(pem(TWO, THREE).rstrip(b"\n"), own)
    assert made.startswith(pem(TWO, THREE).rstrip(b"\n") + b"\n# corp/ca.pem 1\n")
    assert sorted(loaded(made)) == sorted([ONE, TWO, THREE])
    assert bundle(made, own) == made + b""


def test_everything_that_is_extracted_gets_them():
    java, openssl = f"{FOLDER}/java/cacerts", f"{FOLDER}/openssl/ca-bundle.trust.crt"
    email = f"{FOLDER}/pem/email-ca-bundle.pem"
    there = {BUNDLE: pem(THREE), email: b"", openssl: b"# old\n", java: keystore(), "etc/passwd": b"x"}
    own = authorities(pem(ONE), "corp ca.pem")
    made = trusted(there, own)
    assert made.keys() == {BUNDLE, email, openssl, java}
    assert own[0].anchor == f"{ANCHORS}/corp-ca.pem-{hashlib.sha256(ONE).hexdigest()[:8]}.pem"
    assert sorted(loaded(made[BUNDLE])) == sorted([ONE, THREE])
    assert made[openssl].startswith(b"# old\n# corp ca.pem\n-----BEGIN TRUSTED CERTIFICATE-----\n")
    assert authorities(made[openssl], "x")[0].certificate == ONE
    assert made[java] == keystore(entry(ONE))


def test_a_key_store_of_another_kind_stays_as_it_is():
    java = f"{FOLDER}/java/cacerts"
    whole = keystore(entry(ONE), entry(TWO))
    for store in (b"\x30\x82" + bytes(100), whole[:-30], whole + b"x", keystore(entry(ONE))[:12] + whole[12:]):
        assert java not in trusted({BUNDLE: b"", java: store}, authorities(pem(THREE), "x"))


def test_what_is_no_longer_trusted_goes_and_the_rest_of_a_bundle_stays():
    java, openssl = f"{FOLDER}/java/cacerts", f"{FOLDER}/openssl/ca-bundle.trust.crt"
    first = trusted({}, authorities(pem(ONE, TWO, THREE), "ca"))
    there = first | {BUNDLE: b"# kept\n\n" + first[BUNDLE]}
    before = {one.certificate: Anchor(authority=one) for one in authorities(pem(ONE, TWO), "ca")}
    made = extracted(there, before, {TWO: before[TWO]})
    assert sorted(loaded(made[BUNDLE])) == sorted([TWO, THREE])
    assert made[BUNDLE].startswith(b"# kept\n\n# ca 2\n")
    assert [one.certificate for one in authorities(made[openssl], "x")] == [TWO, THREE]
    assert made[java] == keystore(entry(TWO), entry(THREE))
    assert extracted(made, {TWO: before[TWO]}, {TWO: before[TWO]}) == {}


@given(st.binary(max_size=200), st.booleans())
def test_any_file_is_read_or_refused(data, armored):
    if armored:
        data = b"-----BEGIN CERTIFICATE-----\n" + b64encode(data) + b"\n-----END CERTIFICATE-----\n"
    try:
        found = authorities(data, "x")
    except InvalidFile:
        return
    assert found
    assert all(one.certificate[0] == 0x30 for one in found)


@pytest.mark.real
def test_javas_own_tool_and_openssl_read_what_was_made(tmp_path):
    keytool, openssl = need("keytool"), need("openssl")
    java, store = f"{FOLDER}/java/cacerts", tmp_path / "cacerts"
    crt = f"{FOLDER}/openssl/ca-bundle.trust.crt"
    options = ["-noprompt", "-storetype", "jks", "-keystore", store, "-storepass", "changeit", "-alias", "before"]
    subprocess.run([keytool, "-importcert", *options], input=pem(THREE), check=True, capture_output=True)
    made = trusted({BUNDLE: b"", java: store.read_bytes(), crt: b""}, authorities(pem(ONE, TWO), "corp.pem"))
    store.write_bytes(made[java])
    listed = subprocess.run(
        [keytool, "-list", "-rfc", "-keystore", store, "-storepass", "changeit"], check=True, capture_output=True
    ).stdout
    assert sorted(one.certificate for one in authorities(listed, "x")) == sorted([ONE, TWO, THREE])
    asked = [openssl, "x509", "-noout", "-fingerprint", "-sha256", "-alias"]
    shown = subprocess.run(asked, input=made[crt], check=True, capture_output=True).stdout.decode()
    assert hashlib.sha256(ONE).hexdigest().upper() in shown.replace(":", "")
    assert "corp.pem 1" in shown
