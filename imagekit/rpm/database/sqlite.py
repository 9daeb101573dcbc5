"""RPM databases in SQLite, as rpm has them since 4.16 (rpm, lib/backend/sqlite.c): reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from imagekit.rpm.database.damage import header, unreadable
from imagekit.rpm.database.log import merged
from imagekit.rpm.header import MAX_DATA, Header

if TYPE_CHECKING:
    from apsw import Connection


def headers(path: str, log: bytes = b"", source: str = "the RPM database") -> Iterator[tuple[int, Header]]:
    """The number and the header of each package, by number; nothing is written, neither at `path` nor beside it.

    `log` is the content of the file that ends in `-wal`. Raises BuildFailed, naming `source`, for what is damaged.
    """
    with connected(path, log, source) as connection:
        for number, blob in connection.execute("SELECT hnum, blob FROM Packages ORDER BY hnum"):
            if not isinstance(number, int) or not isinstance(blob, bytes):
                raise unreadable(source, "a package in it is none")
            yield number, header(number, blob, source)


@contextmanager
def connected(path: str, log: bytes, source: str) -> Iterator[Connection]:
    """A connection for reading a foreign database. What SQLite says against it becomes BuildFailed."""
    import apsw

    try:
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        connection = apsw.Connection(f"file:{quote(path)}?immutable=1", flags)
        with closing(connection):
            if log:
                data = merged(connection.serialize("main"), log)
                with closing(apsw.Connection(":memory:")) as memory:
                    memory.deserialize("main", data)
                    guard(memory, source)
                    yield memory
            else:
                guard(connection, source)
                yield connection
    except (apsw.Error, ValueError) as error:
        raise unreadable(source, str(error)) from error


def guard(connection: Connection, source: str) -> None:
    """Nothing that a schema can hold is run, and the table of packages is really one."""
    import apsw

    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_VIEW, 0)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    connection.limit(apsw.SQLITE_LIMIT_LENGTH, MAX_DATA + (2 << 20))
    connection.execute("PRAGMA cell_size_check = ON")
    found = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'Packages'").get
    if not isinstance(found, str) or not found.upper().startswith("CREATE TABLE"):
        raise unreadable(source, "it has no table of packages")
