"""RPM databases: sqlite as rpm writes it since 4.16, and the Berkeley DB hash of its `Packages` before that."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.support.packages import headers
from tests.support.packages.headers import BINARY, CHAR, INT32
from tests.support.packages.package import DEPENDENCIES, Package, dependency

SQLITE, BERKELEY = "var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages"
INSTALLED = 1_750_100_000
_TEXT_TABLES = (
    *("Name", "Basenames", "Group", "Requirename", "Providename", "Conflictname", "Obsoletename", "Triggername"),
    *("Dirnames", "Sha1header", "Filetriggername", "Transfiletriggername", "Recommendname", "Suggestname"),
    *("Supplementname", "Enhancename"),
)
_BLOB_TABLES = ("Installtid", "Sigmd5")
_SCALARS = frozenset({"Name", "Group", "Installtid", "Sigmd5", "Sha1header"})


def installed_header(package: Package) -> bytes:
    """The header that a database keeps: the package's own, and what its installation adds."""
    header = package.built.header[len(headers.MAGIC) :]
    added: dict[int, tuple[int, headers.Value]] = {
        **package.signature_fields(),
        1008: (INT32, [INSTALLED]),
        1127: (INT32, [0]),
        1128: (INT32, [INSTALLED]),
    }
    if package.files:
        added[1029] = (CHAR, bytes(len(package.files)))
    if package.signed_by:
        added[268] = (BINARY, package.signed_by.sign(package.built.header))
    return headers.extended(header, added)


def sqlite(packages: Iterable[Package]) -> bytes:
    """A database with these packages."""
    connection = sqlite3.connect(":memory:")
    _fill(connection, packages)
    data = connection.serialize()
    connection.close()
    return data


def sqlite_with_log(written: Iterable[Package], logged: Iterable[Package], folder: Path) -> tuple[bytes, bytes]:
    """A database and its write-ahead log: `logged` are in the log alone, as after rpm was killed."""
    path = folder / "logged.sqlite"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous=OFF")  # nothing has to survive a power cut
    connection.execute("PRAGMA journal_mode=WAL")
    _fill(connection, written)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    _insert(connection, logged)
    connection.commit()
    data, log = path.read_bytes(), path.with_name("logged.sqlite-wal").read_bytes()
    connection.close()
    return data, log


def _fill(connection: sqlite3.Connection, packages: Iterable[Package]) -> None:
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)")
    for name in (*_TEXT_TABLES, *_BLOB_TABLES):
        kind = "BLOB" if name in _BLOB_TABLES else "TEXT"
        connection.execute(
            f"CREATE TABLE '{name}' (key '{kind}' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL,"
            " FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum))"
        )
        if name in _TEXT_TABLES:
            connection.execute(f"CREATE INDEX '{name}_key_idx' ON '{name}'(key ASC)")
        if name not in _SCALARS:
            connection.execute(f"CREATE INDEX '{name}_hnum_idx' ON '{name}'(hnum ASC)")
    _insert(connection, packages)
    connection.commit()


def _insert(connection: sqlite3.Connection, packages: Iterable[Package]) -> None:
    for package in packages:
        number = connection.execute("INSERT INTO Packages (blob) VALUES (?)", [installed_header(package)]).lastrowid
        for table, rows in _rows(package).items():
            connection.executemany(
                f"INSERT INTO '{table}' (key, hnum, idx) VALUES (?, ?, ?)",
                [(key, number, index) for key, index in rows],
            )


def _rows(package: Package) -> Mapping[str, list[tuple[str | bytes, int]]]:
    """What the index tables say; rich dependencies only as a whole, which these packages get by with."""
    fields = package.fields(package.built.payload)
    made: dict[str, list[tuple[str | bytes, int]]] = {
        "Name": [(package.name, 0)],
        "Group": [("Unspecified", 0)],
        "Installtid": [(struct.pack("<I", INSTALLED), 0)],
        "Sigmd5": [(bytes(package.signature_fields()[261][1]), 0)],  # type: ignore[arg-type]
        "Sha1header": [(str(package.signature_fields()[269][1]), 0)],
    }
    for table, tag in {"Basenames": 1117, "Dirnames": 1118, "Triggername": 1066}.items():
        made[table] = _numbered(fields, tag)
    for kind in DEPENDENCIES:
        texts = getattr(package, {"requires": "all_requires", "provides": "all_provides"}.get(kind, kind))
        table = kind.removesuffix("s").capitalize() + "name"
        made[table] = [(dependency(text)[0], index) for index, text in enumerate(texts)]
    for table, tag, indexes in (("Filetriggername", 5069, 5070), ("Transfiletriggername", 5079, 5080)):
        numbers = fields.get(indexes, (INT32, []))[1]
        made[table] = [(key, int(number)) for (key, _), number in zip(_numbered(fields, tag), numbers, strict=True)]
    return made


def _numbered(fields: headers.Fields, tag: int) -> list[tuple[str | bytes, int]]:
    texts = fields[tag][1] if tag in fields else []
    return [(str(text), index) for index, text in enumerate(texts)]


PAGE = 4096


def berkeley(packages: Iterable[Package]) -> bytes:
    """A Berkeley DB hash, version 9, with one bucket whose records' values all lie on pages of their own."""
    pages: list[bytes] = [b"", b""]  # the metadata, and the bucket
    items: list[bytes] = [_inline(struct.pack("<I", 0)), _inline(struct.pack("<I", 0))]
    numbers = 0
    for numbers, package in enumerate(packages, 1):
        blob = installed_header(package)
        items += [_inline(struct.pack("<I", numbers)), struct.pack("<B3xII", 3, len(pages), len(blob))]
        pages += _overflow(blob, len(pages))
    items[1] = _inline(struct.pack("<I", numbers + 1))
    buckets = _buckets(items, len(pages))
    pages[1], more = buckets[0], buckets[1:]
    pages += more
    pages[0] = _metadata(len(pages) - 1, numbers + 1)
    return b"".join(pages)


def _inline(data: bytes) -> bytes:
    return b"\x01" + data


def _page(place: tuple[int, int, int], entries: int, free: int, kind: int, body: bytes) -> bytes:
    """A page; `place` is its number, and those of the pages before and after it."""
    head = struct.pack("<IIIIIHHBB", 0, 1, *place, entries, free, 0, kind)
    assert len(head) + len(body) == PAGE, (len(head), len(body))
    return head + body


def _overflow(data: bytes, first: int) -> list[bytes]:
    room = PAGE - 26
    pieces = [data[start : start + room] for start in range(0, len(data), room)]
    made = []
    for place, piece in enumerate(pieces):
        number = first + place
        before, after = number - 1 if place else 0, number + 1 if place + 1 < len(pieces) else 0
        made.append(_page((number, before, after), 1, len(piece), 7, piece.ljust(room, b"\0")))
    return made


def _buckets(items: list[bytes], next_page: int) -> list[bytes]:
    """The bucket's page 1, and its further pages from `next_page` on; a page holds pairs, filled from its end."""
    groups: list[list[bytes]] = [[]]
    room = PAGE - 26
    for key, value in zip(items[::2], items[1::2], strict=True):
        if sum(len(item) + 2 for item in groups[-1]) + len(key) + len(value) + 4 > room:
            groups.append([])
        groups[-1] += [key, value]
    numbers = [1, *range(next_page, next_page + len(groups) - 1)]
    made = []
    for place, group in enumerate(groups):
        offset, offsets, tail = PAGE, [], b""
        for item in group:
            offset -= len(item)
            offsets.append(offset)
            tail = item + tail
        index = struct.pack(f"<{len(offsets)}H", *offsets)
        body = index + bytes(room - len(index) - len(tail)) + tail
        before = numbers[place - 1] if place else 0
        after = numbers[place + 1] if place + 1 < len(numbers) else 0
        made.append(_page((numbers[place], before, after), len(group), offset, 13, body))
    return made


def _metadata(last: int, records: int) -> bytes:
    """Page 0 (`db_page.h`: DBMETA, HMETA33)."""
    common = struct.pack("<IIIIIIBBBxIII", 0, 1, 0, 0x00061561, 9, PAGE, 0, 8, 0, 0, last, 0)
    common += struct.pack("<III", records, 0, 0) + bytes(20)
    mine = struct.pack("<6I", 0, 0, 0, 0, records, 0x5E688DD1) + struct.pack("<32I", 1, *([0] * 31))
    return (common + mine).ljust(PAGE, b"\0")
