"""Telemetry on its way to one subscriber: a thread of its own, as a subscriber may be slow, or dead."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from socket import socket
from typing import Final, Protocol

_SECONDS: Final = 3.0
_LARGEST_ANSWER: Final = 64 << 10
#: Events that wait for a subscriber; more are thrown away.
_MOST_WAITING: Final = 20_000


class Portions(Protocol):
    """How a subscriber wants its events."""

    @property
    def is_http(self) -> bool:
        """A POST for each portion, else a line for each event."""

    @property
    def port(self) -> int:
        """Where it listens."""

    @property
    def path(self) -> str:
        """Where a POST goes."""

    @property
    def most_items(self) -> int:
        """Events in a portion."""

    @property
    def most_bytes(self) -> int:
        """Bytes in a portion."""

    @property
    def seconds(self) -> float:
        """How long events wait for more of them."""


class Delivery:
    """Gathers events, JSON documents, and sends them."""

    def __init__(self, connect: Callable[[], socket], portions: Portions) -> None:
        self._connect = connect
        self._portions = portions
        self._events: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._flushing = threading.Event()
        self._closed = False
        #: False from `flush` until all that was there is sent, or cannot be.
        self.is_sent = True
        threading.Thread(target=self._run, name="telemetry", daemon=True).start()

    def put(self, event: bytes) -> None:
        """One more."""
        if self._events.qsize() < _MOST_WAITING:
            self._events.put(event)

    def flush(self) -> None:
        """Send what is there without waiting for more."""
        self.is_sent = False
        self._flushing.set()
        self._events.put(b"")

    def close(self) -> None:
        """Send what is there, and end."""
        self._closed = True
        self._events.put(None)

    def _run(self) -> None:
        while True:
            portion, is_flushed = self._portion()
            if portion:
                self._send(portion)
            self.is_sent = self.is_sent or is_flushed
            if self._closed and self._events.empty():
                return

    def _portion(self) -> tuple[list[bytes], bool]:
        """Events until there are enough, or the first of them has waited enough; whether nothing is left to flush."""
        found: list[bytes] = []
        size, end = 0, 0.0
        while len(found) < self._portions.most_items and size < self._portions.most_bytes:
            try:
                event = self._events.get(timeout=max(end - time.monotonic(), 0) if found else None)
            except queue.Empty:
                break
            if event:
                end = end or time.monotonic() + self._portions.seconds
                found.append(event)
                size += len(event)
            elif event is None or self._flushing.is_set():
                self._flushing.clear()
                return found, True
        return found, False

    def _send(self, portion: list[bytes]) -> None:
        try:
            with self._connect() as connection:
                connection.settimeout(_SECONDS)
                connection.sendall(self._message(portion))
                if self._portions.is_http:
                    _answer(connection)
        except OSError:
            return  # as on Lambda: a subscriber that does not listen loses its telemetry

    def _message(self, portion: list[bytes]) -> bytes:
        if not self._portions.is_http:
            return b"".join(event + b"\n" for event in portion)
        body = b"[" + b",".join(portion) + b"]"
        head = (
            f"POST {self._portions.path} HTTP/1.1\r\nHost: sandbox.localdomain:{self._portions.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


def _answer(connection: socket) -> None:
    """Wait until the subscriber has taken it: whatever it answers."""
    seen = 0
    while seen < _LARGEST_ANSWER and (data := connection.recv(4096)):
        seen += len(data)
        if b"\r\n\r\n" in data:
            return
