"""Signatures of packages and of metadata."""

import contextlib
import io
import subprocess
from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import BuildFailed, InvalidFile, WrongSignature
from imagekit.rpm.header import MAGIC
from imagekit.rpm.package import Package
from imagekit.rpm.signature import Certificates, signatures, verify
from imagekit.rpm.tag import SignatureTag
from tests.support.packages import headers, package
from tests.support.packages.package import Item
from tests.support.packages.signing import Key, key
from tests.support.tools import need

FILES = {"usr/bin/a": Item(b"content")}


def trusted(*keys: Key) -> Certificates:
    return Certificates.from_bytes(b"".join(one.armored for one in keys))


def read(made: package.Package, data: bytes | None = None) -> Package:
    return Package.read(io.BytesIO(data or made.built.data), f"{made.name}.rpm")


def signed(signature: dict[int, tuple[int, headers.Value]]) -> Package:
    """A package with this signature header."""
    built = package.Package("a", files=FILES).built
    made = headers.MAGIC + headers.packed(signature, headers.SIGNATURES)
    return Package.read(io.BytesIO(built.lead + made + bytes(-len(made) % 8) + built.header), "a.rpm")


def test_a_package_signed_by_a_trusted_key():
    made = read(package.Package("a", files=FILES, signed_by=key()))
    assert [(one.tag, one.covers_payload) for one in signatures(made)] == [(SignatureTag.RSA, False)]
    assert verify(made, trusted(key("other"), key())) == key().fingerprint


def test_a_package_signed_by_someone_else():
    made = read(package.Package("a", files=FILES, signed_by=key("other")))
    with pytest.raises(WrongSignature, match=rf"^a\.rpm: it is signed by [0-9A-F]+; trusted is {key().fingerprint}"):
        verify(made, trusted(key()))


def test_a_package_that_is_not_signed():
    made = read(package.Package("a", files=FILES))
    assert signatures(made) == ()
    with pytest.raises(WrongSignature, match=r"^a\.rpm: it is not signed"):
        verify(made, trusted(key()))


def test_a_header_that_was_changed_after_it_was_signed():
    made = package.Package("a", files=FILES, signed_by=key())
    data = made.built.data.replace(b"https://example.com/a", b"https://example.org/a")
    with pytest.raises(WrongSignature, match=r"its signature by [0-9A-F]+ is wrong"):
        verify(read(made, data), trusted(key()))


def test_old_packages_are_signed_over_header_and_payload():
    made = package.Package("a", files=FILES, signed_whole_by=key())
    it = read(made)
    assert [(one.tag, one.covers_payload) for one in signatures(it)] == [(SignatureTag.PGP, True)]
    assert verify(it, trusted(key()), lambda: made.built.payload) == key().fingerprint
    with pytest.raises(WrongSignature, match="is wrong"):
        verify(it, trusted(key()), lambda: made.built.payload + b"x")
    with pytest.raises(WrongSignature, match="its header is not signed alone"):
        verify(it, trusted(key()))


def test_the_payload_is_not_read_where_the_header_is_signed():
    made = package.Package("a", files=FILES, signed_by=key(), signed_whole_by=key("other"))

    def never() -> bytes:
        raise AssertionError

    assert verify(read(made), trusted(key()), never) == key().fingerprint


def test_one_of_several_signatures_is_enough():
    header = package.Package("a", files=FILES).built.header
    texts = [b64encode(one.sign(header)).decode() for one in (key("other"), key())]
    made = signed({int(SignatureTag.OPENPGP): (headers.STRINGS, texts)})
    assert len(signatures(made)) == 2
    assert verify(made, trusted(key())) == key().fingerprint
    assert verify(made, trusted(key("other"))) == key("other").fingerprint


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({278: (headers.STRINGS, ["*"])}, "no base 64"),
        ({278: (headers.STRINGS, ["eA=="])}, "its signature is damaged"),
        ({268: (headers.BINARY, b"x" * 100)}, "its signature is damaged"),
        ({267: (headers.BINARY, b"\x88")}, "its signature is damaged"),
    ],
)
def test_signatures_that_are_damaged(field, message):
    with pytest.raises(BuildFailed, match=message):
        verify(signed(field), trusted(key()))


def test_signatures_of_metadata():
    data = b"<repomd/>"
    for signature in (key().sign(data), key().sign_armored(data)):
        assert trusted(key()).verify(data, signature, "repomd.xml") == key().fingerprint
        with pytest.raises(WrongSignature, match=r"^repomd\.xml: its signature by"):
            trusted(key()).verify(data + b" ", signature, "repomd.xml")


#: A certificate of gpg's that expired on 2020-02-01, and a signature of `data` from before, made by
#: `gpg --faked-system-time`.
EXPIRED = b64decode(
    "mDMEXgvhABYJKwYBBAHaRw8BAQdAQv4iGR6dnA/+jOC6o8vlUaiDV5m5YtDLxC4rJDjhQki0FU9sZCA8b2xkQGV4YW1wbGUuY29t"
    "PoiWBBMWCAA+FiEEmfH2udvBoEL3HXE6ONbLJ9FDHeEFAl4L4QACGwMFCQAph0AFCwkIBwIGFQoJCAsCBBYCAwECHgECF4AACgkQ"
    "ONbLJ9FDHeHYJwD/S2r5XLcGlJSMznO22PyIdJ1CJ5KspLGWVsT3a3dbu68A/2bPHa5eb1Q+4/CnbvgAfnIlcsj9BU3l47DVMwG7"
    "MmwC"
)
SIGNED_BEFORE = b64decode(
    "iHUEABYIAB0WIQSZ8fa528GgQvcdcTo41ssn0UMd4QUCXh5WAAAKCRA41ssn0UMd4ea7AQCFzJsIMOxP/nQByngVvrdaqVpJyQD6"
    "Sw39xJDsM8a0hQD/YOoKBD5yieFfHegIqcPbLAnZJAWu/79QNyEQpIL8Wwg="
)


def test_a_key_that_was_valid_when_it_signed():
    """Packages outlive the keys that signed them: what counts is the time of the signature, as for rpm."""
    certificates = Certificates.from_bytes(EXPIRED)
    assert certificates.verify(b"data", SIGNED_BEFORE, "it") == "99F1F6B9DBC1A042F71D713A38D6CB27D1431DE1"


def test_certificates_out_of_a_file():
    both = trusted(key(), key("other"))
    assert both.fingerprints == (key().fingerprint, key("other").fingerprint)
    binary = Certificates.from_bytes(bytes(key().certificate))
    assert binary.fingerprints == (key().fingerprint,)
    spaced = " ".join(key().fingerprint[at : at + 4] for at in range(0, 40, 4)).lower()
    assert both.only([spaced]).fingerprints == (key().fingerprint,)
    assert both.only([]).fingerprints == ()
    with pytest.raises(WrongSignature, match="trusted is nobody"):
        both.only([]).verify(b"", key().sign(b""), "it")


@pytest.mark.parametrize("data", [b"", b"x" * 100, key().armored[:300], key().sign(b"x")])
def test_files_without_certificates(data):
    with pytest.raises(InvalidFile, match=r"^keys/a\.asc .*no OpenPGP certificate"):
        Certificates.from_bytes(data, "keys/a.asc")


SIGNATURE = key().sign(b"data")


@given(st.integers(0, len(SIGNATURE)), st.binary(max_size=8), st.integers(0, 8))
def test_signatures_with_any_bytes_in_them(at, junk, removed):
    changed = SIGNATURE[:at] + junk + SIGNATURE[at + removed :]
    with contextlib.suppress(WrongSignature):
        assert trusted(key()).verify(b"data", changed, "it") == key().fingerprint


@pytest.mark.real
def test_what_rpmsign_writes(tmp_path):
    """A package of rpmbuild's, signed by gpg."""
    (tmp_path / "a.spec").write_text(
        "Name: a\nVersion: 1\nRelease: 1\nSummary: a\nLicense: MIT\nBuildArch: noarch\n%description\na\n%files\n"
    )
    home = tmp_path / "gnupg"
    home.mkdir(0o700)
    gpg = [need("gpg"), "--homedir", home, "--batch", "--quiet"]
    subprocess.run(
        [*gpg, "--passphrase", "", "--quick-generate-key", "Packager <p@example.com>", "rsa3072", "sign"], check=True
    )
    certificates = Certificates.from_bytes(
        subprocess.run([*gpg, "--export", "--armor"], check=True, capture_output=True).stdout
    )
    subprocess.run(
        [need("rpmbuild"), "-bb", "--quiet", "--define", f"_topdir {tmp_path}", tmp_path / "a.spec"], check=True
    )
    (file,) = tmp_path.rglob("*.rpm")
    with open(file, "rb") as stream, pytest.raises(WrongSignature, match="not signed"):
        verify(Package.read(stream), certificates)
    settings = {"__gpg": need("gpg"), "_gpg_path": home, "_gpg_name": "p@example.com"}
    names = [word for name, value in settings.items() for word in ("--define", f"{name} {value}")]
    subprocess.run([need("rpmsign"), *names, "--addsign", "--rpmv3", file], check=True, capture_output=True)
    subprocess.run([need("gpgconf"), "--homedir", home, "--kill", "all"], check=True)
    with open(file, "rb") as stream:
        made = Package.read(stream)
        payload = stream.read()
    assert [one.covers_payload for one in signatures(made)] == [False, True]
    assert verify(made, certificates) == certificates.fingerprints[0]
    whole = MAGIC + made.header.raw + payload
    assert certificates.verify(whole, signatures(made)[1].data, "a") == certificates.fingerprints[0]
