"""Who waits for an answer without HTTP: the whole of it, with its log and its report."""

from __future__ import annotations

from collections.abc import Callable

from imagekit.emulator.invocation import FunctionError, Report
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of an event: the answer, or an error whose document is the payload."""

    request_id: str
    payload: bytes
    content_type: str
    streamed: bool
    error: FunctionError | None
    report: Report


class Gathering:
    """A Caller that keeps an answer whole. `sink` gets the pieces instead, when it is given."""

    def __init__(self, then: Callable[[Outcome], None], sink: Callable[[bytes], None] | None = None) -> None:
        self._then = then
        self._sink = sink
        self._pieces: list[bytes] = []
        self._content_type = ""
        self._streamed = False
        self._error: FunctionError | None = None

    def begin(self, content_type: str, *, streams: bool) -> None:
        """The answer begins."""
        self._content_type = content_type
        self._streamed = streams

    def write(self, piece: bytes) -> bool:
        """Keep it, or pass it on."""
        if self._sink:
            self._sink(piece)
        else:
            self._pieces.append(piece)
        return True

    def end(self, error: FunctionError | None) -> None:
        """The answer is complete."""
        self._error = error

    def reported(self, report: Report) -> None:
        """All is known."""
        payload = self._error.body if self._error else b"".join(self._pieces)
        outcome = Outcome(
            request_id=report.request_id,
            payload=payload,
            content_type=self._content_type,
            streamed=self._streamed,
            error=self._error,
            report=report,
        )
        self._then(outcome)
