"""RPM databases in SQLite: a new one with other packages, made from the base's.

The same rows are the same bytes on every machine: SQLite is one pinned version, the time is given, and at the end all
is written anew in order. The journal mode is DELETE: a database in rpm's own mode, WAL, cannot be opened by a user who
may not write beside it, and rpm turns its mode on by itself when it writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Final

from imagekit.errors import Missing
from imagekit.rpm.database.damage import unreadable
from imagekit.rpm.database.index import BLOBS, TEXTS, rows
from imagekit.rpm.database.installed import Addition, installed
from imagekit.rpm.database.sqlite import connected, guard
from imagekit.rpm.header import Header
from imagekit.rpm.tag import Tag

if TYPE_CHECKING:
    from apsw import Connection

_TABLES: Final = (*TEXTS, *BLOBS)


def rewrite(
    source_path: str,
    target_path: str,
    *,
    add: Iterable[Addition] = (),
    remove: Collection[int] = (),
    time: int,
    log: bytes = b"",
) -> dict[str, int]:
    """Write the database at `source_path`, with these packages more and less, to `target_path`, a new file.

    `remove` are numbers of packages in it; `time`, in seconds, is when the new ones count as installed; `log` is the
    content of the file beside it that ends in `-wal`. Returns the numbers of the new packages by their full names.
    Raises BuildFailed; what is at `target_path` is then to be thrown away.
    """
    import apsw

    source = "the base's RPM database"
    with connected(source_path, log, source) as base:
        try:
            with closing(apsw.Connection(target_path)) as target:
                with target.backup("main", base, "main") as backup:
                    backup.step()
                guard(target, source)
                return _rewrite(target, add, remove, time, source)
        except (apsw.FullError, apsw.IOError, apsw.CantOpenError) as error:
            raise Missing(
                f"the image's RPM database cannot be written: {error}", hint="make room there, or say another TMPDIR"
            ) from error


def _rewrite(
    target: Connection, add: Iterable[Addition], remove: Collection[int], time: int, source: str
) -> dict[str, int]:
    target.pragma("journal_mode", "delete")
    # What does not become whole is thrown away: nothing has to reach the disk on the way.
    target.pragma("synchronous", 0)
    _check(target, source)
    color = _color(target, source)
    numbers = {}
    with target:
        _remove(target, remove, source)
        for addition in add:
            header = installed(addition, time=time, color=color)
            numbers[str(header.nevra)] = _add(target, header)
    target.execute("VACUUM")
    return numbers


def _check(target: Connection, source: str) -> None:
    """All tables are there, and are tables."""
    found = {str(name) for (name,) in target.execute("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE TABLE%'")}
    missing = [table for table in _TABLES if table not in found]
    if missing:
        raise unreadable(source, f"it has no table {missing[0]}")


def _color(target: Connection, source: str) -> int:
    """What the system can run, as its packages say; keys among them do not say it."""
    for (blob,) in target.execute("SELECT blob FROM Packages ORDER BY hnum"):
        if not isinstance(blob, bytes):
            break
        header = Header.from_blob(blob, source)
        if Tag.INSTALLCOLOR in header:
            return header.integer(Tag.INSTALLCOLOR)
    return 0


def _remove(target: Connection, numbers: Collection[int], source: str) -> None:
    for number in sorted(set(numbers)):
        target.execute("DELETE FROM Packages WHERE hnum = ?", (number,))
        if target.changes() != 1:
            raise unreadable(source, f"it has no package {number}")
        for table in _TABLES:
            target.execute(f"DELETE FROM '{table}' WHERE hnum = ?", (number,))


def _add(target: Connection, header: Header) -> int:
    """A package's header and all that it is found by; its number."""
    target.execute("INSERT INTO Packages (blob) VALUES (?)", (header.raw,))
    number = target.last_insert_rowid()
    for table, found in rows(header):
        # A text of foreign bytes is none for Python; SQLite takes it as it is.
        key = "?" if table in BLOBS else "CAST(? AS TEXT)"
        target.executemany(
            f"INSERT INTO '{table}' (key, hnum, idx) VALUES ({key}, ?, ?)",
            [(text, number, index) for text, index in found],
        )
    return number
