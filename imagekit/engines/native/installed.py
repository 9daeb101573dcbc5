"""What a base has: the headers in its RPM database, and the versions that they tell of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Self

from imagekit.facts import Database, DatabaseKind
from imagekit.rpm.evr import Nevra
from imagekit.rpm.header import Header
from imagekit.values import dataclass

#: The package whose version is the release of a system that has one repository for each release.
_RELEASE: Final = "system-release"


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """The packages of a base, by name and architecture; of several versions the newest."""

    packages: Mapping[tuple[str, str], Nevra]

    @classmethod
    def of(cls, database: Database) -> Self:
        """What a database tells; raises BuildFailed for one that is damaged."""
        found: dict[tuple[str, str], Nevra] = {}
        for _, header in headers(database):
            nevra = header.nevra
            key = nevra.name, nevra.arch
            if key not in found or found[key].evr < nevra.evr:
                found[key] = nevra
        return cls(packages=found)

    @property
    def release(self) -> str:
        """The version of the release package; empty when there is none."""
        return next((nevra.evr.version for nevra in self.packages.values() if nevra.name == _RELEASE), "")

    def is_older(self, other: Nevra) -> bool:
        """True when the base has an older version of this package."""
        mine = self.packages.get((other.name, other.arch))
        return mine is not None and mine.evr < other.evr


def headers(database: Database) -> Iterator[tuple[int, Header]]:
    """The number and the header of each package; raises BuildFailed for a database that is damaged."""
    if database.kind is DatabaseKind.BERKELEY:
        from imagekit.rpm.database import berkeley

        with open(database.file, "rb") as opened:
            yield from berkeley.headers(opened, database.source)
        return
    from imagekit.rpm.database import sqlite

    yield from sqlite.headers(database.file, log(database), database.source)


def log(database: Database) -> bytes:
    """What SQLite has yet to put into the database."""
    if not database.log_file:
        return b""
    with open(database.log_file, "rb") as opened:
        return opened.read()
