"""One header of a tar stream: ustar, GNU and pax fields out of hostile bytes. Raises ValueError; reads nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Self

from imagekit.values import dataclass

BLOCK: Final = 512
#: pax headers (local, global, Solaris' own), GNU long names and long link targets.
EXTENSIONS: Final = frozenset({b"x", b"g", b"X", b"L", b"K"})
#: How GNU tar, star and engines write the capabilities of a file (capabilities(7)).
_CAPABILITY: Final = "SCHILY.xattr.security.capability"
_MAX_NUMBER: Final = 1 << 62
_TIME: Final = re.compile(rb"(-?)(\d{1,18})(?:\.(\d{0,20}))?")
_NUMBER: Final = re.compile(rb"\d{1,18}")
_DIGITS: Final = b"01234567"
_OCTAL: Final = re.compile(rb"[ ]*([0-7]*)[ \0]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """The fields of a header block; `kind` is the type flag, names are decoded with surrogate escapes; `capability` are
    the bytes of `security.capability`.
    """

    name: str
    kind: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: str
    is_sparse: bool = False
    capability: bytes = b""

    @classmethod
    def from_block(cls, block: bytes) -> Self:
        """Out of 512 bytes; raises ValueError when the checksum or a number is wrong."""
        checksum = _octal(block[148:156])
        total = sum(block) - sum(block[148:156]) + 8 * 0x20
        if checksum != total and checksum != total - 256 * sum(byte > 127 for byte in _without_checksum(block)):
            raise ValueError("a header's checksum is wrong")
        name = _text(block[0:100])
        if block[257:263] == b"ustar\0" and block[345]:
            name = f"{_text(block[345:500])}/{name}"
        return cls(
            name=name,
            kind=block[156:157],
            mode=_number(block[100:108]) & 0o7777,
            uid=_natural(_number(block[108:116])),
            gid=_natural(_number(block[116:124])),
            size=_natural(_number(block[124:136])),
            mtime=_number(block[136:148]),
            target=_text(block[157:257]),
            is_sparse=block[156:157] == b"S",
        )

    def extension(self, body: bytes) -> dict[str, bytes]:
        """The records in the body of an extension header; an empty value takes a record back."""
        if self.kind == b"L":
            return {"path": body.split(b"\0", 1)[0]}
        if self.kind == b"K":
            return {"linkpath": body.split(b"\0", 1)[0]}
        return dict(_records(body))

    def extended(self, records: Mapping[str, bytes]) -> Self:
        """This header with what pax records say in its place (pax, "pax Extended Header Keyword Precedence")."""
        if not records:
            return self
        return replace(
            self,
            name=_decoded(records["path"]) if records.get("path") else self.name,
            target=_decoded(records["linkpath"]) if records.get("linkpath") else self.target,
            size=_decimal(records["size"]) if records.get("size") else self.size,
            uid=_decimal(records["uid"]) if records.get("uid") else self.uid,
            gid=_decimal(records["gid"]) if records.get("gid") else self.gid,
            mtime=_seconds(records["mtime"]) if records.get("mtime") else self.mtime,
            is_sparse=self.is_sparse or any(key.startswith("GNU.sparse.") for key in records),
            capability=records.get(_CAPABILITY, b""),
        )


def _without_checksum(block: bytes) -> bytes:
    return block[:148] + block[156:]


def _records(body: bytes) -> list[tuple[str, bytes]]:
    """`length key=value\\n`, one after the other, until the end or zeros."""
    found = []
    place = 0
    while place < len(body) and body[place]:
        space = body.find(b" ", place, place + 20)
        length = _decimal(body[place:space]) if space > place else 0
        end = place + length
        record = body[space + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if end > len(body) or end <= space or not record.endswith(b"\n") or not equals or not key:
            raise ValueError("a pax record is damaged")
        found.append((key.decode("utf-8", "surrogateescape"), value))
        place = end
    return found


def _text(field: bytes) -> str:
    return _decoded(field.split(b"\0", 1)[0])


def _decoded(raw: bytes) -> str:
    """A NUL stays, for the check of paths to refuse."""
    return raw.decode("utf-8", "surrogateescape")


def _number(field: bytes) -> int:
    """Octal, or GNU's base 256 with the first bit set."""
    if not field[0] & 0x80:
        return _octal(field)
    number = int.from_bytes(field, "big", signed=False) & ((1 << (8 * len(field) - 1)) - 1)
    if field[0] & 0x40:
        number -= 1 << (8 * len(field) - 1)
    if abs(number) > _MAX_NUMBER:
        raise ValueError("a number is too large")
    return number


def _octal(field: bytes) -> int:
    digits, end = field[:-1], field[-1:]
    if digits and end in b"\0 " and not digits.strip(_DIGITS):  # how nearly all are written
        return int(digits, 8)
    match = _OCTAL.match(field)
    if match is None or (match.end() != len(field) and field[match.end() - 1 : match.end()] not in {b"\0", b" "}):
        raise ValueError("a number is not octal")
    return int(match.group(1) or b"0", 8)


def _decimal(text: bytes) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError("a number of a pax record is not decimal")
    return int(text)


def _seconds(text: bytes) -> int:
    """Whole seconds, rounded down."""
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError("a time of a pax record is not a number")
    sign, whole, fraction = match.groups()
    if not sign:
        return int(whole)
    return -int(whole) - bool((fraction or b"").strip(b"0"))


def _natural(number: int) -> int:
    if number < 0:
        raise ValueError("a size or an owner is negative")
    return number
