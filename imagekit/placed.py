"""Errors get the place of what is at work: what fails deep inside does not know who asked for it."""

from __future__ import annotations

from typing import Final, Self

from imagekit.errors import BuildFailed, InvalidFile, RemoteFailed
from imagekit.findings import Place

#: What the spec, or something that it names, is to blame for; not what this machine lacks, nor a bug.
_BLAMED: Final = (BuildFailed, InvalidFile, RemoteFailed)


class At:
    """A context in which errors without a place get `place`, which may change meanwhile."""

    def __init__(self, place: Place | None = None) -> None:
        self.place = place

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _BLAMED) and error.place is None and self.place:
            raise type(error)(error.message, hint=error.hint, place=self.place) from error
