"""The packages of a base, out of its RPM database."""

from __future__ import annotations

from collections.abc import Mapping

from imagekit.facts import DatabaseKind, Facts
from imagekit.rpm.header import Header


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


def _log(path: str) -> bytes:
    if not path:
        return b""
    with open(path, "rb") as file:
        return file.read()
