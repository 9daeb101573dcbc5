"""The tar writer: one canonical form of every entry (POSIX.1-2017, pax, "ustar Interchange Format").

ustar headers; a pax header before them only when ustar cannot say it. Owners are numbers, never names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from imagekit.rootfs.entry import Entry, Kind

BLOCK: Final = 512
#: Two blocks of zeros end an archive.
END: Final = bytes(2 * BLOCK)

_TYPES: Final = {Kind.FILE: b"0", Kind.SYMLINK: b"2", Kind.DIRECTORY: b"5"}
#: Magic, version, empty user and group names, device numbers 0.
_TAIL: Final = b"ustar\x0000" + bytes(64) + b"0000000\x000000000\x00"
#: What `_TAIL` and the checksum field, counted as eight spaces, add to every checksum.
_CONSTANT_SUM: Final = sum(_TAIL) + 8 * 0x20
_MAX_SEVEN_DIGITS: Final = 0o7777777
_MAX_ELEVEN_DIGITS: Final = 0o77777777777
_NAME, _PREFIX, _LINK = 100, 155, 100


def header(entry: Entry) -> bytes:
    """All blocks that stand before the content of an entry."""
    name = entry.path.encode("utf-8") + (b"/" if entry.kind is Kind.DIRECTORY else b"")
    link = entry.target.encode("utf-8")
    size = entry.size if entry.kind is Kind.FILE else 0
    kind = _TYPES[entry.kind]
    place = _split(name)
    if place and len(link) <= _LINK and not entry.xattrs and name.isascii() and link.isascii() and _fits(entry, size):
        return _ustar(place, kind, (entry.mode, entry.uid, entry.gid, size, entry.mtime), link)
    records = _records(entry, name if place is None else None, size)
    body = b"".join(_record(key.encode("utf-8"), value) for key, value in sorted(records.items()))
    numbers = (entry.mode, _within(entry.uid, _MAX_SEVEN_DIGITS), _within(entry.gid, _MAX_SEVEN_DIGITS))
    times = (_within(size, _MAX_ELEVEN_DIGITS), _within(entry.mtime, _MAX_ELEVEN_DIGITS))
    return (
        _ustar((b"", _pax_name(name)), b"x", (0o644, 0, 0, len(body), 0), b"")
        + body
        + padding(len(body))
        + _ustar(place or (b"", _plain(name)[:_NAME]), kind, (*numbers, *times), _plain(link)[:_LINK])
    )


def padding(size: int) -> bytes:
    """The zeros that fill the last block of a content of `size` bytes."""
    return bytes(-size % BLOCK)


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Prefix and name as ustar holds them, cut at a slash; None when the name is too long for that."""
    if len(name) <= _NAME:
        return b"", name
    cut = name.find(b"/", len(name) - _NAME - 1, len(name) - 1)
    return (name[:cut], name[cut + 1 :]) if 0 < cut <= _PREFIX else None


def _fits(entry: Entry, size: int) -> bool:
    """True when ustar's octal fields can hold the numbers."""
    return (
        0 <= size <= _MAX_ELEVEN_DIGITS
        and 0 <= entry.mtime <= _MAX_ELEVEN_DIGITS
        and entry.uid <= _MAX_SEVEN_DIGITS
        and entry.gid <= _MAX_SEVEN_DIGITS
    )


def _ustar(place: tuple[bytes, bytes], kind: bytes, numbers: tuple[int, int, int, int, int], link: bytes) -> bytes:
    """One header block."""
    prefix, name = place
    fields = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % numbers
    total = sum(name) + sum(fields) + sum(kind) + sum(link) + sum(prefix) + _CONSTANT_SUM
    return b"".join(
        (
            name.ljust(_NAME, b"\0"),
            fields,
            b"%06o\0 " % total,
            kind,
            link.ljust(_LINK, b"\0"),
            _TAIL,
            prefix.ljust(_PREFIX + 12, b"\0"),
        )
    )


def _records(entry: Entry, long_name: bytes | None, size: int) -> Mapping[str, bytes]:
    """What the pax header has to say (pax, "pax Extended Header"); xattrs as GNU tar and star write them."""
    records = {f"SCHILY.xattr.{key}": value for key, value in entry.xattrs.items()}
    name = entry.path + ("/" if entry.kind is Kind.DIRECTORY else "")
    if long_name is not None or not name.isascii():
        records["path"] = name.encode("utf-8")
    if len(entry.target.encode("utf-8")) > _LINK or not entry.target.isascii():
        records["linkpath"] = entry.target.encode("utf-8")
    if size > _MAX_ELEVEN_DIGITS:
        records["size"] = b"%d" % size
    if not 0 <= entry.mtime <= _MAX_ELEVEN_DIGITS:
        records["mtime"] = b"%d" % entry.mtime
    for key, number in (("uid", entry.uid), ("gid", entry.gid)):
        if number > _MAX_SEVEN_DIGITS:
            records[key] = b"%d" % number
    return records


def _record(key: bytes, value: bytes) -> bytes:
    """`length key=value\\n`, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _pax_name(name: bytes) -> bytes:
    """A name that says what it is where a reader does not know pax."""
    return b"PaxHeaders.0/" + _plain(name.rstrip(b"/").rpartition(b"/")[2])[:80]


def _plain(text: bytes) -> bytes:
    """For readers that do not know pax: `?` for what is not ASCII."""
    return text.decode("utf-8").encode("ascii", "replace")


def _within(number: int, limit: int) -> int:
    """0 where only the pax header can say it."""
    return number if 0 <= number <= limit else 0
