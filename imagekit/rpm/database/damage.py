"""The error for an RPM database that is not what databases are."""

from __future__ import annotations

from imagekit.errors import BuildFailed


def unreadable(source: str, what: str) -> BuildFailed:
    """`source` is what messages call the database."""
    return BuildFailed(
        f"{source} cannot be read: {what}",
        hint="look at it with `rpm -qa` in a container of this image; take another image if that fails too",
    )
