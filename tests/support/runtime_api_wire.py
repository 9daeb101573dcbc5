"""Requests as they come over a socket, byte by byte: nothing is normalised and nothing is forgiven."""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

_LARGEST_HEAD = 4 << 20
_RUNTIME = "/2018-06-01/runtime/"
_EXTENSION = "/2020-01-01/extension/"
_KINDS = {
    f"GET {_RUNTIME}invocation/next": "next",
    f"POST {_RUNTIME}init/error": "init_error",
    f"GET {_RUNTIME}restore/next": "restore_next",
    f"POST {_RUNTIME}restore/error": "restore_error",
    f"POST {_EXTENSION}register": "register",
    f"GET {_EXTENSION}event/next": "extension_next",
}
_POST = re.compile(rf"POST {_RUNTIME}invocation/([^/]+)/(response|error)")


class Gone(Exception):
    """The other side ended the connection in the middle of a request."""


class Nonsense(Exception):
    """This is no HTTP."""


class Request:
    """One request; it grows while it arrives. `kind` is next, response, error, init_error, … or unknown."""

    def __init__(self, connection: int, head: bytes) -> None:
        self.connection = connection
        self.head = head
        first, *lines = head.decode("latin-1").split("\r\n")
        try:
            self.method, self.path, self.version = first.split(" ")
            self.headers = tuple((name, value.strip()) for name, value in (line.split(":", 1) for line in lines))
        except ValueError as error:
            raise Nonsense(repr(head[:200])) from error
        if self.version not in ("HTTP/1.0", "HTTP/1.1"):
            raise Nonsense(first)
        posted = _POST.fullmatch(f"{self.method} {self.path}")
        self.kind = posted[2] if posted else _KINDS.get(f"{self.method} {self.path}", "unknown")
        self.id = posted[1] if posted else ""
        self._body = bytearray()
        #: The body's length so far.
        self.size = 0
        self.chunks: list[int] = []
        self.trailers: dict[str, str] = {}
        self.complete = False
        #: The API has said something to it, or ended the connection instead.
        self.answered = False
        #: The status that it was answered with; 0 until then, or where the connection was ended instead.
        self.status = 0
        self.began = time.monotonic()
        self.ended = 0.0

    def header(self, name: str) -> str | None:
        """The only header of this name."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def body(self) -> bytes:
        """The body, up to what the API keeps of one."""
        return bytes(self._body)

    def more(self, piece: bytes, kept: int) -> None:
        """A piece of the body has come; so many bytes of the whole are kept."""
        self._body += piece[: max(kept - len(self._body), 0)]
        self.size += len(piece)

    @property
    def done(self) -> bool:
        """Nothing more happens to it; a GET may wait for long."""
        return self.complete and (self.answered or self.method == "GET")

    @property
    def chunked(self) -> bool:
        return self.header("Transfer-Encoding") == "chunked"

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"<{self.method} {self.path} {self.size} bytes on {self.connection}: {self.status} {self.body[:300]!r}>"


class Connection:
    """A connection that was accepted."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.buffer = b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(60)

    def request(self) -> Request | None:
        """The head of the next request; None where the other side is done."""
        while b"\r\n\r\n" not in self.buffer:
            if len(self.buffer) > _LARGEST_HEAD:
                raise Nonsense("a head without an end")
            try:
                self._more()
            except Gone:
                if self.buffer:
                    raise
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return Request(self.number, head)

    def body(self, request: Request, take: Callable[[bytes], None]) -> None:
        """Read the request's body; `take` gets it piece by piece."""
        length = request.header("Content-Length")
        if request.chunked:
            if length is not None:
                raise Nonsense("Content-Length and Transfer-Encoding")
            self._chunks(request, take)
        elif length is not None:
            self._exactly(int(length), take)

    def ended(self) -> bool:
        """The other side has closed; it waits for no answer any more."""
        if not select.select([self.sock], [], [], 0)[0]:
            return False
        try:
            return self.sock.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def end(self, *, reset: bool = False) -> None:
        """End the connection, in order or by a reset."""
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _chunks(self, request: Request, take: Callable[[bytes], None]) -> None:
        """RFC 9112, section 7.1."""
        while size := self._size():
            request.chunks.append(size)
            self._exactly(size, take)
            if self._line() != b"":
                raise Nonsense("a chunk without its end")
        while line := self._line():
            name, _, value = line.decode("latin-1").partition(":")
            request.trailers[name.lower()] = value.strip()

    def _size(self) -> int:
        line = self._line()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", line):
            raise Nonsense(f"the size of a chunk is {line[:50]!r}")
        return int(line, 16)

    def _line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self._more()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def _exactly(self, length: int, take: Callable[[bytes], None]) -> None:
        while length:
            if not self.buffer:
                self._more()
            piece, self.buffer = self.buffer[:length], self.buffer[length:]
            length -= len(piece)
            take(piece)

    def _more(self) -> None:
        try:
            data = self.sock.recv(1 << 18)
        except OSError as error:
            raise Gone(str(error)) from error
        if not data:
            raise Gone("closed")
        self.buffer += data
