"""The lock beside the spec: read, judged, renewed with the least change, written atomically."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from imagekit.errors import InvalidFile, Missing, StaleLock
from imagekit.lock import Lock, Making, Request, differences, making_differences
from imagekit.store import atomic

if TYPE_CHECKING:
    from imagekit.resolve import Resolver

#: Bytes of a lock that are read.
_MAX_SIZE: Final = 16 * 1024 * 1024


class Use(StrEnum):
    """What a command may do to the lock."""

    RENEW = "renew"  # write a missing one, renew a stale one
    LOCKED = "locked"  # fail when it is missing or stale
    FROZEN = "frozen"  # take it as it is, whatever the spec says now


@dataclass(frozen=True, kw_only=True, slots=True)
class LockFile:
    """The lock of one spec: `runtime.lock` beside `runtime.yaml`. `version` is this imagekit's."""

    path: str
    version: str

    @classmethod
    def beside(cls, spec: str, version: str) -> LockFile:
        """The lock's place for a spec's path."""
        return cls(path=f"{os.path.splitext(spec)[0]}.lock", version=version)

    def read(self) -> Lock | None:
        """The lock, None when there is none; raises InvalidFile."""
        try:
            with open(self.path, "rb") as file:
                data = file.read(_MAX_SIZE + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InvalidFile(f"{self.path}: {error.strerror}", hint="make the lock readable") from error
        if len(data) > _MAX_SIZE:
            raise InvalidFile(f"{self.path} is larger than {_MAX_SIZE} bytes; this is no lock")
        return Lock.from_bytes(data, self.path)

    def write(self, lock: Lock) -> None:
        """Replace it; raises Missing when it cannot be written."""
        try:
            atomic.write(self.path, lock.to_bytes())
        except OSError as error:
            raise Missing(
                f"{self.path} cannot be written: {error.strerror}",
                hint="make room or the folder writable, or commit a lock that fits and build with --locked",
            ) from error

    def use(self, use: Use, request: Request, making: Making, renew: Callable[[Lock | None], Lock]) -> Lock:
        """The lock to build from; `renew` makes one out of the old one. Raises StaleLock as `use` says."""
        lock = self.read()
        if use is Use.FROZEN:
            return self._frozen(lock, making)
        why = differences(lock, request, making) if lock else ("there is no lock",)
        if lock and not why:
            return lock
        if use is Use.LOCKED:
            raise StaleLock(f"{self.path} does not fit: {'; '.join(why)}")
        renewed = renew(lock)
        self.write(renewed)
        return renewed

    def _frozen(self, lock: Lock | None, making: Making) -> Lock:
        if lock is None:
            raise StaleLock(f"there is no {self.path}, and --frozen resolves nothing")
        why = making_differences(lock.making, making)
        if why:
            raise StaleLock(
                f"{self.path} cannot be met by imagekit {self.version}: {'; '.join(why)}",
                hint=f"install imagekit {lock.imagekit}, which wrote it, or run `imagekit lock`",
            )
        return lock


def renewal(
    resolver: Resolver, request: Request, making: Making, *, created: str, version: str
) -> Callable[[Lock | None], Lock]:
    """What makes a lock out of an old one or none: what is still right stays as it is."""

    def renew(known: Lock | None) -> Lock:
        return resolver.lock(request, making, known=known, created=created, version=version)

    return renew
