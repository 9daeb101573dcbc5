"""What a test tells the Runtime API to do: events, and how each request is answered, rightly or wrongly."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

#: 2100-01-01: no test comes near it by accident.
FAR = 4_102_444_800_000
_NUMBERS = itertools.count(1)


def fresh_id() -> str:
    """A request id that no other event has."""
    return f"8476a536-e9f4-11e8-9739-{next(_NUMBERS):012x}"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """How one request is answered. As it stands: rightly, in one piece, and the connection goes on."""

    #: 0 is the right status of the request.
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    #: None is the right body.
    body: bytes | None = None
    #: Sizes of the chunks, the last one again and again; without any the body has a Content-Length.
    chunks: tuple[int, ...] = ()
    trailers: Mapping[str, str] = field(default_factory=dict)
    #: How many `100 Continue` come first.
    interim: int = 0
    #: How header names are written.
    spelled: Callable[[str], str] = str
    #: A header of so many bytes that means nothing.
    padding: int = 0
    #: A body's length as the head tells it, where that is a lie.
    claimed: str | None = None
    #: The head says `Connection: close`, and the connection ends.
    close: bool = False
    #: The connection ends after the answer, without a word.
    hang_up: bool = False
    #: The connection ends after so many bytes of the answer.
    cut: int | None = None
    #: The end of the connection is a reset.
    reset: bool = False
    #: Seconds before the answer.
    delay: float = 0.0
    #: The answer is written in pieces of so many bytes, each in a segment of its own.
    piece: int = 0
    #: The request's body is read up to here before the answer is sent; None: all of it.
    read: int | None = None
    #: The request's body is read up to here, and no further until the API's `resume` is set.
    stall: int | None = None
    #: These bytes are the answer.
    raw: bytes | None = None

    @property
    def ends_connection(self) -> bool:
        return self.close or self.hang_up or self.reset or self.cut is not None

    def message(self, status: int, headers: Mapping[str, str], body: bytes) -> bytes:
        """The answer's bytes; the arguments are what is right."""
        if self.raw is not None:
            return self.raw
        body = body if self.body is None else self.body
        fields = {**headers, **self.headers, **self._framing(len(body))}
        if self.padding:
            fields["X-Padding"] = "p" * self.padding
        head = f"HTTP/1.1 {self.status or status} Whatever\r\n"
        head += "".join(f"{self.spelled(name)}: {value}\r\n" for name, value in fields.items())
        interim = b"HTTP/1.1 100 Continue\r\n\r\n" * self.interim
        return interim + head.encode("utf-8", "surrogateescape") + b"\r\n" + self._framed(body)

    def pieces(self, message: bytes) -> Iterator[bytes]:
        """What is written of it, write by write."""
        message = message[: self.cut]
        step = self.piece or len(message)
        for start in range(0, len(message), max(step, 1)):
            yield message[start : start + step]

    def _framing(self, length: int) -> dict[str, str]:
        connection = {"Connection": "close"} if self.close else {}
        if self.chunks:
            return {"Transfer-Encoding": "chunked", **connection}
        return {"Content-Length": str(length) if self.claimed is None else self.claimed, **connection}

    def _framed(self, body: bytes) -> bytes:
        """RFC 9112, section 7.1."""
        if not self.chunks:
            return body
        sizes = itertools.chain(self.chunks, itertools.repeat(self.chunks[-1]))
        written, start = bytearray(), 0
        while start < len(body):
            piece = body[start : start + next(sizes)]
            written += b"%x\r\n%b\r\n" % (len(piece), piece)
            start += len(piece)
        trailers = "".join(f"{name}: {value}\r\n" for name, value in self.trailers.items())
        return bytes(written) + b"0\r\n" + trailers.encode() + b"\r\n"


RIGHT = Reply()


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event as `next` gives it out, and how it and what comes back for it are answered."""

    body: bytes = b"{}"
    id: str = field(default_factory=fresh_id)
    #: Milliseconds since 1970.
    deadline: int | str = FAR
    arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:f"
    trace: str = ""
    tenant: str = ""
    client_context: str = ""
    cognito: str = ""
    content_type: str = "application/json"
    next: Reply = RIGHT
    response: Reply = RIGHT
    error: Reply = RIGHT

    @property
    def headers(self) -> dict[str, str]:
        """The head of the answer to `next`: what is empty is left out, as the real one does."""
        fields = {
            "Lambda-Runtime-Aws-Request-Id": self.id,
            "Lambda-Runtime-Deadline-Ms": str(self.deadline),
            "Lambda-Runtime-Invoked-Function-Arn": self.arn,
            "Lambda-Runtime-Trace-Id": self.trace,
            "Lambda-Runtime-Aws-Tenant-Id": self.tenant,
            "Lambda-Runtime-Client-Context": self.client_context,
            "Lambda-Runtime-Cognito-Identity": self.cognito,
            "Content-Type": self.content_type,
        }
        return {name: value for name, value in fields.items() if value}

    @property
    def message(self) -> bytes:
        """All bytes of the answer to `next`."""
        return self.next.message(200, self.headers, self.body)
