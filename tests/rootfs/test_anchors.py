"""Whom an image trusts by its source folders, as p11-kit reads them."""

from __future__ import annotations

import os
import ssl
import subprocess
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote_from_bytes

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.rootfs import der
from imagekit.rootfs.anchors import EVERYTHING, Purpose, anchors
from imagekit.rootfs.extracted import BUNDLE, FOLDER, extracted
from tests.support.tools import need

WEB = ssl.create_default_context(cafile=certifi.where()).get_ca_certs(binary_form=True)
ONE, TWO, THREE, FOUR = WEB[:4]
ETC, USR = "etc/pki/ca-trust/source", "usr/share/pki/ca-trust-source"
SERVER = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"
EMAIL = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x04"


def pem(*certificates: bytes) -> bytes:
    return "".join(map(ssl.DER_cert_to_PEM_cert, certificates)).encode()


def trusted_pem(certificate: bytes, *lists: tuple[int, bytes]) -> bytes:
    """As OpenSSL keeps it, with what it is trusted (0x30) and rejected (0xa0) for."""
    about = der.short(0x30, b"".join(der.short(tag, ids) for tag, ids in lists))
    text = b64encode(certificate + about)
    return b"-----BEGIN TRUSTED CERTIFICATE-----\n" + text + b"\n-----END TRUSTED CERTIFICATE-----\n"


def p11_kit(certificate: bytes, says: str = "trusted: true") -> bytes:
    return f'[p11-kit-object-v1]\nlabel: "Somebody%27s CA"\n{says}\nmodifiable: false\n'.encode() + pem(certificate)


def usage(certificate: bytes, ids: bytes, object_id: str = "2.5.29.37") -> bytes:
    inner = der.short(0x30, ids)
    value = der.short(0x30, b"\x06\x03\x55\x1d\x25" + b"\x01\x01\xff" + der.short(0x04, inner))
    key = b64encode(der.public_key(certificate))
    return (
        b'[p11-kit-object-v1]\nlabel: "Somebody"\nclass: x-certificate-extension\nobject-id: %s\nvalue: "%s"\n'
        b"-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n"
        % (object_id.encode(), quote_from_bytes(value).encode(), key)
    )


def purposes(files: dict[str, bytes]) -> dict[bytes, frozenset[Purpose]]:
    return {certificate: anchor.purposes for certificate, anchor in anchors(files).items()}


def test_anchors_are_trusted_for_everything_in_every_form():
    files = {
        f"{ETC}/anchors/corp.pem": pem(ONE, TWO),
        f"{USR}/anchors/corp.der": THREE,
        f"{ETC}/anchors/deeper/corp.pem": pem(FOUR),
        f"{ETC}/corp.pem": pem(FOUR),
        f"{ETC}/README": b"words",
        "etc/pki/tls/corp.pem": pem(FOUR),
    }
    assert purposes(files) == dict.fromkeys((ONE, TWO, THREE), EVERYTHING)


def test_what_is_blocked_is_trusted_by_nobody():
    for folder in (f"{ETC}/blocklist", f"{USR}/blacklist"):
        assert purposes({f"{ETC}/anchors/a": pem(ONE, TWO), f"{folder}/b": pem(ONE)}) == {TWO: EVERYTHING}
    assert purposes({f"{ETC}/anchors/a": pem(ONE), f"{USR}/b": p11_kit(ONE, "x-distrusted: true")}) == {}


def test_a_file_in_openssls_form_says_what_it_is_trusted_for():
    files = {
        f"{ETC}/one": trusted_pem(ONE, (0x30, SERVER), (0x0C, b"name")),
        f"{ETC}/two": trusted_pem(TWO, (0xA0, EMAIL)),
        f"{ETC}/three": trusted_pem(THREE, (0xA0, b"\x06\x04\x55\x1d\x25\x00")),
    }
    assert purposes(files) == {ONE: {Purpose.SERVER}, TWO: EVERYTHING - {Purpose.EMAIL}}


def test_a_file_of_p11_kits_says_so_too():
    file = b"# words\n" + b"".join(
        (
            p11_kit(ONE),
            usage(ONE, EMAIL),
            p11_kit(TWO),
            p11_kit(THREE),
            usage(THREE, SERVER, "1.3.6.1.4.1.3319.6.10.1"),
            p11_kit(FOUR, "trusted: false"),
        )
    )
    assert purposes({f"{USR}/ca-bundle.trust.p11-kit": file}) == {
        ONE: {Purpose.EMAIL},
        TWO: EVERYTHING,
        THREE: EVERYTHING - {Purpose.SERVER},
    }
    assert anchors({f"{USR}/x.p11-kit": file})[TWO].authority.label == "Somebody's CA"


def test_a_bundle_has_those_that_are_trusted_for_it():
    found = anchors({f"{USR}/x": p11_kit(ONE) + usage(ONE, EMAIL), f"{ETC}/anchors/two": pem(TWO)})
    made = extracted({}, {}, found)
    assert len(made) == 5
    assert made[BUNDLE] == b"# two\n" + pem(TWO)
    assert made[f"{FOLDER}/pem/email-ca-bundle.pem"].count(b"BEGIN") == 2
    again = anchors({f"{ETC}/x": made[f"{FOLDER}/openssl/ca-bundle.trust.crt"]})
    assert {one: anchor.purposes for one, anchor in again.items()} == {ONE: {Purpose.EMAIL}, TWO: EVERYTHING}


def test_a_file_that_cannot_be_read_counts_for_nothing_and_is_told():
    said: list[str] = []
    files = {f"{ETC}/anchors/bad": pem(ONE).replace(b"MII", b"!!!"), f"{ETC}/anchors/good": pem(TWO)}
    assert list(anchors(files, said.append)) == [TWO]
    assert said == [f"/{ETC}/anchors/bad is not trusted: bad is damaged: what is between its lines is no base 64"]


@given(st.binary(max_size=200), st.sampled_from(["anchors/x", "x"]), st.integers(0, 3))
def test_any_file_is_read_or_told(data, name, form):
    forms = [data, p11_kit(ONE) + data, usage(ONE, data[:40]) + p11_kit(ONE), trusted_pem(ONE, (0x30, data[:40]))]
    anchors({f"{ETC}/{name}": forms[form]})


@pytest.mark.real
def test_p11_kit_extracts_the_same(tmp_path: Path):
    """The tool itself over all authorities of the web, some of them restricted and some blocked."""
    trust, sandbox = need("trust"), need("bwrap")
    bundled = b"".join(p11_kit(one) for one in WEB[2:])
    restricted = b"".join(usage(one, EMAIL) for one in WEB[2:10]) + b"".join(usage(one, SERVER) for one in WEB[10:20])
    files = {
        f"{USR}/ca-bundle.trust.p11-kit": bundled + restricted,
        f"{ETC}/anchors/corp.pem": pem(ONE),
        f"{ETC}/blocklist/gone.pem": pem(*WEB[30:33]),
        f"{ETC}/two.pem": trusted_pem(TWO, (0x30, EMAIL)),
    }
    for path, data in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    module = tmp_path / "trust.module"
    module.write_text(
        f"module: p11-kit-trust.so\npriority: 1\ntrust-policy: yes\nx-init-reserved: "
        f"paths='{tmp_path / ETC}:{tmp_path / USR}'\n"
    )
    place = "/usr/share/p11-kit/modules/p11-kit-trust.module"
    made = extracted({}, {}, anchors(files))
    for name, purpose in (("tls", "server-auth"), ("email", "email"), ("objsign", "code-signing")):
        out = tmp_path / f"{name}.pem"
        asked = [trust, "extract", "--format=pem-bundle", "--filter=ca-anchors", f"--purpose={purpose}", str(out)]
        inside = [sandbox, "--dev-bind", "/", "/", "--ro-bind", str(module), place, "--", *asked]
        subprocess.run(inside, check=True, capture_output=True, env=os.environ)
        theirs = ssl.create_default_context(cafile=str(out)).get_ca_certs(binary_form=True)
        mine = tmp_path / f"{name}.mine"
        mine.write_bytes(made[f"{FOLDER}/pem/{name}-ca-bundle.pem"])
        assert sorted(ssl.create_default_context(cafile=str(mine)).get_ca_certs(binary_form=True)) == sorted(theirs)
        assert len(theirs) > 50
