"""The packages of a base, out of its RPM database, and the database of the image that is made of it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from tempfile import TemporaryDirectory
from typing import Final

from imagekit.engines.native.installed import headers, log
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
    return dict(headers(facts.database)) if facts.database else {}


def _opened(path: str) -> Readable:
    return open(path, "rb", buffering=0)


def rewritten(database: Database, add: Sequence[Addition], remove: Collection[int]) -> Iterator[Item]:
    """The database with these packages more and less, as an entry whose content is read before the next is asked for.

    What is new counts as installed when the newest of it was built, so that the same packages are the same bytes.
    """
    from imagekit.rpm.database.rewrite import rewrite

    time = max((one.package.header.integer(Tag.BUILDTIME) for one in add), default=0)
    with TemporaryDirectory() as folder:
        path = f"{folder}/{DatabaseKind.SQLITE}"
        rewrite(database.file, path, add=add, remove=remove, time=time, log=log(database))
        entry = Entry(path=database.path, size=os.stat(path).st_size)
        yield entry, partial(_opened, path)
