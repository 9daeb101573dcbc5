"""RPM databases in Berkeley DB, as rpm had them before 4.16: `Packages`, a hash (db-5.3, dbinc/db_page.h): reading.

page 0: metadata. Hash pages: offsets of keys and values, which stand at the page's end. A header is too large for
that: its value says on which page it begins, and each page of it which one is next.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import calcsize, unpack, unpack_from
from typing import BinaryIO, Final

from imagekit.errors import BuildFailed
from imagekit.rpm.database.damage import header, unreadable
from imagekit.rpm.header import MAX_DATA, Header

_MAGIC: Final = 0x00061561
_VERSIONS: Final = frozenset({8, 9, 10})
_SIZES: Final = frozenset(1 << bits for bits in range(9, 17))
_PAGE_HEADER: Final = 26
_OVERFLOW: Final = 7
_HASH: Final = frozenset({2, 13})
_INLINE, _OFF_PAGE = 1, 3
#: A page holds four items at least, each with a byte for its kind.
_MAX_PAGES: Final = 1 << 22


def headers(file: BinaryIO, source: str = "the RPM database") -> Iterator[tuple[int, Header]]:
    """The number and the header of each package, by number; raises BuildFailed, naming `source`, for damage."""
    database = _Hash(file, source)
    found = dict(database.records())
    # Under the number 0 is the number that the next package gets.
    for number in sorted(found.keys() - {0}):
        yield number, header(number, database.value(found[number]), source)


class _Hash:
    """The file, page by page."""

    def __init__(self, file: BinaryIO, source: str) -> None:
        self._file = file
        self._source = source
        file.seek(0)
        start = file.read(512)
        if len(start) < 512:
            raise self._wrong("it is cut off")
        self._order = "<" if unpack_from("<I", start, 12)[0] == _MAGIC else ">"
        magic, version, self._size = unpack_from(f"{self._order}3I", start, 12)
        if magic != _MAGIC or version not in _VERSIONS or self._size not in _SIZES:
            raise self._wrong("it is no hash of Berkeley DB")
        if start[24]:
            raise self._wrong("it is encrypted")
        (self._last,) = unpack_from(f"{self._order}I", start, 32)
        if self._last > _MAX_PAGES:
            raise self._wrong(f"it has {self._last:,} pages")

    def records(self) -> Iterator[tuple[int, bytes]]:
        """The number of each record, and its value as the page holds it."""
        for number in range(1, self._last + 1):
            page = self._page(number)
            if page[25] in _HASH:
                items = self._items(page)
                for key, value in zip(items[::2], items[1::2], strict=True):
                    if key[0] != _INLINE or len(key) != 5:
                        raise self._wrong("a key in it is no number")
                    yield unpack(f"{self._order}I", key[1:])[0], value

    def value(self, item: bytes) -> bytes:
        """A record's value, wherever it is."""
        if item[0] == _INLINE:
            return item[1:]
        if item[0] != _OFF_PAGE or len(item) != 12:
            raise self._wrong("a value in it is of an unknown kind")
        number, size = unpack_from(f"{self._order}II", item, 4)
        if size > MAX_DATA + (2 << 20):
            raise self._wrong(f"a value in it has {size:,} bytes")
        data = bytearray()
        while len(data) < size:
            page = self._page(number)
            used = self._short(page, 22)
            if page[25] != _OVERFLOW or not 0 < used <= self._size - _PAGE_HEADER:
                raise self._wrong(f"page {number} is no part of a value")
            data += page[_PAGE_HEADER : _PAGE_HEADER + used]
            (number,) = unpack_from(f"{self._order}I", page, 16)
        return bytes(data[:size])

    def _items(self, page: bytes) -> list[bytes]:
        """Keys and values by turns; each ends where the one before it begins."""
        count = self._short(page, 20)
        if count % 2 or _PAGE_HEADER + 2 * count > self._size:
            raise self._wrong("a page in it has more items than it holds")
        offsets = unpack_from(f"{self._order}{count}H", page, _PAGE_HEADER)
        items, end = [], self._size
        for offset in offsets:
            if not _PAGE_HEADER + calcsize(f"{count}H") <= offset < end:
                raise self._wrong("an item in it lies outside its page")
            items.append(page[offset:end])
            end = offset
        return items

    def _page(self, number: int) -> bytes:
        if not 0 < number <= self._last:
            raise self._wrong(f"it leads to page {number:,}, which it does not have")
        self._file.seek(number * self._size)
        page = self._file.read(self._size)
        if len(page) != self._size:
            raise self._wrong("it is cut off")
        return page

    def _short(self, page: bytes, offset: int) -> int:
        return int.from_bytes(page[offset : offset + 2], "little" if self._order == "<" else "big")

    def _wrong(self, what: str) -> BuildFailed:
        return unreadable(self._source, what)
