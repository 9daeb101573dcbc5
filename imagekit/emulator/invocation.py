"""An event on its way through the emulator: what was sent, who waits for the answer, and what became of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final, Protocol, Self

from imagekit.values import dataclass

#: Bytes of an invocation's log that a caller may ask for (`X-Amz-Log-Type: Tail`).
_TAIL: Final = 4096
#: The status of an error of an event that no environment took: nothing more is reported of it.
UNDELIVERED: Final = "undelivered"
_KNOWN_TYPE: Final = r"(Runtime|Function|Extension|Sandbox)\.[A-Z][a-zA-Z]+"


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What is sent to the function. `client_context` is JSON; without a trace or a request id Lambda makes them."""

    payload: bytes
    content_type: str = "application/json"
    client_context: str = ""
    cognito_identity: str = ""
    trace: str = ""
    tenant: str = ""
    qualifier: str = ""
    request_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionError:
    """An event that failed: what Lambda counts it as, and the document that the caller gets.

    `status` is telemetry's word for it: `error` is the function's own, `failure` is an end of the process, `timeout`.
    """

    type: str
    body: bytes
    status: str = "error"
    #: What Lambda says itself, where the document is to name the request: `for_request` makes it.
    text: str = ""

    @classmethod
    def ended(cls, kind: str, text: str, status: str = "failure") -> Self:
        """An end that is told of with the request's id, as `RequestId: … Error: TEXT`."""
        return cls(type=kind, body=_error_document(kind, f"Error: {text}"), status=status, text=text)

    def for_request(self, id: str) -> FunctionError:
        """The same, as the caller of this request gets it."""
        if not self.text:
            return self
        body = _error_document(self.type, f"RequestId: {id} Error: {self.text}")
        return FunctionError(type=self.type, body=body, status=self.status)

    @classmethod
    def made(cls, kind: str, message: str, status: str = "failure") -> Self:
        """One that Lambda reports itself."""
        return cls(type=kind, body=_error_document(kind, message), status=status)

    @classmethod
    def reported(cls, header: str, body: bytes, unknown: str = "Function.Unknown") -> Self:
        """One that a runtime reports: its header is kept where it is a type that Lambda knows the form of."""
        return cls(type=header if re.fullmatch(_KNOWN_TYPE, header) else unknown, body=body)


def _error_document(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}, separators=(",", ":")).encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What Lambda says of an invocation in its REPORT line; times in milliseconds, memory in MiB."""

    request_id: str
    duration: float
    billed: int
    memory_size: int
    memory_used: int
    init_duration: float | None = None
    status: str = "success"
    error_type: str = ""


class Caller(Protocol):
    """Who waits for an answer. `begin` comes once and before any `write`, except for what fails before it answers."""

    def begin(self, content_type: str, *, streams: bool) -> None:
        """The answer begins; `streams` says whether it comes piece by piece."""

    def write(self, piece: bytes) -> bool:
        """A piece of it; False asks to wait with the next one until `drained` was called."""

    def end(self, error: FunctionError | None) -> None:
        """The answer is complete, or has failed."""

    def reported(self, report: Report) -> None:
        """Everything about it is known, its log too; the last call. It does not come for what is UNDELIVERED."""


class Invocation:
    """An event in flight."""

    def __init__(self, event: Event, caller: Caller, *, id: str, trace: str) -> None:
        self.event = event
        self.caller = caller
        self.id = id
        self.trace = trace
        #: Moments on the loop's clock; 0 until they come.
        self.begun = 0.0
        self.answer_begun = 0.0
        self.answered_at = 0.0
        #: Milliseconds since 1970.
        self.deadline_ms = 0
        self.answered = False
        self.produced = 0
        self.error: FunctionError | None = None
        #: Goes on with a streamed answer once the caller takes more.
        self.resume: Callable[[], None] | None = None
        self._tail = bytearray()

    def begin(self, content_type: str, now: float, *, streams: bool) -> None:
        """The answer begins."""
        self.answer_begun = now
        self.caller.begin(content_type, streams=streams)

    def write(self, piece: bytes) -> bool:
        """A piece of the answer; whether more may follow at once."""
        self.produced += len(piece)
        return self.caller.write(piece)

    def end(self, error: FunctionError | None, now: float) -> None:
        """The answer is complete or has failed; only the first time counts."""
        if not self.answered:
            self.answered = True
            self.answered_at = now
            self.answer_begun = self.answer_begun or now
            self.error = error
            self.caller.end(error)

    def drained(self) -> None:
        """The caller takes more."""
        if self.resume:
            self.resume()

    def log(self, line: str) -> None:
        """Keep the end of the log."""
        self._tail += line[-_TAIL:].encode("utf-8", "replace") + b"\n"
        if len(self._tail) > 2 * _TAIL:
            del self._tail[:-_TAIL]

    @property
    def tail(self) -> bytes:
        """The last 4 KiB of the log."""
        return bytes(self._tail[-_TAIL:])
