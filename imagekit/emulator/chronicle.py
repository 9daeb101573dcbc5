"""What is told of an environment: lines of the log, telemetry, and happenings for whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imagekit.emulator import report
from imagekit.emulator.happenings import Happening, InvocationBegun, InvocationEnded, Listener, LogLine
from imagekit.emulator.identity import moment
from imagekit.emulator.invocation import FunctionError, Invocation, Report
from imagekit.emulator.settings import Settings, World
from imagekit.emulator.telemetry import Telemetry
from imagekit.emulator.variables import initialization_type


class Chronicle:
    """One environment's."""

    def __init__(self, number: int, settings: Settings, world: World, listener: Listener) -> None:
        self._number = number
        self._settings = settings
        self._world = world
        self._listener = listener
        #: The events in flight; lines belong to the one that is alone.
        self.current: dict[str, Invocation] = {}
        #: Where telemetry of the present run goes.
        self.telemetry: Telemetry | None = None

    def hear(self, happening: Happening) -> None:
        """Tell whoever watches."""
        self._listener.heard(happening)

    def line(self, source: str, text: str) -> None:
        """A line of the log, or several, from `function`, `extension` or `platform`."""
        alone = next(iter(self.current.values())) if len(self.current) == 1 else None
        if alone is not None:
            alone.log(text)
        self._tell(source, text, alone.id if alone is not None else "")
        if source != "platform" and self.telemetry is not None and self.telemetry.is_heard:
            for line in text.split("\n"):
                self.telemetry.publish(source, line + "\n")

    def init_begun(self, phase: str) -> None:
        """An init phase (`init` or, suppressed, `invoke`) begins."""
        self._platform(
            "initStart",
            lambda: {
                "initializationType": initialization_type(self._settings),
                "phase": phase,
                "functionName": self._settings.name,
                "functionVersion": self._settings.version,
                "instanceMaxMemory": self._settings.confines.memory,
            },
        )

    def init_ended(self, phase: str, seconds: float, error: FunctionError | None) -> None:
        """It is over."""
        kind = initialization_type(self._settings)
        status = error.status if error else "success"
        done: dict[str, object] = {"initializationType": kind, "phase": phase, "status": status}
        if error:
            done["errorType"] = error.type
        measured = {"initializationType": kind, "phase": phase, "metrics": {"durationMs": round(seconds * 1000, 3)}}
        self._platform("initRuntimeDone", lambda: done)
        self._platform("initReport", lambda: {**measured, "status": status})
        if error:
            word = "timeout" if status == "timeout" else "error"
            self.line("platform", report.init(seconds * 1000, phase, word, "" if word == "timeout" else error.type))

    def begun(self, invocation: Invocation) -> None:
        """An event begins."""
        self.current[invocation.id] = invocation
        text = report.start(invocation, self._settings)
        invocation.log(text)
        self._tell("platform", text, invocation.id)
        size = len(invocation.event.payload)
        at = self._world.now()
        self.hear(InvocationBegun(environment=self._number, at=at, request_id=invocation.id, size=size))
        self._platform(
            "start",
            lambda: {
                "requestId": invocation.id,
                "version": self._settings.version,
                "tracing": _tracing(invocation),
            },
        )

    def runtime_done(self, invocation: Invocation, error: FunctionError | None, seconds: float) -> None:
        """The runtime is done with an event."""
        self._platform("runtimeDone", lambda: self._runtime_done(invocation, error, seconds))

    def ended(self, invocation: Invocation, value: Report) -> None:
        """An event is over, with all that is known of it."""
        for text in (report.end(invocation), report.report(value)):
            invocation.log(text)
            self._tell("platform", text, invocation.id)
        self.current.pop(invocation.id, None)
        self.hear(
            InvocationEnded(
                environment=self._number,
                at=self._world.now(),
                request_id=invocation.id,
                size=invocation.produced,
                report=value,
            )
        )
        self._platform("report", lambda: _report(invocation, value))

    def _tell(self, source: str, text: str, request_id: str) -> None:
        at = self._world.now()
        self.hear(LogLine(environment=self._number, at=at, request_id=request_id, source=source, text=text))

    def _platform(self, name: str, record: Callable[[], Mapping[str, object]]) -> None:
        if self.telemetry is not None and self.telemetry.is_heard:
            self.telemetry.publish(f"platform.{name}", record())

    def _runtime_done(self, invocation: Invocation, error: FunctionError | None, seconds: float) -> dict[str, object]:
        found: dict[str, object] = {
            "requestId": invocation.id,
            "status": error.status if error else "success",
            "tracing": _tracing(invocation),
            "metrics": {"durationMs": round(seconds * 1000, 3), "producedBytes": invocation.produced},
            "spans": self._spans(invocation),
        }
        return found | ({"errorType": error.type} if error else {})

    def _spans(self, invocation: Invocation) -> list[dict[str, object]]:
        """How long it took until the answer began, and how long the answer."""
        if not invocation.answer_begun:
            return []
        latency = invocation.answer_begun - invocation.begun
        duration = invocation.answered_at - invocation.answer_begun
        began = self._world.now() - (invocation.answered_at - invocation.begun)
        return [
            {"name": "responseLatency", "start": moment(began), "durationMs": round(latency * 1000, 3)},
            {"name": "responseDuration", "start": moment(began + latency), "durationMs": round(duration * 1000, 3)},
        ]


def _tracing(invocation: Invocation) -> dict[str, str]:
    return {"type": "X-Amzn-Trace-Id", "value": invocation.trace}


def _report(invocation: Invocation, value: Report) -> dict[str, object]:
    metrics: dict[str, object] = {
        "durationMs": round(value.duration, 3),
        "billedDurationMs": value.billed,
        "memorySizeMB": value.memory_size,
        "maxMemoryUsedMB": value.memory_used,
    }
    if value.init_duration is not None:
        metrics["initDurationMs"] = round(value.init_duration, 3)
    found: dict[str, object] = {
        "requestId": invocation.id,
        "status": value.status,
        "metrics": metrics,
        "tracing": _tracing(invocation),
    }
    return found | ({"errorType": value.error_type} if value.error_type else {})
