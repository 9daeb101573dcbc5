"""SQLite's write-ahead log: pages that were written and not yet put into the database (sqlite.org/fileformat2.html).

A base may carry one beside its database, where rpm was ended before it had tidied up. SQLite itself would want to write
beside both files to read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, unpack
from typing import Final

_HEADER: Final = Struct(">8I")
_FRAME: Final = Struct(">6I")
#: The lowest bit is set where the words of checksums are big-endian.
_MAGIC: Final = 0x377F0682
_VERSION: Final = 3007000
_SIZES: Final = frozenset(1 << bits for bits in range(9, 17))
_WORD: Final = 0xFFFFFFFF


def merged(database: bytes, log: bytes) -> bytes:
    """The database with all that the log commits, in a form that has no log.

    What is torn, or left over from an earlier log, ends the log, as it does for SQLite. Raises ValueError for the log
    of another database.
    """
    made = bytearray(database)
    limit = len(database) + len(log)
    waiting: dict[int, bytes] = {}
    for number, page, pages in _frames(log):
        waiting[number] = page
        if not pages:
            continue
        size = len(page)
        if pages * size > limit or max(waiting) > pages or (database and _page_size(database) != size):
            raise ValueError("its write-ahead log is that of another database")
        made = made[: pages * size].ljust(pages * size, b"\0")
        for at, data in waiting.items():
            made[(at - 1) * size : at * size] = data
        waiting.clear()
    # "File format version numbers": 1 is a rollback journal, 2 a write-ahead log.
    made[18:20] = b"\1\1"
    return bytes(made)


def _frames(log: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The number of each page, its content, and how many pages the database has then where that is a commit."""
    if len(log) < _HEADER.size:
        return
    magic, version, size, _, salt1, salt2, *expected = _HEADER.unpack_from(log)
    order = ">" if magic & 1 else "<"
    sums = _sums(log[: _HEADER.size - 8], order, (0, 0))
    if magic & ~1 != _MAGIC or version != _VERSION or size not in _SIZES or sums != tuple(expected):
        return
    for start in range(_HEADER.size, len(log) - _FRAME.size - size + 1, _FRAME.size + size):
        number, pages, *salts, sum1, sum2 = _FRAME.unpack_from(log, start)
        page = log[start + _FRAME.size : start + _FRAME.size + size]
        sums = _sums(log[start : start + 8] + page, order, sums)
        if salts != [salt1, salt2] or sums != (sum1, sum2) or not number:
            return
        yield number, page, pages


def _page_size(database: bytes) -> int:
    """As the database's header has it; 65,536 does not fit there and is written as 1."""
    size = int.from_bytes(database[16:18])
    return 65536 if size == 1 else size


def _sums(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    """The checksum that goes on from frame to frame ("Checksum Algorithm")."""
    one, two = sums
    words = iter(unpack(f"{order}{len(data) // 4}I", data))
    for word in words:
        one = (one + word + two) & _WORD
        two = (two + next(words) + one) & _WORD
    return one, two
