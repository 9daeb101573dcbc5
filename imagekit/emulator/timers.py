"""Timers by name, of whom each is set and cancelled by itself or with all others."""

from __future__ import annotations

from collections.abc import Callable

from imagekit.emulator.loop import Loop, Timer


class Timers:
    """On one loop; a name is there from `set` to `cancel`, also when its time has come."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._by_name: dict[str, Timer] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def set(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """Call in so many seconds."""
        self._by_name[name] = self._loop.after(seconds, call)

    def cancel(self, name: str) -> None:
        """Forget it; one that is not there is fine."""
        timer = self._by_name.pop(name, None)
        if timer is not None:
            timer.cancel()

    def cancel_all(self) -> None:
        """None goes off any more."""
        for name in tuple(self._by_name):
            self.cancel(name)
