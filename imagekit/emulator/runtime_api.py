"""The Runtime API (2018-06-01): what a runtime asks for and answers, and in which order it may.

One for each run of a runtime. Source: developer guide, "Using the Lambda runtime API for custom runtimes"; statuses and
states as AWS's own emulator has them. Where several events may be in flight (AWS_LAMBDA_MAX_CONCURRENCY) each id is
answered on its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol

from imagekit.emulator.answers import accepted, refused, wrong_state
from imagekit.emulator.connection import Collected, Exchange
from imagekit.emulator.invocation import FunctionError, Invocation
from imagekit.emulator.response import BufferedAnswer, StreamedAnswer
from imagekit.emulator.settings import LARGEST_ANSWER, Settings

_LARGEST_ERROR: Final = LARGEST_ANSWER
_MODE: Final = "lambda-runtime-function-response-mode"
_ERROR_TYPE: Final = "lambda-runtime-function-error-type"


class State(StrEnum):
    """What a runtime did last."""

    STARTED = "Started"
    INIT_ERROR = "InitError"
    RESTORING = "RestoreReady"
    READY = "Ready"
    RUNNING = "Running"
    RESPONDING = "InvocationResponse"
    RESPONDED = "ResponseSent"


class RuntimeWatcher(Protocol):
    """Who is told what a runtime does."""

    def runtime_ready(self) -> None:
        """It asks for the next event."""

    def runtime_failed(self, error: FunctionError) -> None:
        """It says that its initialisation, or its restore, failed."""

    def runtime_answered(self, invocation: Invocation) -> None:
        """It has answered an event, well or not."""


class RuntimeApi:
    """One runtime's side of the API."""

    def __init__(self, settings: Settings, watcher: RuntimeWatcher, now: Callable[[], float]) -> None:
        self._settings = settings
        self._watcher = watcher
        self._now = now
        self._asking: deque[Exchange] = deque()
        self._restoring: Exchange | None = None
        self._running: dict[str, Invocation] = {}
        #: The event that was answered last: a second answer to it is a wrong state, not an unknown id.
        self._last = ""
        self.state = State.STARTED

    @property
    def several(self) -> bool:
        """Whether several events may be in flight."""
        return self._settings.concurrency > 1

    @property
    def asks(self) -> bool:
        """Whether it waits for an event, or for its restore, which comes before the first."""
        return bool(self._asking) or self._restoring is not None

    def handle(self, exchange: Exchange, words: list[str]) -> bool:
        """Answer a request; `words` is its path below `/2018-06-01/runtime`. False when there is no such path."""
        method = exchange.head.method
        match words:
            case ["invocation", "next"] if method == "GET":
                self._next(exchange)
            case ["invocation", id, "response"] if method == "POST":
                self._response(exchange, id)
            case ["invocation", id, "error"] if method == "POST":
                self._error(exchange, id)
            case ["init", "error"] if method == "POST":
                self._init_error(exchange, "Runtime.Unknown")
            case ["restore", "next"] if method == "GET":
                self._restore_next(exchange)
            case ["restore", "error"] if method == "POST":
                self._init_error(exchange, "Runtime.RestoreError")
            case _:
                return False
        return True

    def give(self, invocation: Invocation) -> None:
        """Give out an event; only when it `asks`."""
        self._running[invocation.id] = invocation
        self._last = ""
        if self._restoring is not None:
            restoring, self._restoring = self._restoring, None
            restoring.respond(200)  # the restore is over; the event waits for `next`
            return
        self._render(self._asking.popleft(), invocation)

    def drop(self, invocation: Invocation) -> None:
        """Forget an event: its time is over, and an answer that still comes is for an unknown id."""
        self._running.pop(invocation.id, None)

    def _next(self, exchange: Exchange) -> None:
        if self.several:
            self._asks(exchange)
            return
        waiting = self._asking and self._asking[0].is_open
        if self.state in (State.INIT_ERROR, State.RESPONDING) or waiting:
            wrong_state(exchange, self.state, State.READY)
            return
        current = next(iter(self._running.values()), None)
        if current is not None:  # not answered yet, or held back while the runtime was restored: once more
            self._render(exchange, current)
            return
        self._asking.clear()
        self._asks(exchange)

    def _asks(self, exchange: Exchange) -> None:
        self.state = State.READY
        self._asking.append(exchange)
        exchange.gone = lambda: self._gone(exchange)
        self._watcher.runtime_ready()

    def _gone(self, exchange: Exchange) -> None:
        if exchange in self._asking:
            self._asking.remove(exchange)

    def _render(self, exchange: Exchange, invocation: Invocation) -> None:
        event = invocation.event
        headers = (
            ("Content-Type", event.content_type),
            ("Lambda-Runtime-Aws-Request-Id", invocation.id),
            ("Lambda-Runtime-Deadline-Ms", str(invocation.deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", self._arn(event.qualifier)),
            ("Lambda-Runtime-Trace-Id", invocation.trace),
            ("Lambda-Runtime-Client-Context", event.client_context),
            ("Lambda-Runtime-Cognito-Identity", event.cognito_identity),
            ("Lambda-Runtime-Aws-Tenant-Id", event.tenant),
        )
        self.state = State.RUNNING
        exchange.gone = None
        exchange.respond(200, event.payload, [(name, value) for name, value in headers if value])

    def _arn(self, qualifier: str) -> str:
        return f"{self._settings.arn}:{qualifier}" if qualifier else self._settings.arn

    def _response(self, exchange: Exchange, id: str) -> None:
        invocation = self._answers(exchange, id, State.RESPONDING)
        if invocation is None:
            return
        mode = exchange.head.header(_MODE)
        if mode == "streaming":
            exchange.receiver = StreamedAnswer(exchange, invocation, self._settings.largest_stream, self)
        elif mode:
            error = FunctionError.made("Runtime.InvalidResponseModeHeader", f"the response mode is {mode[:100]!r}")
            self.done(invocation, error)
            refused(exchange, 400, "InvalidFunctionResponseMode", "Invalid function response mode")
        else:
            exchange.receiver = BufferedAnswer(exchange, invocation, self)

    def _error(self, exchange: Exchange, id: str) -> None:
        invocation = self._answers(exchange, id, "InvocationErrorResponse")
        if invocation is None:
            return
        header = exchange.head.header(_ERROR_TYPE)

        def take(body: bytes, _: int) -> None:
            self.done(invocation, FunctionError.reported(header, body))
            accepted(exchange)

        lost = FunctionError.made("Runtime.TruncatedResponse", "the error that the runtime reports was cut")
        exchange.receiver = Collected(_LARGEST_ERROR, take, lambda: self.done(invocation, lost))

    def _answers(self, exchange: Exchange, id: str, wanted: str) -> Invocation | None:
        """The event that an answer is to; None when there is no such event, which is answered then."""
        invocation = self._running.get(id)
        if invocation is None and id != self._last:
            refused(exchange, 400, "InvalidRequestID", "Invalid request ID")
            return None
        if invocation is None or (self.state is not State.RUNNING and not self.several):
            wrong_state(exchange, self.state, wanted)
            return None
        if not self.several:
            self.state = State.RESPONDING
        return invocation

    def moment(self) -> float:
        """Now, on the loop's clock."""
        return self._now()

    def done(self, invocation: Invocation, error: FunctionError | None) -> None:
        """An event is answered."""
        if self._running.pop(invocation.id, None) is None:
            return  # its time was over before
        self._last = invocation.id
        self.state = State.RESPONDED
        invocation.end(error, self._now())
        self._watcher.runtime_answered(invocation)

    def _init_error(self, exchange: Exchange, unknown: str) -> None:
        restoring = self.state is State.RESTORING
        if self.state is not State.STARTED and not restoring:
            wrong_state(exchange, self.state, State.INIT_ERROR)
            return
        self.state = State.INIT_ERROR
        header = exchange.head.header(_ERROR_TYPE)

        def take(body: bytes, _: int) -> None:
            accepted(exchange)
            self._watcher.runtime_failed(FunctionError.reported(header, body, unknown))

        exchange.receiver = Collected(_LARGEST_ERROR, take)

    def _restore_next(self, exchange: Exchange) -> None:
        if self._settings.initialization_type != "snap-start" or self.state is not State.STARTED:
            wrong_state(exchange, self.state, State.RESTORING)
            return
        self.state = State.RESTORING
        self._restoring = exchange
        self._watcher.runtime_ready()
