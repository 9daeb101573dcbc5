"""ASN.1's distinguished encoding (X.690, 8.1), as much of it as certificates need to be told apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

SEQUENCE: Final = 0x30
UTF8: Final = 0x0C
OBJECT_ID: Final = 0x06
OCTETS: Final = 0x04
#: The first field of its kind that is not there by default: a certificate's version, what OpenSSL rejects.
FIRST: Final = 0xA0
_CONSTRUCTED: Final = 0x20
#: Of values in values; what a certificate is trusted for has four.
_MAX_DEPTH: Final = 8


class Value(NamedTuple):
    """One value: its tag, what is in it, and all its bytes."""

    tag: int
    content: bytes
    whole: bytes


def size(data: bytes) -> int | None:
    """How many bytes the sequence has that `data` begins with, with what stands before its content."""
    found = _header(data)
    return None if data[:1] != bytes([SEQUENCE]) or found is None else sum(found)


def values(data: bytes) -> Iterator[Value]:
    """Values one behind the other; raises ValueError for bytes that are none, or are cut off."""
    while data:
        found = _header(data)
        if found is None or sum(found) > len(data):
            raise ValueError("no value in DER, or a part of one")
        start, length = found
        yield Value(tag=data[0], content=data[start : start + length], whole=data[: start + length])
        data = data[start + length :]


def short(tag: int, content: bytes) -> bytes:
    """A value of fewer than 128 bytes."""
    return bytes([tag, len(content)]) + content


def object_ids(data: bytes, depth: int = 0) -> Iterator[bytes]:
    """The content of all object identifiers at any depth; raises ValueError."""
    for value in values(data) if depth < _MAX_DEPTH else ():
        if value.tag == OBJECT_ID:
            yield value.content
        elif value.tag & _CONSTRUCTED or value.tag == OCTETS:
            yield from object_ids(value.content, depth + 1)


def public_key(certificate: bytes) -> bytes:
    """A certificate's SubjectPublicKeyInfo (RFC 5280, 4.1); raises ValueError for what is no certificate."""
    outer = next(values(certificate), None)
    signed = next(values(outer.content), None) if outer else None
    fields = [value for value in values(signed.content) if value.tag != FIRST] if signed else []
    if len(fields) < 6:
        raise ValueError("no certificate")
    return fields[5].whole


def _header(data: bytes) -> tuple[int, int] | None:
    """The bytes before a value's content, and those of the content; None for a form that certificates do not have."""
    if len(data) < 2:
        return None
    if data[1] < 0x80:
        return 2, data[1]
    digits = data[1] & 0x7F
    if not 0 < digits <= 4 or len(data) < 2 + digits:
        return None
    return 2 + digits, int.from_bytes(data[2 : 2 + digits])
