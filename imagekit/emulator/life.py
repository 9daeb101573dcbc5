"""One run of a function in its environment: extensions and runtime from their start to their end.

The order is that of the developer guide's "Lambda execution environment lifecycle": extensions start and register, the
runtime starts, both ask for their first event. At the end the runtime goes first, then the extensions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from imagekit.emulator.answers import accepted, document, refused
from imagekit.emulator.connection import Exchange
from imagekit.emulator.extensions import Extension, Extensions
from imagekit.emulator.invocation import FunctionError, Invocation
from imagekit.emulator.keeper import Keeper
from imagekit.emulator.loop import Loop, Timer
from imagekit.emulator.ports import Sandbox, Start
from imagekit.emulator.processes import Processes, said
from imagekit.emulator.runtime_api import RuntimeApi
from imagekit.emulator.settings import Settings, World
from imagekit.emulator.telemetry import Telemetry
from imagekit.emulator.variables import of_extension
from imagekit.errors import ImagekitError
from imagekit.values import dataclass

_RUNTIME: Final = "runtime"
#: Seconds that the extensions of a runtime's own process have at the end, and the runtime's share of any such time.
_INTERNAL: Final = 0.5
_RUNTIMES_SHARE: Final = 0.3
#: Seconds that subscribers have at most to take what was buffered for them, before extensions are told to end.
_TELEMETRY: Final = 0.1
#: Seconds that a runtime has to end after it said that it cannot start.
_LAST_WORD: Final = 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a function runs: its sandbox, how its processes start, and where what they write goes."""

    loop: Loop
    world: World
    settings: Settings
    keeper: Keeper
    sandbox: Sandbox
    runtime: Start
    extensions: tuple[str, ...]
    #: Write ends of pipes.
    output: int
    extensions_output: int
    metadata_token: str


class LifeWatcher(Protocol):
    """Who is told what comes of it."""

    def initialised(self, error: FunctionError | None) -> None:
        """Runtime and extensions wait for the first event, or cannot."""

    def invocation_done(self, invocation: Invocation) -> None:
        """An event is answered, and everybody waits for the next."""

    def asks(self) -> None:
        """It takes another event, beside those in flight."""

    def failed(self, error: FunctionError) -> None:
        """It cannot go on."""


class Life:
    """From the start of the processes to the end of the last one."""

    def __init__(self, place: Place, watcher: LifeWatcher) -> None:
        self._place = place
        self._watcher = watcher
        self._processes = Processes(place.loop, place.keeper, self._ended)
        self._runtime_started = False
        self._initialised = False
        self._stopping = False
        self._failed = False
        self._last_word: FunctionError | None = None
        self._invocations: dict[str, Invocation] = {}
        self._then: Callable[[], None] | None = None
        self._timers: list[Timer] = []
        self.telemetry = Telemetry(place.sandbox, place.world.now)
        self._api = RuntimeApi(place.settings, self, place.loop.now)
        self._extensions = Extensions(place.extensions, place.settings, place.world, self)
        self._extensions.handler = place.settings.handler or place.runtime.command[-1]

    def begin(self) -> None:
        """Start extensions, then the runtime."""
        variables = of_extension(self._place.runtime.environment)
        for name in self._place.extensions:
            what = Start(command=(f"/opt/extensions/{name}",), environment=variables)
            self._processes.start(_extension(name), what, self._place.extensions_output, self._launch_failed)
        self.extensions_changed()

    def give(self, invocation: Invocation) -> None:
        """An event, when all are idle."""
        self._invocations[invocation.id] = invocation
        event = invocation.event
        arn = self._place.settings.arn + (f":{event.qualifier}" if event.qualifier else "")
        if not self._api.several:
            self._extensions.invoke(
                id=invocation.id, deadline_ms=invocation.deadline_ms, arn=arn, trace=invocation.trace
            )
        self._api.give(invocation)

    def drop(self, invocation: Invocation) -> None:
        """Its time is over."""
        self._invocations.pop(invocation.id, None)
        self._api.drop(invocation)

    @property
    def is_initialised(self) -> bool:
        """Whether its init phase went well."""
        return self._initialised

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to end."""
        return self._stopping

    @property
    def takes_event(self) -> bool:
        """Whether an event can be given now."""
        return self._initialised and not self._stopping and self._api.asks

    def handle(self, exchange: Exchange) -> None:
        """A request from inside."""
        words = exchange.head.path.split("/")[1:]
        match words:
            case ["2018-06-01", "runtime", *rest] if self._api.handle(exchange, rest):
                return
            case ["2020-01-01", "extension", *rest] if self._extensions.handle(exchange, rest):
                return
            case ["2018-06-01", "ping"] | ["ping"]:
                exchange.respond(200, b"pong", (("Content-Type", "text/plain"),))
            case ["2022-07-01", "telemetry"] | ["2022-07-01", "telemetry", ""] if exchange.head.method == "PUT":
                extension = self._extensions.identified(exchange)
                if extension is not None:
                    self.telemetry.subscribe(exchange, extension.id, extension.name)
            case ["2020-08-15", "logs"]:
                accepted(exchange)  # replaced by telemetry; local Lambdas take the call and send nothing
            case ["2026-01-15", "metadata", "execution-environment"]:
                self._metadata(exchange)
            case _:
                refused(exchange, 404, "NotFound", f"there is no {exchange.head.path[:200]}")

    def stop(self, reason: str, then: Callable[[], None]) -> None:
        """End everything (`reason` is SPINDOWN, TIMEOUT or FAILURE); `then` comes once nothing runs."""
        self._then = then
        self._stopping = True
        registered = self._extensions.registered
        if not registered:
            self._kill()
            return
        external = any(item.external for item in registered)
        budget = self._place.settings.shutdown if external else _INTERNAL
        deadline_ms = int((self._place.world.now() + budget) * 1000)
        self._later(budget, self._kill)
        if reason == "SPINDOWN":
            self._processes.terminate(_RUNTIME)
            self._later(budget * _RUNTIMES_SHARE, lambda: self._processes.kill(_RUNTIME))
        else:
            self._processes.kill(_RUNTIME)
        self._after_runtime(reason, deadline_ms)

    # What the processes do.

    def runtime_ready(self) -> None:
        """The runtime asks for an event."""
        self._extensions.open = False
        self._check()

    def runtime_failed(self, error: FunctionError) -> None:
        """The runtime says that it cannot start: it ends by itself then, or is ended."""
        self._last_word = error
        self._later(_LAST_WORD, lambda: self._fail(error))

    def runtime_answered(self, invocation: Invocation) -> None:
        """An event is answered; where several are in flight nobody else is waited for."""
        if self._api.several and self._invocations.pop(invocation.id, None) is not None:
            self._watcher.invocation_done(invocation)

    def extension_ready(self, extension: Extension) -> None:
        """An extension has registered."""
        record = {"name": extension.name, "state": "Ready", "events": list(extension.events)}
        self.telemetry.publish("platform.extension", record)

    def extensions_changed(self) -> None:
        """An extension has registered, or waits."""
        if not self._runtime_started and self._extensions.external_registered and not self._stopping:
            self._runtime_started = True
            self._processes.start(_RUNTIME, self._place.runtime, self._place.output, self._runtime_refused)
        self._check()

    def extension_failed(self, error: FunctionError) -> None:
        """An extension says that it cannot go on."""
        self._fail(error)

    def _check(self) -> None:
        """Whether the phase is over."""
        if self._stopping or self._failed:
            return
        if not self._initialised:
            if self._api.asks and self._extensions.ready:
                self._initialised = True
                self._watcher.initialised(None)
            return
        if self._api.several:
            self._watcher.asks()
            return
        done = [item for item in self._invocations.values() if item.answered]
        if done and self._api.asks and self._extensions.idle:
            self._invocations.clear()
            self._watcher.invocation_done(done[0])

    def _ended(self, name: str, code: int) -> None:
        if self._stopping or self._failed:
            return
        if name == _RUNTIME and self._last_word is not None:
            self._fail(self._last_word)
        elif name == _RUNTIME:
            text = f"Runtime exited with error: {said(code)}" if code else "Runtime exited without providing a reason"
            self._fail(FunctionError.ended("Runtime.ExitError", text))
        else:
            self._fail(FunctionError.ended("Extension.Crash", f"{name} ended: {said(code)}"))

    def _runtime_refused(self, error: ImagekitError) -> None:
        self._fail(FunctionError.ended("Runtime.InvalidEntrypoint", error.message))

    def _launch_failed(self, error: ImagekitError) -> None:
        self._fail(FunctionError.ended("Extension.LaunchError", error.message))

    def _fail(self, error: FunctionError) -> None:
        if self._failed or self._stopping:
            return
        self._failed = True
        if self._initialised:
            self._watcher.failed(error)
        else:
            self._watcher.initialised(error)

    def _metadata(self, exchange: Exchange) -> None:
        if exchange.head.header("authorization") != f"Bearer {self._place.metadata_token}":
            refused(exchange, 403, "Forbidden", "the token is not AWS_LAMBDA_METADATA_TOKEN")
            return
        document(exchange, {"AvailabilityZoneID": "use1-az1"}, (("Cache-Control", "max-age=43200"),))

    # The end.

    def _after_runtime(self, reason: str, deadline_ms: int) -> None:
        """Once the runtime is gone the extensions are told, and waited for."""
        if self._then is None:
            return
        if self._processes.runs(_RUNTIME):
            self._later(0.005, lambda: self._after_runtime(reason, deadline_ms))
            return
        self.telemetry.flush()
        self._after_telemetry(reason, deadline_ms, self._place.loop.now() + _TELEMETRY)

    def _after_telemetry(self, reason: str, deadline_ms: int, until: float) -> None:
        """Once they have what happened before: some end with the word SHUTDOWN."""
        if self._then is None:
            return
        if not self.telemetry.is_sent and self._place.loop.now() < until:
            self._later(0.005, lambda: self._after_telemetry(reason, deadline_ms, until))
            return
        self._extensions.shutdown(reason, deadline_ms)
        for name in self._place.extensions:
            if not self._extensions.awaits_shutdown(name):
                self._processes.kill(_extension(name))
        self._wait_for_extensions()

    def _wait_for_extensions(self) -> None:
        if self._then is None:
            return
        if any(self._processes.runs(_extension(name)) for name in self._place.extensions):
            self._later(0.005, self._wait_for_extensions)
        else:
            self._kill()

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._timers.append(self._place.loop.after(seconds, call))

    def _kill(self) -> None:
        if self._then is not None:
            then, self._then = self._then, None
            for timer in self._timers:
                timer.cancel()
            self.telemetry.close()
            self._processes.kill_all(then)


def _extension(name: str) -> str:
    """What the process of an extension is called among the processes."""
    return f"extension {name}"
