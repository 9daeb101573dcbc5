"""One execution environment, from its sandbox's opening to its end: init phase, events, resets, shutdown.

Source: developer guide, "Understanding the Lambda execution environment lifecycle". An init phase that fails or takes
more than 10 s is run again with the first event, under the function's own timeout; so is the one after a reset.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from imagekit.emulator import report
from imagekit.emulator.answers import refused
from imagekit.emulator.chronicle import Chronicle
from imagekit.emulator.connection import Exchange, Server
from imagekit.emulator.happenings import (
    EnvironmentEnded,
    EnvironmentOpened,
    EnvironmentReady,
    EnvironmentReset,
    EnvironmentStarted,
    MemorySample,
)
from imagekit.emulator.invocation import FunctionError, Invocation
from imagekit.emulator.keeper import Keeper, Opened
from imagekit.emulator.life import Life, Place
from imagekit.emulator.logs import Logs
from imagekit.emulator.memory import Memory
from imagekit.emulator.place import Function, runtime_start
from imagekit.emulator.removal import Removal
from imagekit.emulator.timers import Timers
from imagekit.errors import ImagekitError

#: Seconds after which an environment that does not end is given up.
_CLOSING: Final = 10.0
_INIT: Final = "init"


class Phase(StrEnum):
    """What an environment is doing."""

    OPENING = "opening"
    INIT = "init"
    READY = "ready"
    BUSY = "busy"
    RESETTING = "resetting"
    COLD = "cold"
    CLOSING = "closing"
    CLOSED = "closed"


class Environment:
    """An execution environment; `changed` is called whenever it may take another event, or is gone."""

    def __init__(self, number: int, function: Function, changed: Callable[[], None]) -> None:
        self._number = number
        self._function = function
        self._settings = function.settings
        self._loop = loop = function.loop
        self._changed = changed
        self.phase = Phase.OPENING
        #: Why it could not be opened.
        self.broken: ImagekitError | None = None
        self._chronicle = Chronicle(number, function.settings, function.world, function.listener)
        self._keeper = Keeper(loop, f"environment {number}")
        self._removal = Removal(number, self._keeper, self._chronicle, self._gone)
        self._logs = Logs(loop, self._chronicle.line)
        self._server: Server | None = None
        self._place: Place | None = None
        self._life: Life | None = None
        self._memory: Memory | None = None
        self._invocations: dict[str, Invocation] = {}
        self._timers = Timers(loop)
        self._since = 0.0
        #: Seconds of the init phase, until the first report has named them.
        self._init: float | None = None
        self._closed: Callable[[], None] | None = None

    @property
    def room(self) -> int:
        """How many more events it takes now."""
        if self.phase is Phase.COLD:
            return 0 if self._invocations else 1
        if self.phase not in (Phase.READY, Phase.BUSY) or self._life is None or not self._life.takes_event:
            return 0
        return self._settings.concurrency - len(self._invocations)

    @property
    def is_starting(self) -> bool:
        """Whether it will take an event soon."""
        return self.phase in (Phase.OPENING, Phase.INIT)

    def finishes(self, since: float) -> bool:
        """Whether its events were answered after this moment on the loop's clock, so that it is free in no time."""
        running = self._invocations.values()
        return self.phase is Phase.BUSY and all(item.answered and item.answered_at > since for item in running)

    @property
    def is_gone(self) -> bool:
        """Whether it takes no event any more."""
        return self.phase in (Phase.CLOSING, Phase.CLOSED)

    def open(self) -> None:
        """Make the sandbox, and begin the init phase."""
        self._chronicle.hear(EnvironmentStarted(environment=self._number, at=self._function.world.now()))
        runner, image, confines = self._function.runner, self._function.image, self._settings.confines
        self._keeper.open(lambda: runner.open(image, confines), self._opened)

    def take(self, invocation: Invocation) -> None:
        """Begin with an event; only where there is `room`."""
        invocation.begun = self._loop.now()
        invocation.deadline_ms = int((self._function.world.now() + self._settings.timeout) * 1000)
        self._invocations[invocation.id] = invocation
        self._timers.set(invocation.id, self._settings.timeout, lambda: self._timed_out(invocation))
        if self._memory is not None:
            self._memory.watch()
        cold = self.phase is Phase.COLD
        self.phase = Phase.BUSY
        if cold:
            self._begin_life("invoke")
        self._chronicle.begun(invocation)
        if not cold and self._life is not None:
            self._life.give(invocation)

    def close(self, then: Callable[[], None]) -> None:
        """End it; `then` comes when nothing is left of it."""
        if self.phase is Phase.CLOSED:
            then()
            return
        self._closed = then
        if self.phase is Phase.CLOSING:
            return
        resetting = self.phase is Phase.RESETTING
        self.phase = Phase.CLOSING
        self._quiet()
        self._abandon()
        self._loop.after(_CLOSING, self._gone)
        if self._life is None:
            self._take_down()
        elif not resetting:
            life = self._life
            self._logs.settle(lambda: life.stop("SPINDOWN", self._take_down), always=True)

    # The beginning.

    def _opened(self, opened: Opened | ImagekitError) -> None:
        if isinstance(opened, ImagekitError):
            self._break(opened)
            return
        if self.phase is not Phase.OPENING:
            opened.listener.close()
            return
        function = self._function
        runner, how, at = function.runner.name, opened.sandbox.keeps_memory, function.world.now()
        self._chronicle.hear(EnvironmentOpened(environment=self._number, at=at, runner=runner, keeps_memory=how))
        runtime, token = runtime_start(function, opened.address)
        self._place = Place(
            loop=self._loop,
            world=function.world,
            settings=self._settings,
            keeper=self._keeper,
            sandbox=opened.sandbox,
            runtime=runtime,
            extensions=function.extensions,
            output=self._logs.function.write_end,
            extensions_output=self._logs.extensions.write_end,
            metadata_token=token,
        )
        self._memory = Memory(self._loop, self._keeper, opened.sandbox, self._sampled)
        self._server = Server(self._loop, opened.listener, self._handle)
        self.phase = Phase.INIT
        self._timers.set(_INIT, self._settings.init_timeout, self._init_timed_out)
        self._begin_life(_INIT)

    def _begin_life(self, phase: str) -> None:
        assert self._place is not None
        self._since = self._loop.now()
        self._life = Life(self._place, self)
        self._chronicle.telemetry = self._life.telemetry
        self._chronicle.init_begun(phase)
        self._life.begin()

    def _break(self, error: ImagekitError) -> None:
        """It could not be made."""
        self.broken = error
        if self.phase is Phase.CLOSING:
            return
        self.phase = Phase.CLOSING
        self._take_down()
        self._changed()

    # What its run says.

    def initialised(self, error: FunctionError | None) -> None:
        """The init phase, or a suppressed one, is over."""
        if self.phase is Phase.CLOSING:
            return
        seconds = self._loop.now() - self._since
        suppressed = self.phase is Phase.BUSY
        self._logs.drain()
        self._chronicle.init_ended("invoke" if suppressed else _INIT, seconds, error)
        if suppressed:
            self._initialised_with_event(error)
            return
        self._timers.cancel(_INIT)
        name = error.type if error else ""
        at = self._function.world.now()
        self._chronicle.hear(EnvironmentReady(environment=self._number, at=at, init=seconds * 1000, error=name))
        if error:
            self._reset("TIMEOUT" if error.status == "timeout" else "FAILURE")
            return
        self._init = seconds
        self._settled()
        self.phase = Phase.READY
        self._changed()

    def invocation_done(self, invocation: Invocation) -> None:
        """An event is over, and all wait for the next."""
        self._conclude(invocation, invocation.error, self._changed)

    def asks(self) -> None:
        """One more event can be given."""
        self._changed()

    def failed(self, error: FunctionError) -> None:
        """A process ended, or gave up."""
        if self.phase is Phase.CLOSING:
            return
        running = tuple(self._invocations.values())
        self.phase = Phase.RESETTING
        for invocation in running:
            own = error.for_request(invocation.id)
            invocation.end(own, self._loop.now())
            self._conclude(invocation, own, self._changed)
        self._logs.settle(lambda: self._reset("FAILURE"))

    def _initialised_with_event(self, error: FunctionError | None) -> None:
        if error:
            self.failed(error)
            return
        self._settled()
        for invocation in tuple(self._invocations.values()):
            if self._life is not None:
                self._life.give(invocation)

    def _settled(self) -> None:
        """The init phase is over: nobody registers any more."""
        if self._life is not None:
            self._life.telemetry.close_registration()

    def _handle(self, exchange: Exchange) -> None:
        if self._life is None:
            refused(exchange, 403, "InvalidStateTransition", "nothing runs in this environment")
        else:
            self._life.handle(exchange)

    # Time.

    def _init_timed_out(self) -> None:
        if self.phase is Phase.INIT:
            text = f"Init timed out after {self._settings.init_timeout:.2f} seconds"
            self.initialised(FunctionError.ended("Sandbox.Timedout", text, "timeout"))

    def _timed_out(self, invocation: Invocation) -> None:
        text = f"Task timed out after {self._settings.timeout:.2f} seconds"
        error = FunctionError.ended("Sandbox.Timedout", text, "timeout").for_request(invocation.id)
        self._logs.drain()
        self._chronicle.line("platform", report.timed_out(invocation, self._settings, self._function.world.now()))
        if self._life is not None:
            self._life.drop(invocation)
        invocation.end(error, self._loop.now())
        goes_on = self._settings.concurrency > 1 and self._life is not None and self._life.is_initialised
        if goes_on or self.phase is not Phase.BUSY:  # as on Lambda Managed Instances; or it is being reset already
            self._conclude(invocation, error, self._changed)
            return
        self.phase = Phase.RESETTING
        self._conclude(invocation, error, lambda: self._reset("TIMEOUT"))

    # The end of an event.

    def _conclude(self, invocation: Invocation, error: FunctionError | None, then: Callable[[], None]) -> None:
        """Measure, report, and go on."""
        if invocation.id not in self._timers:
            return  # concluded before, while its log was still read; or given up
        self._timers.cancel(invocation.id)
        seconds = self._loop.now() - invocation.begun

        def settled() -> None:
            self._chronicle.runtime_done(invocation, error, seconds)
            if self._memory is None:
                done()
            else:
                self._memory.measure(done)

        def done() -> None:
            self._report(invocation, error, seconds)
            then()

        self._logs.settle(settled)

    def _report(self, invocation: Invocation, error: FunctionError | None, seconds: float) -> None:
        if self._invocations.pop(invocation.id, None) is None:
            return  # given up before
        init, self._init = self._init, None
        peak = self._memory.peak if self._memory is not None else 0
        measured = report.measured(invocation, self._settings, error, duration=seconds, init=init, peak=peak)
        if not self._invocations:
            if self._memory is not None:
                self._memory.rest()
            if self.phase is Phase.BUSY:
                self.phase = Phase.READY
        self._chronicle.ended(invocation, measured)
        invocation.caller.reported(measured)

    def _sampled(self, peak: int) -> None:
        self._chronicle.hear(MemorySample(environment=self._number, at=self._function.world.now(), peak=peak))

    # Resets and the end.

    def _reset(self, reason: str) -> None:
        """End all processes; the next event starts them anew in the same sandbox."""
        if self._life is None or self._life.is_stopping:
            return
        if self.phase is not Phase.CLOSING:
            self.phase = Phase.RESETTING
        at = self._function.world.now()
        self._chronicle.hear(EnvironmentReset(environment=self._number, at=at, reason=reason))
        self._life.stop(reason, self._reset_done)

    def _reset_done(self) -> None:
        self._logs.drain()
        self._life = None
        self._chronicle.telemetry = None
        self._init = None
        if self.phase is Phase.CLOSING:
            self._take_down()
        else:
            self.phase = Phase.COLD
            self._changed()

    def _quiet(self) -> None:
        """No timer goes off any more."""
        self._timers.cancel_all()
        if self._memory is not None:
            self._memory.rest()

    def _abandon(self) -> None:
        """Events in flight fail: the environment is closed under them."""
        for invocation in tuple(self._invocations.values()):
            error = FunctionError.ended("Sandbox.Failure", "the environment was closed").for_request(invocation.id)
            invocation.end(error, self._loop.now())
            self._report(invocation, invocation.error, self._loop.now() - invocation.begun)

    def _take_down(self) -> None:
        self._logs.drain()
        if self._server is not None:
            self._server.close()
        if self._settings.keep and self._place is not None:
            self._removal.keep(self._place.sandbox, self._settings.keep)
        self._removal.begin()

    def _gone(self) -> None:
        if self.phase is Phase.CLOSED:
            return
        self.phase = Phase.CLOSED
        self._logs.close()
        self._chronicle.hear(EnvironmentEnded(environment=self._number, at=self._function.world.now()))
        if self._closed:
            self._closed()
