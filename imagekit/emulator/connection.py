"""Connections of a server: each request gets one response, and neither side is read faster than it is used."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from imagekit.emulator.http import BadRequestError, End, Head, RequestReader, response_head
from imagekit.emulator.loop import Call, Loop, Timer

Fields = Iterable[tuple[str, str]]
#: Bytes that wait to be sent on one connection before whoever writes should pause.
HIGH_WATER: Final = 1 << 20
_PIECE: Final = 256 << 10
_TOGETHER: Final = 32 << 10
#: Bytes of requests that come while an earlier one is not answered yet.
_AHEAD: Final = 1 << 20


class Receiver(Protocol):
    """Who takes a request's body."""

    def data(self, piece: bytes) -> None:
        """A piece of the body, never empty."""

    def end(self, trailers: Mapping[str, str]) -> None:
        """The body is complete."""

    def lost(self) -> None:
        """The connection ended before the body did."""


class Collected:
    """A body in one piece, up to a size; what is larger is counted and thrown away."""

    def __init__(
        self, largest: int, then: Callable[[bytes, int], None], lost: Callable[[], None] | None = None
    ) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._largest = largest
        self._then = then
        self._lost = lost

    def data(self, piece: bytes) -> None:
        """Keep it while the whole is not too large."""
        self._size += len(piece)
        if self._size <= self._largest:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def end(self, trailers: Mapping[str, str]) -> None:
        """Hand over the body, empty when it was too large, and its true size."""
        self._then(b"".join(self._pieces), self._size)

    def lost(self) -> None:
        """Say it to whoever wants to know."""
        if self._lost:
            self._lost()


class Discarded:
    """A body that nobody wants."""

    def data(self, piece: bytes) -> None:
        """Throw it away."""

    def end(self, trailers: Mapping[str, str]) -> None:
        """Nobody waits."""

    def lost(self) -> None:
        """Nobody waits."""


class Exchange:
    """One request and its response."""

    def __init__(self, connection: Connection, head: Head) -> None:
        self._connection = connection
        self.head = head
        self.receiver: Receiver = Discarded()
        #: Called once if the connection ends before the response does.
        self.gone: Callable[[], None] | None = None
        #: Called when what was written has been sent, after there was more than HIGH_WATER of it, and when it never
        #: will be, because the connection ended: whoever waited goes on.
        self.drained: Callable[[], None] | None = None
        self.request_done = False
        self.response_done = False
        self._started = False
        self._chunked = False
        self._closes = not head.keeps_connection

    @property
    def is_open(self) -> bool:
        """Whether a response can still be written."""
        return not self.response_done and not self._connection.closed

    @property
    def backlog(self) -> int:
        """Bytes that are written and not sent yet."""
        return self._connection.backlog

    def after(self, seconds: float, call: Call) -> Timer:
        """Call once, so many seconds from now, in the thread that serves this."""
        return self._connection.after(seconds, call)

    def pause(self) -> None:
        """Read no more of the body for now."""
        self._connection.pause()

    def resume(self) -> None:
        """Read on."""
        self._connection.resume()

    def respond(self, status: int, body: bytes = b"", headers: Fields = ()) -> None:
        """The whole response."""
        if not self.is_open:
            return
        fields = [*headers, ("Content-Length", str(len(body)))] if status != 204 else list(headers)
        head = response_head(status, self._with_close(fields))
        if len(body) <= _TOGETHER:
            self._connection.send(head + body)
        else:
            self._connection.send(head)
            self._connection.send(body)
        self._done()

    def start(self, status: int, headers: Fields = ()) -> None:
        """The head of a response whose length is not known."""
        self._chunked = self.head.version == "HTTP/1.1"
        self._closes = self._closes or not self._chunked
        fields = [*headers, *((("Transfer-Encoding", "chunked"),) if self._chunked else ())]
        self._started = True
        self._connection.send(response_head(status, self._with_close(fields)))

    def write(self, piece: bytes) -> None:
        """A piece of the body after `start`."""
        if not piece or not self.is_open:
            return
        if not self._chunked:
            self._connection.send(piece)
        elif len(piece) <= _TOGETHER:
            self._connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            self._connection.send(b"%x\r\n" % len(piece))
            self._connection.send(piece)
            self._connection.send(b"\r\n")

    def finish(self) -> None:
        """The end of the body after `start`."""
        if self.is_open:
            if self._chunked:
                self._connection.send(b"0\r\n\r\n")
            self._done()

    def abort(self) -> None:
        """End the connection: what was started cannot be completed."""
        self._connection.close()

    def _with_close(self, fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [*fields, ("Connection", "close")] if self._closes else fields

    def _done(self) -> None:
        self.response_done = True
        self._connection.responded(closes=self._closes)


class Connection:
    """A client's connection: one exchange at a time, in the order of their requests."""

    def __init__(self, loop: Loop, sock: socket.socket, handle: Callable[[Exchange], None]) -> None:
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._handle = handle
        self._reader = RequestReader()
        self._exchange: Exchange | None = None
        self._out: deque[memoryview] = deque()
        self._pumping = False
        self._paused = False
        self._closing = False
        self.backlog = 0
        self.closed = False
        self.ended: Callable[[], None] | None = None
        loop.read(self._fd, self._readable)

    def after(self, seconds: float, call: Call) -> Timer:
        """Call once, so many seconds from now."""
        return self._loop.after(seconds, call)

    def pause(self) -> None:
        """Stop reading."""
        if not self._paused and not self.closed:
            self._paused = True
            self._loop.read(self._fd, None)

    def resume(self) -> None:
        """Read again, first what is here already."""
        if self._paused and not self.closed:
            self._paused = False
            self._loop.read(self._fd, self._readable)
            self._pump()

    def send(self, data: bytes) -> None:
        """Send now what the kernel takes, the rest when it can."""
        if self.closed or not data:
            return
        sent = 0
        if not self._out:
            try:
                sent = self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self.close()
                return
        if sent < len(data):
            if not self._out:
                self._loop.write(self._fd, self._writable)
            self._out.append(memoryview(data)[sent:])
            self.backlog += len(data) - sent

    def responded(self, *, closes: bool) -> None:
        """The current exchange's response is written."""
        exchange = self._exchange
        if closes or self._closing:
            self._closing = True
            if not self._out:
                self.close()
            return
        if exchange is not None and exchange.request_done:
            self._next_request()

    def close(self) -> None:
        """End it, and say so to whom it concerns."""
        if self.closed:
            return
        self.closed = True
        self._loop.forget(self._fd)
        self._sock.close()
        self._out.clear()
        exchange, self._exchange = self._exchange, None
        if self.ended:
            self.ended()
        if exchange is None:
            return
        if not exchange.request_done:
            exchange.receiver.lost()
        if not exchange.response_done:
            for call in (exchange.gone, exchange.drained):
                if call:
                    call()

    def _next_request(self) -> None:
        self._exchange = None
        self.resume()
        self._pump()

    def _readable(self) -> None:
        try:
            data = self._sock.recv(_PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._reader.feed(data)
        self._pump()

    def _pump(self) -> None:
        """Hand on all that is read, as far as somebody wants it."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while not self.closed and not self._paused and self._step():
                continue
        except BadRequestError as error:
            self._refuse(error)
        finally:
            self._pumping = False

    def _step(self) -> bool:
        """One part of a request; whether there may be more."""
        exchange = self._exchange
        if self._closing or (exchange is not None and exchange.request_done):
            if self._reader.held > _AHEAD:
                self.pause()
            return False
        part = self._reader.next()
        if part is None:
            return False
        if isinstance(part, bytes):
            assert exchange is not None
            exchange.receiver.data(part)
        elif isinstance(part, Head):
            self._begin(part)
        else:
            self._request_ended(part)
        return True

    def _begin(self, head: Head) -> None:
        self._exchange = exchange = Exchange(self, head)
        if head.version == "HTTP/1.1" and head.header("expect").lower() == "100-continue":
            self.send(response_head(100, ()))
        self._handle(exchange)

    def _request_ended(self, end: End) -> None:
        exchange = self._exchange
        assert exchange is not None
        exchange.request_done = True
        exchange.receiver.end(end.trailers)
        if exchange.response_done and self._exchange is exchange:
            self._next_request()

    def _refuse(self, error: BadRequestError) -> None:
        body = f"{error}\n".encode()
        fields = (("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("Connection", "close"))
        self._closing = True
        self.send(response_head(error.status, fields) + body)
        if not self._out:
            self.close()

    def _writable(self) -> None:
        before = self.backlog
        try:
            while self._out:
                sent = self._sock.send(self._out[0])
                self.backlog -= sent
                if sent < len(self._out[0]):
                    self._out[0] = self._out[0][sent:]
                    break
                self._out.popleft()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        self._sent(before)

    def _sent(self, before: int) -> None:
        if not self._out:
            self._loop.write(self._fd, None)
            if self._closing:
                self.close()
                return
        half = HIGH_WATER // 2
        if self._exchange and self._exchange.drained and before > half >= self.backlog:
            self._exchange.drained()


class Server:
    """What listens on a socket and makes connections of those who come; every request goes to `handle`."""

    def __init__(self, loop: Loop, listener: socket.socket, handle: Callable[[Exchange], None]) -> None:
        self._loop = loop
        self._listener = listener
        self._handle = handle
        self._connections: set[Connection] = set()
        listener.setblocking(False)
        loop.read(listener.fileno(), self._accept)

    def refuse(self) -> None:
        """Listen no more; who is connected stays."""
        if self._listener.fileno() >= 0:
            self._loop.forget(self._listener.fileno())
            self._listener.close()

    def close(self) -> None:
        """Listen no more and end every connection."""
        self.refuse()
        for connection in tuple(self._connections):
            connection.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # whoever came is gone again
        sock.setblocking(False)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self._loop, sock, self._handle)
        self._connections.add(connection)
        connection.ended = lambda: self._connections.discard(connection)
