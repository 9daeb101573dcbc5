"""The last of what happened, for pages that are opened later."""

from __future__ import annotations

from collections import deque
from typing import Final

from imagekit.emulator.happenings import (
    EnvironmentEnded,
    EnvironmentReady,
    EnvironmentReset,
    EnvironmentStarted,
    Happening,
    LogLine,
    MemorySample,
)

#: Happenings, and characters of log lines in them, that are kept.
MOST: Final = 2000
MOST_TEXT: Final = 1 << 20
#: What tells how an environment stands: the last of each kind is kept as long as it is there.
_STANDING: Final = (EnvironmentStarted, EnvironmentReady, EnvironmentReset, MemorySample)

Numbered = tuple[int, Happening]


class History:
    """Happenings with the numbers that they came in; the oldest go first."""

    def __init__(self) -> None:
        self._kept: deque[Numbered] = deque()
        self._text = 0
        self._standing: dict[int, dict[type, Numbered]] = {}
        #: The number of the last happening; 0 before the first.
        self.last = 0

    def add(self, happening: Happening) -> Numbered:
        """Keep one more."""
        self.last += 1
        numbered = (self.last, happening)
        self._kept.append(numbered)
        if isinstance(happening, LogLine):
            self._text += len(happening.text)
        elif isinstance(happening, EnvironmentEnded):
            self._standing.pop(happening.environment, None)
        elif isinstance(happening, _STANDING):
            self._standing.setdefault(happening.environment, {})[type(happening)] = numbered
        while len(self._kept) > MOST or self._text > MOST_TEXT:
            self._forget()
        return numbered

    def since(self, number: int) -> list[Numbered] | None:
        """What came after this number; None when some of it is forgotten."""
        if not self.last - len(self._kept) <= number <= self.last:
            return None
        return [item for item in self._kept if item[0] > number]

    def everything(self) -> list[Numbered]:
        """All that is kept, before it how environments stand of which the beginning is forgotten."""
        first = self.last - len(self._kept) + 1
        older = [item for kinds in self._standing.values() for item in kinds.values() if item[0] < first]
        return [*sorted(older, key=lambda item: item[0]), *self._kept]

    def _forget(self) -> None:
        _, happening = self._kept.popleft()
        if isinstance(happening, LogLine):
            self._text -= len(happening.text)
