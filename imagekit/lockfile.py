"""The lock beside the spec: read, judged, renewed with the least change, written atomically."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Final

from imagekit.errors import InvalidFile, Missing, StaleLock, UsageError
from imagekit.gather import regular
from imagekit.lock import Lock, Making, Request, differences, making_differences, missing
from imagekit.making import is_known
from imagekit.store import atomic
from imagekit.values import dataclass

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
            data = regular.read(self.path, _MAX_SIZE)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InvalidFile(f"{self.path}: {error.strerror}", hint="make the lock readable") from error
        if len(data) > _MAX_SIZE:
            raise InvalidFile(f"{self.path} is larger than {_MAX_SIZE} bytes; this is no lock")
        return Lock.from_bytes(data, self.path)

    def write(self, lock: Lock) -> None:
        """Replace it, where a symlink leads to; raises Missing when it cannot be written."""
        try:
            atomic.write(os.path.realpath(self.path), lock.to_bytes())
        except OSError as error:
            raise Missing(
                f"{self.path} cannot be written: {error.strerror}",
                hint="make room or the folder writable, or commit a lock that fits and build with --locked",
            ) from error

    def usable(self, lock: Lock | None, use: Use, request: Request, making: Making) -> Lock | None:
        """The lock, if it can be built from as it is; None when a new one is needed. Raises StaleLock as `use` says."""
        if use is Use.FROZEN:
            return self._frozen(lock, request, making)
        why = differences(lock, request, making) if lock else ()
        if lock and not why:
            return lock
        if use is Use.LOCKED:
            raise StaleLock(f"{self.path} does not fit: {'; '.join(why)}" if lock else f"there is no {self.path}")
        return None

    def _frozen(self, lock: Lock | None, request: Request, making: Making) -> Lock:
        if lock is None:
            raise StaleLock(f"there is no {self.path}, and --frozen resolves nothing")
        if lock.making.codec != making.codec and is_known(lock.making.codec):
            raise UsageError(
                f"--frozen builds as {self.path} says, by {lock.making.codec}",
                hint="leave --compression out, or build without --frozen to lock another one",
            )
        if lacking := missing(lock, request):
            raise StaleLock(f"{self.path} is for another spec: {'; '.join(lacking)}")
        if why := making_differences(lock.making, making):
            raise StaleLock(
                f"{self.path} cannot be met by imagekit {self.version}: {'; '.join(why)}",
                hint=f"install imagekit {lock.imagekit}, which wrote it, or run `imagekit lock`",
            )
        return lock
