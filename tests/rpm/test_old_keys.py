"""Keys of the time before 2019, and signatures of OpenPGP's version 3: made here, number by number."""

import contextlib
import hashlib
import subprocess
from datetime import UTC, datetime
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import WrongSignature
from imagekit.rpm.signature import Certificates
from tests.support.packages.signing import key as modern
from tests.support.tools import need

#: An RSA key of these tests' own: modulus and private exponent.
N = int(
    "bdc0838c0cf55b59d6fa6fe04821b60636de6e29beda07c1f44cd2bb3d7a850eda24d7afe921b30d256049cdb7f573c7058c"
    "ae7418c6da06214ca38dbcd9043bb4925db574084e14246bb75fc6b7bc3c407dab13e50879f55feba6ffe0a950b5081dbd28"
    "4e6a2e77039bedd9d4fff424a5272228eb94674522c7c8e4cec5e482ef861352028329d5faafbd1d081b9788ba690a490e46"
    "5210c184e0849c7d109e1ad91957f634058793271617e5794ec492ade14a6ab6c4b453992ee718f51675687c5081476927f1"
    "5fe803a8578fcb9bed70dba72e7e40b23fd431efa4f2054fba21914c2bc63458bd250896a472ac744b1c70b9e6865475eebd"
    "8701c76c8cf5",
    16,
)
D = int(
    "24e1802ffe6cc9fea23c36f67ece9e9482a1a503d426888f782e5e5f2a49e006ccfb90388eb59019a4041d1431073223a2be"
    "7f41ed76e8f57c0f6b52a73bff08a3c6371487a2fd9a08a22f181c85a5be884264b80f32209242bc88ceff19a9a82615b1a8"
    "5de561769c6af845f8926f1f98420cefab2a43103afc5dddab1ae798fdc8792efe81e822203b40da81902f7f619d1a2e4ba3"
    "287ba228db0f211d43310e41a7e20a9c7f7494c7e79721f8503cea211b5f8336dee5798f014fd0205c8457f86c61e24baf0c"
    "f68b2fc1406addfc36ab1cbef62f786fe19cc74f77dc95473fa0d6406c0f633fb028d749334bef328c4c9d3969834e94bced"
    "db86e4152bd9",
    16,
)
#: OpenPGP's number of a hash, and what PKCS #1 writes before its digest.
HASHES = {
    "sha1": (2, "3021300906052b0e03021a05000414"),
    "sha256": (8, "3031300d060960864801650304020105000420"),
    "sha512": (10, "3051300d060960864801650304020305000440"),
}
CREATED = 1_496_275_200  # 2017-06-01
SIGNED = 1_600_000_000
DATA = b"\x8e\xad\xe8\x01 a header"


def number(value: int) -> bytes:
    return pack(">H", value.bit_length()) + value.to_bytes((value.bit_length() + 7) // 8)


def packet(tag: int, body: bytes) -> bytes:
    return bytes([0x80 | tag << 2 | 1]) + pack(">H", len(body)) + body


KEY = b"\4" + pack(">I", CREATED) + b"\1" + number(N) + number(65537)
FINGERPRINT = hashlib.sha1(b"\x99" + pack(">H", len(KEY)) + KEY).hexdigest().upper()
KEY_ID = bytes.fromhex(FINGERPRINT[-16:])
USER = b"Old <old@example.com>"


def rsa(data: bytes, name: str) -> tuple[bytes, bytes]:
    """The first bytes of the digest, and the signature."""
    digest = hashlib.new(name, data).digest()
    end = bytes.fromhex(HASHES[name][1]) + digest
    block = b"\0\1" + b"\xff" * (256 - len(end) - 3) + b"\0" + end
    return digest[:2], number(pow(int.from_bytes(block), D, N))


def version_4(data: bytes, name: str, kind: int = 0, created: int = SIGNED, more: bytes = b"") -> bytes:
    """A signature packet; `more` are further subpackets that are hashed."""
    subpackets = b"\5\2" + pack(">I", created) + more
    head = bytes([4, kind, 1, HASHES[name][0]]) + pack(">H", len(subpackets)) + subpackets
    left, made = rsa(data + head + b"\4\xff" + pack(">I", len(head)), name)
    issuer = b"\x09\x10" + KEY_ID
    return packet(2, head + pack(">H", len(issuer)) + issuer + left + made)


def version_3(data: bytes, name: str, kind: int = 0, created: int = SIGNED) -> bytes:
    hashed = bytes([kind]) + pack(">I", created)
    left, made = rsa(data + hashed, name)
    return packet(2, b"\3\5" + hashed + KEY_ID + bytes([1, HASHES[name][0]]) + left + made)


def certificate(name: str = "sha1", more: bytes = b"", revoked: bool = False) -> Certificates:
    """The key with its user, vouched for by this hash; `more` are subpackets of that."""
    about_key = b"\x99" + pack(">H", len(KEY)) + KEY
    about = about_key + b"\xb4" + pack(">I", len(USER)) + USER
    own = version_4(about, name, kind=0x13, created=CREATED, more=b"\2\x1b\3" + more)
    revocation = version_4(about_key, name, kind=0x20) if revoked else b""
    return Certificates.from_bytes(packet(6, KEY) + revocation + packet(13, USER) + own)


@pytest.mark.parametrize("make", [version_3, version_4])
@pytest.mark.parametrize("name", ["sha256", "sha512"])
def test_an_old_key_signs_by_what_it_is(make, name):
    """Sequoia believes nothing that SHA-1 vouches for; rpm asks for the key alone, whose fingerprint is trusted."""
    assert certificate().fingerprints == (FINGERPRINT,)
    assert certificate().verify(DATA, make(DATA, name), "old.rpm") == FINGERPRINT
    with pytest.raises(WrongSignature, match=r"^old\.rpm: "):
        certificate().verify(DATA + b"x", make(DATA, name), "old.rpm")


def test_a_modern_key_with_an_old_signature():
    assert certificate("sha256").verify(DATA, version_3(DATA, "sha256"), "old.rpm") == FINGERPRINT


@pytest.mark.parametrize("make", [version_3, version_4])
def test_what_is_not_believed_of_an_old_key(make):
    signature = make(DATA, "sha256")
    day = b"\5\x09" + pack(">I", 86_400)
    for wrong in (certificate(revoked=True), certificate(more=day), Certificates.from_bytes(modern().armored)):
        with pytest.raises(WrongSignature):
            wrong.verify(DATA, signature, "it")
    for bad in (
        make(DATA, "sha1"),  # SHA-1 over the package itself
        make(DATA, "sha256", kind=1),  # over a text
        make(DATA, "sha256", created=CREATED - 1),  # before there was the key
        signature + signature,
        signature[:-1],
        b"",
    ):
        with pytest.raises(WrongSignature):
            certificate().verify(DATA, bad, "it")


def test_the_block_in_a_signature_is_compared_as_a_whole():
    """A signature with a small exponent can be forged where the padding is only searched through."""
    good = version_4(DATA, "sha256")
    body = bytearray(good)
    body[-1] ^= 1
    with pytest.raises(WrongSignature):
        certificate().verify(DATA, bytes(body), "it")
    large = good[:-258] + number(int.from_bytes(good[-256:]) + N)
    with pytest.raises(WrongSignature):
        certificate().verify(DATA, large, "it")


GOOD = [version_3(DATA, "sha256"), version_4(DATA, "sha256")]
OLD = certificate()


@given(st.sampled_from(GOOD), st.integers(0, 300), st.binary(max_size=6), st.integers(0, 6))
def test_old_signatures_with_any_bytes_in_them(good, at, junk, removed):
    changed = good[:at] + junk + good[at + removed :]
    with contextlib.suppress(WrongSignature):
        assert OLD.verify(DATA, changed, "it") == FINGERPRINT
        # What is not hashed may be another: the issuer, and how lengths are written.
        assert changed[-256:] == good[-256:]


@pytest.mark.real
def test_a_key_of_gnupg_2_0(tmp_path):
    """As it was made in 2017: its own signature by SHA-1, those of packages by SHA-256."""
    home = tmp_path / "gnupg"
    home.mkdir(0o700)

    def gpg(when: datetime, *words: object) -> bytes:
        command = [need("gpg"), "--homedir", home, "--batch", "--quiet", "--passphrase", ""]
        command += ["--cert-digest-algo", "SHA1", "--digest-algo", "SHA256"]
        command += ["--faked-system-time", f"{when:%Y%m%dT%H%M%S}!", *words]
        return subprocess.run(command, check=True, capture_output=True).stdout

    past = datetime(2017, 6, 1, tzinfo=UTC)
    gpg(past, "--quick-generate-key", "Old <old@example.com>", "rsa4096", "sign", "never")
    (tmp_path / "data").write_bytes(DATA)
    signature = gpg(datetime(2026, 1, 1, tzinfo=UTC), "--detach-sign", "--output", "-", tmp_path / "data")
    certificates = Certificates.from_bytes(gpg(past, "--export"))
    subprocess.run([need("gpgconf"), "--homedir", home, "--kill", "all"], check=True)
    assert certificates.verify(DATA, signature, "it") == certificates.fingerprints[0]
    with pytest.raises(WrongSignature):
        certificates.verify(DATA + b"x", signature, "it")
