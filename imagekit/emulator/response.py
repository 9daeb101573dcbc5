"""The body of a runtime's answer on its way to the caller, in one piece or as it comes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Protocol

from imagekit.emulator.answers import accepted, refused
from imagekit.emulator.connection import Exchange
from imagekit.emulator.invocation import FunctionError, Invocation
from imagekit.emulator.settings import LARGEST_ANSWER

_TRAILER_TYPE = "lambda-runtime-function-error-type"
_TRAILER_BODY = "lambda-runtime-function-error-body"


class Answered(Protocol):
    """Who is told that an event is answered."""

    def moment(self) -> float:
        """Now, on the loop's clock."""

    def done(self, invocation: Invocation, error: FunctionError | None) -> None:
        """It is, well or not."""


def _truncated() -> FunctionError:
    return FunctionError.made("Runtime.TruncatedResponse", "the runtime's connection ended before its answer did")


def too_large(size: int, largest: int) -> FunctionError:
    """An answer has more bytes than it may have."""
    message = f"Response payload size ({size} bytes) exceeded maximum allowed payload size ({largest} bytes)."
    return FunctionError.made("Function.ResponseSizeTooLarge", message, "error")


def _refuse_size(exchange: Exchange, largest: int) -> None:
    message = f"Exceeded maximum allowed payload size ({largest} bytes)."
    refused(exchange, 413, "RequestEntityTooLarge", message)


class BufferedAnswer:
    """An answer that the caller gets once it is complete; what is too large is read to its end and refused."""

    def __init__(self, exchange: Exchange, invocation: Invocation, answered: Answered) -> None:
        self._exchange = exchange
        self._invocation = invocation
        self._answered = answered
        self._pieces: list[bytes] = []
        self._size = 0

    def data(self, piece: bytes) -> None:
        """Keep it while the whole is not too large."""
        self._size += len(piece)
        if self._size <= LARGEST_ANSWER:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def end(self, trailers: Mapping[str, str]) -> None:
        """Give the whole to the caller."""
        if self._size > LARGEST_ANSWER:
            self._answered.done(self._invocation, too_large(self._size, LARGEST_ANSWER))
            _refuse_size(self._exchange, LARGEST_ANSWER)
            return
        error = _trailing_error(trailers)
        if not self._invocation.answered and error is None:
            content_type = self._exchange.head.header("content-type")
            self._invocation.begin(content_type, self._answered.moment(), streams=False)
            self._invocation.write(b"".join(self._pieces))
        # Its own answer first: the runtime asks for the next event while the caller reads.
        accepted(self._exchange)
        self._answered.done(self._invocation, error)

    def lost(self) -> None:
        """The runtime gave up in the middle."""
        self._answered.done(self._invocation, _truncated())


class StreamedAnswer:
    """An answer that the caller gets piece by piece, as fast as it takes them."""

    def __init__(self, exchange: Exchange, invocation: Invocation, largest: int, answered: Answered) -> None:
        self._exchange = exchange
        self._invocation = invocation
        self._answered = answered
        self._largest = largest
        self._size = 0
        invocation.begin(exchange.head.header("content-type"), answered.moment(), streams=True)
        invocation.resume = exchange.resume

    def data(self, piece: bytes) -> None:
        """Pass it on."""
        self._size += len(piece)
        if self._invocation.answered:
            return
        if self._size > self._largest:
            self._answered.done(self._invocation, too_large(self._size, self._largest))
        elif not self._invocation.write(piece):
            self._exchange.pause()

    def end(self, trailers: Mapping[str, str]) -> None:
        """The stream is complete; an error in its middle comes in the trailers."""
        self._invocation.resume = None
        if self._size > self._largest:
            _refuse_size(self._exchange, self._largest)
            return
        accepted(self._exchange)
        self._answered.done(self._invocation, _trailing_error(trailers))

    def lost(self) -> None:
        """The runtime gave up in the middle."""
        self._invocation.resume = None
        self._answered.done(self._invocation, _truncated())


def _trailing_error(trailers: Mapping[str, str]) -> FunctionError | None:
    kind, body = trailers.get(_TRAILER_TYPE, ""), trailers.get(_TRAILER_BODY, "")
    if not kind and not body:
        return None
    try:
        decoded = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        decoded = body.encode("utf-8", "replace")  # some clients send it as it is
    return FunctionError(type=kind or "Function.Unknown", body=decoded)
