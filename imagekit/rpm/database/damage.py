"""What is said of an RPM database, or of a package in it, that is not what it should be."""

from __future__ import annotations

from typing import Final

from imagekit.errors import BuildFailed
from imagekit.rpm.header import Header

_HINT: Final = "look at it with `rpm -qa` in a container of this image; take another image if that fails too"


def unreadable(source: str, what: str) -> BuildFailed:
    """`source` is what messages call the database."""
    return BuildFailed(f"{source} cannot be read: {what}", hint=_HINT)


def header(number: int, blob: bytes, source: str) -> Header:
    """The header of the package with this number; raises BuildFailed."""
    return Header.from_blob(blob, f"package {number} of {source}", _HINT)
