"""A function's execution environments: made as events need them, up to a number; beyond that events wait their turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from imagekit.emulator.environment import Environment
from imagekit.emulator.identity import trace, uuid
from imagekit.emulator.invocation import UNDELIVERED, Caller, Event, FunctionError, Invocation
from imagekit.emulator.place import Function
from imagekit.errors import ImagekitError

_CLOSED_TYPE: Final = "Sandbox.Failure"
#: Seconds that a runtime usually needs from its answer to asking for the next event, and more.
_FINISHING: Final = 0.05


class TooManyEventsError(Exception):
    """More events wait than may."""


class Pool:
    """All environments of one function, the one used last first: the others stay cold as long as they can."""

    def __init__(self, function: Function, broken: Callable[[ImagekitError], None]) -> None:
        self._function = function
        self._broken = broken
        self._environments: list[Environment] = []
        self._waiting: deque[Invocation] = deque()
        self._count = 0
        self._closing = False

    @property
    def environments(self) -> int:
        """How many there are."""
        return len(self._environments)

    def submit(self, event: Event, caller: Caller) -> Invocation:
        """Bring an event to an environment; raises TooManyEventsError."""
        if len(self._waiting) >= self._function.settings.waiting:
            raise TooManyEventsError
        world = self._function.world
        id, traced = event.request_id or uuid(world), event.trace or trace(world)
        invocation = Invocation(event, caller, id=id, trace=traced)
        if self._closing:
            invocation.end(_closed(), self._function.loop.now())
            return invocation
        self._waiting.append(invocation)
        self._dispatch()
        return invocation

    def warm(self) -> None:
        """Make the first environment before any event."""
        if not self._environments:
            self._add()

    def close(self, then: Callable[[], None]) -> None:
        """End them all; events that wait fail."""
        self._closing = True
        left = set(self._environments)

        def gone(environment: Environment) -> None:
            left.discard(environment)
            if not left:
                then()

        while self._waiting:
            self._waiting.popleft().end(_closed(), self._function.loop.now())
        for environment in tuple(self._environments):
            environment.close(lambda environment=environment: gone(environment))  # type: ignore[misc]
        if not self._environments:
            then()

    def _dispatch(self) -> None:
        """Give out what waits, as far as there is room, and make room."""
        while self._waiting and not self._closing:
            environment = next((item for item in self._environments if item.room > 0), None)
            if environment is None:
                break
            self._environments.remove(environment)
            self._environments.insert(0, environment)
            environment.take(self._waiting.popleft())
        if not self._closing:
            self._make_room()

    def _make_room(self) -> None:
        """Environments for what still waits, except for what those take that are free in no time."""
        settings, loop = self._function.settings, self._function.loop
        starting = sum(item.is_starting for item in self._environments) * settings.concurrency
        finishing = sum(item.finishes(loop.now() - _FINISHING) for item in self._environments)
        while starting + finishing < len(self._waiting) and len(self._environments) < settings.environments:
            self._add()
            starting += settings.concurrency
        if self._waiting and finishing:
            loop.after(_FINISHING, self._dispatch)

    def _add(self) -> None:
        self._count += 1
        environment = Environment(self._count, self._function, lambda: self._changed(environment))
        self._environments.append(environment)
        environment.open()

    def _changed(self, environment: Environment) -> None:
        if environment.broken is not None and environment in self._environments:
            self._environments.remove(environment)
            self._broken(environment.broken)
            self._fail(environment.broken)
        self._dispatch()

    def _fail(self, error: ImagekitError) -> None:
        """No environment can be made: an event that waits for one is told so."""
        if self._waiting and not any(item.is_starting or item.room for item in self._environments):
            failed = FunctionError.made(_CLOSED_TYPE, error.message, UNDELIVERED)
            self._waiting.popleft().end(failed, self._function.loop.now())


def _closed() -> FunctionError:
    return FunctionError.made(_CLOSED_TYPE, "the emulator was closed", UNDELIVERED)
