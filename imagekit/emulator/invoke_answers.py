"""The answers to Invoke and InvokeWithResponseStream, as they go back to who called."""

from __future__ import annotations

import base64
import json
from typing import Final, Protocol

from imagekit.emulator import eventstream
from imagekit.emulator.connection import HIGH_WATER, Exchange, Fields
from imagekit.emulator.invocation import UNDELIVERED, FunctionError, Invocation, Report
from imagekit.emulator.response import too_large
from imagekit.emulator.settings import LARGEST_ANSWER, Settings

_UNHANDLED: Final = "Unhandled"


class Answer(Protocol):
    """A Caller that is told which invocation is its own, before anything else."""

    invocation: Invocation | None

    def begin(self, content_type: str, *, streams: bool) -> None:
        """The answer begins."""

    def write(self, piece: bytes) -> bool:
        """A piece of it."""

    def end(self, error: FunctionError | None) -> None:
        """It is complete, or has failed."""

    def reported(self, report: Report) -> None:
        """Everything is known."""


def undelivered(exchange: Exchange, error: FunctionError) -> None:
    """No environment took the event."""
    exchange.respond(500, error.body, (("Content-Type", "application/json"), ("X-Amzn-ErrorType", "ServiceException")))


class Nobody:
    """A Caller that does not wait: the event was sent asynchronously."""

    invocation: Invocation | None = None

    def begin(self, content_type: str, *, streams: bool) -> None:
        """Nobody reads it."""

    def write(self, piece: bytes) -> bool:
        """Nobody reads it."""
        return True

    def end(self, error: FunctionError | None) -> None:
        """Nobody waits."""

    def reported(self, report: Report) -> None:
        """Nobody waits."""


class WholeToCaller:
    """The answer to Invoke: in one piece, with the log's end when that is asked for."""

    def __init__(self, exchange: Exchange, settings: Settings, *, tail: bool) -> None:
        self._exchange = exchange
        self._settings = settings
        self._tail = tail
        self._pieces: list[bytes] = []
        self._content_type = ""
        self._size = 0
        self._error: FunctionError | None = None
        self.invocation: Invocation | None = None

    def begin(self, content_type: str, *, streams: bool) -> None:
        """The answer begins."""
        self._content_type = content_type

    def write(self, piece: bytes) -> bool:
        """Keep it; of a stream that is too large for one answer only the size."""
        self._size += len(piece)
        if self._size <= LARGEST_ANSWER:
            self._pieces.append(piece)
        else:
            self._pieces.clear()
        return True

    def end(self, error: FunctionError | None) -> None:
        """Send it, unless the log is wanted, which is not complete yet."""
        self._error = error
        if error is not None and error.status == UNDELIVERED:
            undelivered(self._exchange, error)
            return
        if error is None and self._size > LARGEST_ANSWER:
            self._error = too_large(self._size, LARGEST_ANSWER)
        if not self._tail:
            self._send(())

    def reported(self, report: Report) -> None:
        """Send it with the log."""
        if self._tail and self.invocation is not None:
            self._send((("X-Amz-Log-Result", base64.b64encode(self.invocation.tail).decode()),))

    def _send(self, more: Fields) -> None:
        invocation = self.invocation
        fields = [
            ("Content-Type", self._content_type or "application/json"),
            ("X-Amz-Executed-Version", self._settings.version),
            *((("X-Amzn-RequestId", invocation.id), ("X-Amzn-Trace-Id", invocation.trace)) if invocation else ()),
            *((("X-Amz-Function-Error", _UNHANDLED),) if self._error else ()),
            *more,
        ]
        self._exchange.respond(200, self._error.body if self._error else b"".join(self._pieces), fields)


class StreamedToCaller:
    """The answer to InvokeWithResponseStream: an event stream."""

    def __init__(self, exchange: Exchange, settings: Settings) -> None:
        self._exchange = exchange
        self._settings = settings
        self._tail = exchange.head.header("x-amz-log-type") == "Tail"
        self._begun = False
        self._error: FunctionError | None = None
        self.invocation: Invocation | None = None
        exchange.drained = self._drained

    def begin(self, content_type: str, *, streams: bool) -> None:
        """The head of the response."""
        invocation = self.invocation
        self._begun = True
        fields = [
            ("Content-Type", eventstream.CONTENT_TYPE),
            ("X-Amz-Executed-Version", self._settings.version),
            *((("X-Amzn-RequestId", invocation.id),) if invocation else ()),
        ]
        self._exchange.start(200, fields)

    def write(self, piece: bytes) -> bool:
        """A message; False while the caller is slower than the function."""
        if piece:
            self._exchange.write(eventstream.payload_chunk(piece))
        return not self._exchange.is_open or self._exchange.backlog < HIGH_WATER

    def end(self, error: FunctionError | None) -> None:
        """The last message, unless the log is wanted with it."""
        self._error = error
        if error is not None and error.status == UNDELIVERED:
            undelivered(self._exchange, error)
            return
        if not self._begun:
            self.begin("", streams=True)
        if not self._tail:
            self._complete({})

    def reported(self, report: Report) -> None:
        """The last message with the log."""
        if self._tail and self.invocation is not None:
            self._complete({"LogResult": base64.b64encode(self.invocation.tail).decode()})

    def _complete(self, more: dict[str, str]) -> None:
        document = dict(more)
        if self._error:
            details = self._error.body.decode("utf-8", "replace")
            document |= {"ErrorCode": self._error.type or _UNHANDLED, "ErrorDetails": details}
        self._exchange.write(eventstream.invoke_complete(json.dumps(document).encode()))
        self._exchange.finish()

    def _drained(self) -> None:
        if self.invocation is not None:
            self.invocation.drained()
