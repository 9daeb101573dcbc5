"""The packages of a base, out of its RPM database, and the database of the image that is made of it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from tempfile import TemporaryDirectory
from typing import Final

from imagekit.facts import Database, DatabaseKind, Facts
from imagekit.readable import Readable
from imagekit.rootfs.entry import Entry, Item
from imagekit.rpm.database.installed import Addition
from imagekit.rpm.header import Header
from imagekit.rpm.tag import Tag

#: What SQLite keeps beside a database; what is left of them belongs to the base's.
BESIDE: Final = ("-wal", "-shm", "-journal")


def installed(facts: Facts) -> Mapping[int, Header]:
    """Headers by their number in the database; none where the base has no database. Raises BuildFailed."""
    database = facts.database
    if database is None:
        return {}
    source = f"the base's RPM database /{database.path}"
    if database.kind is DatabaseKind.BERKELEY:
        from imagekit.rpm.database import berkeley

        with open(database.file, "rb") as file:
            return dict(berkeley.headers(file, source))
    from imagekit.rpm.database import sqlite

    return dict(sqlite.headers(database.file, _log(database.log_file), source))


def _opened(path: str) -> Readable:
    return open(path, "rb", buffering=0)


def _log(path: str) -> bytes:
    if not path:
        return b""
    with open(path, "rb") as file:
        return file.read()


def rewritten(database: Database, add: Sequence[Addition], remove: Collection[int]) -> Iterator[Item]:
    """The database with these packages more and less, as an entry whose content is read before the next is asked for.

    What is new counts as installed when the newest of it was built, so that the same packages are the same bytes.
    """
    from imagekit.rpm.database.rewrite import rewrite

    time = max((one.package.header.integer(Tag.BUILDTIME) for one in add), default=0)
    with TemporaryDirectory() as folder:
        path = f"{folder}/{DatabaseKind.SQLITE}"
        rewrite(database.file, path, add=add, remove=remove, time=time, log=_log(database.log_file))
        entry = Entry(path=database.path, size=os.stat(path).st_size)
        yield entry, partial(_opened, path)
