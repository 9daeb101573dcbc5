"""Headers as rpm writes them: an index sorted by tag, a store aligned to each type, a region around both.

(rpm.org, "RPM V4 Package format", and `lib/header.c`.)
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

MAGIC = bytes.fromhex("8eade80100000000")
#: The tags of the regions that hold a whole header.
SIGNATURES, IMMUTABLE = 62, 63
CHAR, INT16, INT32, INT64, STRING, BINARY, STRINGS, I18N = 1, 3, 4, 5, 6, 7, 8, 9
_WIDTHS = {INT16: (2, "H"), INT32: (4, "I"), INT64: (8, "Q")}

Value = str | bytes | Sequence[int] | Sequence[str]
#: The fields of a header: type and value by tag.
Fields = Mapping[int, tuple[int, Value]]


def stored(kind: int, value: Value) -> tuple[int, bytes]:
    """How many values there are, and their bytes in the store."""
    if kind in _WIDTHS:
        assert not isinstance(value, str | bytes)
        return len(value), struct.pack(f">{len(value)}{_WIDTHS[kind][1]}", *value)
    if kind in {BINARY, CHAR}:
        assert isinstance(value, bytes)
        return len(value), value
    texts = [value] if isinstance(value, str) else value
    return len(texts), b"".join(str(text).encode() + b"\0" for text in texts)


def packed(fields: Fields, region: int) -> bytes:
    """The header without its magic: two lengths, index, store. What rpm keeps in its database."""
    index, store = [], b""
    for tag, (kind, value) in sorted(fields.items()):
        count, data = stored(kind, value)
        store += bytes(-len(store) % _WIDTHS.get(kind, (1, ""))[0])
        index.append(struct.pack(">IIII", tag, kind, len(store), count))
        store += data
    index.insert(0, struct.pack(">IIII", region, BINARY, len(store), 16))
    store += struct.pack(">IIiI", region, BINARY, -16 * len(index), 16)
    return struct.pack(">II", len(index), len(store)) + b"".join(index) + store


def extended(header: bytes, fields: Fields) -> bytes:
    """A packed header with further fields behind its region, as rpm keeps an installed package's."""
    entries, size = struct.unpack_from(">II", header)
    index, store = header[8 : 8 + 16 * entries], header[8 + 16 * entries :]
    assert len(store) == size
    for tag, (kind, value) in sorted(fields.items()):
        count, data = stored(kind, value)
        store += bytes(-len(store) % _WIDTHS.get(kind, (1, ""))[0])
        index += struct.pack(">IIII", tag, kind, len(store), count)
        store += data
    return struct.pack(">II", len(index) // 16, len(store)) + index + store
