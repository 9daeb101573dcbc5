"""Signatures by keys of the time before 2019, which Sequoia believes nothing of: judged by the key alone, as rpm does.

Such keys vouch for themselves by SHA-1, and some signatures of that time are of OpenPGP's version 3. Both say nothing
about whether the key that is trusted by its fingerprint signed a package: RSA and SHA-256 do (RFC 4880, sections 5.2
and 5.5.2; RFC 8017, section 8.2.2). A certificate with a revocation, or with any modern signature of its own, is none
of these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from imagekit.values import dataclass

if TYPE_CHECKING:
    from pysequoia.packet import Packet

_RSA: Final = frozenset({1, 3})
_BINARY: Final = 0
#: By OpenPGP's number of the hash: its name, and what PKCS #1 puts before the digest.
_HASHES: Final = {
    8: ("sha256", bytes.fromhex("3031300d060960864801650304020105000420")),
    9: ("sha384", bytes.fromhex("3041300d060960864801650304020205000430")),
    10: ("sha512", bytes.fromhex("3051300d060960864801650304020305000440")),
}
_MIN_BITS, _MAX_BITS = 2048, 8192


@dataclass(frozen=True, kw_only=True, slots=True)
class _Key:
    modulus: int
    exponent: int
    created: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class _Signature:
    version: int
    hash: int
    created: datetime
    #: What is hashed after the data.
    trailer: bytes
    number: int


def signed(data: bytes, signature: bytes, certificate: bytes) -> bool:
    """True when the certificate is an old one whose primary key made this signature of the data while it was valid."""
    from pysequoia.packet import PacketPile

    try:
        key, *others = PacketPile.from_bytes(certificate)
        made, *more = PacketPile.from_bytes(signature)
        parsed_key, parsed = _key(key.body), _signature(made.body)
        if more or not _is_of_its_time(key, others, parsed):
            return False
    except (RuntimeError, ValueError, IndexError):
        return False
    return _is_right(data, parsed, parsed_key)


def _is_of_its_time(key: Packet, others: Sequence[Packet], made: _Signature) -> bool:
    """Whether the certificate is one that only vouches for itself by SHA-1, not revoked, and was valid then."""
    from pysequoia.packet import HashAlgorithm, SignatureType, Tag

    revocations = (  # the library's types have no hash
        SignatureType.KeyRevocation,
        SignatureType.SubkeyRevocation,
        SignatureType.CertificationRevocation,
    )
    signatures = [packet for packet in others if packet.tag == Tag.Signature]
    own = [packet for packet in signatures if packet.issuer_key_id == key.key_id]
    if not own or any(packet.signature_type in revocations for packet in signatures):
        return False
    if any(packet.hash_algorithm != HashAlgorithm.SHA1 for packet in own) and made.version != 3:
        return False
    periods = [packet.key_validity_period for packet in own if packet.key_validity_period]
    created = key.key_created
    return created is not None and created <= made.created and all(made.created <= created + one for one in periods)


def _is_right(data: bytes, made: _Signature, key: _Key) -> bool:
    """RSASSA-PKCS1-v1_5: the whole block is made and compared, nothing of what comes out is parsed."""
    name, prefix = _HASHES[made.hash]
    content = hashlib.new(name, data)
    content.update(made.trailer)
    size = (key.modulus.bit_length() + 7) // 8
    end = prefix + content.digest()
    expected = b"\0\1" + b"\xff" * (size - len(end) - 3) + b"\0" + end
    return made.number < key.modulus and pow(made.number, key.exponent, key.modulus).to_bytes(size) == expected


def _key(body: bytes) -> _Key:
    """An RSA key's packet; raises ValueError for any other."""
    if body[0] != 4 or body[5] not in _RSA:
        raise ValueError("no RSA key of version 4")
    modulus, rest = _number(body[6:])
    exponent, rest = _number(rest)
    if rest or not _MIN_BITS <= modulus.bit_length() <= _MAX_BITS or not 2 < exponent < 1 << 33 or exponent % 2 == 0:
        raise ValueError("an RSA key that is too small, too large or damaged")
    return _Key(modulus=modulus, exponent=exponent, created=_time(body[1:5]))


def _signature(body: bytes) -> _Signature:
    """A signature's packet; raises ValueError for one that is not by RSA, over bytes, by SHA-2."""
    version = body[0]
    if version == 3 and body[1] == 5:
        kind, created, algorithm, hashed, rest = body[2], body[3:7], body[15], body[16], body[19:]
        trailer = body[2:7]
    elif version == 4:
        kind, algorithm, hashed = body[1:4]
        end = 6 + int.from_bytes(body[4:6])
        created = _created(body[6:end])
        trailer = body[:end] + b"\x04\xff" + end.to_bytes(4)
        rest = body[end + 2 + int.from_bytes(body[end : end + 2]) + 2 :]
    else:
        raise ValueError("a signature of another version")
    number, rest = _number(rest)
    if rest or kind != _BINARY or algorithm not in _RSA or hashed not in _HASHES:
        raise ValueError("a signature of another kind")
    return _Signature(version=version, hash=hashed, created=_time(created), trailer=trailer, number=number)


def _created(subpackets: bytes) -> bytes:
    """The time in the hashed part of a signature (section 5.2.3.4); raises ValueError where it is not there."""
    at = 0
    while at < len(subpackets):
        size, head = subpackets[at], 1
        if 192 <= size < 255:
            size, head = ((size - 192) << 8) + subpackets[at + 1] + 192, 2
        elif size == 255:
            size, head = int.from_bytes(subpackets[at + 1 : at + 5]), 5
        if not size:
            break
        at += head
        if subpackets[at] & 0x7F == 2 and size == 5:
            return subpackets[at + 1 : at + 5]
        at += size
    raise ValueError("a signature without a time")


def _time(data: bytes) -> datetime:
    if len(data) != 4:
        raise ValueError("a time that is cut off")
    return datetime.fromtimestamp(int.from_bytes(data), UTC)


def _number(data: bytes) -> tuple[int, bytes]:
    """A number of so many bits as its first two bytes say, and what follows it."""
    size = (int.from_bytes(data[:2]) + 7) // 8
    if len(data) < 2 + size:
        raise ValueError("a number that is cut off")
    return int.from_bytes(data[2 : 2 + size]), data[2 + size :]
