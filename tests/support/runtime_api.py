"""Lambda's Runtime API on loopback, written over raw sockets: every byte of it can be wrong where a test says so.

A test adds events, each with what is to go wrong around it, starts a client, and waits for what comes back. Rules of
state that the real one has are kept: an answer to an unknown id is a 400, a second one a 403, one that is too large a
413. Everything that came is kept as it came. `problems` judges what no client may ever do.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

from tests.support.runtime_api_values import RIGHT, Event, Reply
from tests.support.runtime_api_wire import Connection, Gone, Nonsense, Request

__all__ = ["LARGEST_ANSWER", "Event", "Reply", "Request", "RuntimeApi", "invoke"]

#: Bytes of an answer that is not streamed.
LARGEST_ANSWER = 6 * 1024 * 1024 + 100
_KEPT = 9 << 20
_ACCEPTED = b'{"status":"OK"}\n'
_T = TypeVar("_T")


class RuntimeApi:
    """The API; use it as a context."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        #: What a client may call it by in `Host`.
        self.names = {self.address}
        #: Every request so far, in the order of their first byte.
        self.requests: list[Request] = []
        #: How requests that belong to no event are answered, by kind; a list is used up from its start.
        self.replies: dict[str, Reply] = {}
        #: How many `next` wait for an event right now.
        self.waiting = 0
        #: Set: snapshots are restored at once. Clear it before the client starts to hold it in `restore/next`.
        self.restored = threading.Event()
        self.restored.set()
        #: Set by a test: a body that stalls is read on.
        self.resume = threading.Event()
        #: How many times longer than said things may take.
        self.patience = 1.0
        #: Says why waiting is pointless, such as: the client has ended.
        self.given_up: Callable[[], str | None] = lambda: None
        self._items: deque[Event | Reply] = deque()
        self._given: dict[str, Event] = {}
        self._deliveries: Counter[str] = Counter()
        self._taken: set[str] = set()
        #: Ids of events whose `next` was cut or wrong: whether a client answers them is not for the API to say.
        self.partly_given: set[str] = set()
        self._wrong: list[str] = []
        self._changed = threading.Condition()
        self._closing = False
        self._connections: list[Connection] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.vanish()
        for thread in self._threads:
            thread.join(10)

    # What a test says.

    def add(self, *items: Event | Reply) -> None:
        """More for `next` to give out; a Reply answers one `next` without any event."""
        with self._changed:
            self._items.extend(items)
            self._changed.notify_all()

    def vanish(self) -> None:
        """Listen no more and end every connection."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self.resume.set()
        self.restored.set()
        for sock in (self._listener, *(connection.sock for connection in self._connections)):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._listener.close()

    # What a test waits for.

    def wait(self, what: Callable[[], _T], why: str, seconds: float = 20) -> _T:
        """Until `what` is true, at most so long; its value."""
        seconds *= self.patience
        end = time.monotonic() + seconds
        with self._changed:
            reason: str | None = None
            while not (value := what()):
                if reason is None and (reason := self.given_up()):
                    end = min(end, time.monotonic() + 0.5)  # what it sent before may still be on its way
                if time.monotonic() > end:
                    raise AssertionError(
                        f"{why}: {reason or f'not within {seconds} s'}\nrequests: {self.requests}; wrong: {self._wrong}"
                    )
                self._changed.wait(0.02)
            return value

    def wait_for(self, kind: str, count: int = 1, seconds: float = 20) -> Request:
        """The count-th request of this kind, complete and answered."""

        def found() -> Request | None:
            done = [request for request in self.of_kind(kind) if request.done]
            return done[count - 1] if len(done) >= count else None

        found_request = self.wait(found, f"no {kind} number {count}", seconds)
        assert found_request is not None
        return found_request

    def answer(self, event: Event, seconds: float = 20) -> Request:
        """What came back for the event, complete and answered."""
        (first, *_) = self.wait(
            lambda: [request for request in self.posts(event) if request.done], f"no answer to {event.id}", seconds
        )
        return first

    def wait_idle(self, count: int = 1, seconds: float = 20) -> None:
        """Until so many `next` wait and nothing is left to give out."""
        self.wait(lambda: self.waiting >= count and not self._items, f"{count} next are not waiting", seconds)

    def ask(self, body: bytes = b"{}", **fields: Any) -> Request:
        """Add one event and wait for what comes back."""
        event = Event(body=body, **fields)
        self.add(event)
        return self.answer(event)

    # What a test looks at.

    def of_kind(self, kind: str) -> list[Request]:
        """All requests of this kind."""
        return [request for request in list(self.requests) if request.kind == kind]

    def posts(self, event: Event) -> list[Request]:
        """All that came back for the event."""
        return [request for request in list(self.requests) if request.id == event.id]

    @property
    def problems(self) -> list[str]:
        """What no client may do, whatever goes wrong."""
        found = list(self._wrong)
        for request in self.requests:
            found += [f"unknown: {request}"] if request.kind == "unknown" or request.version != "HTTP/1.1" else []
            found += [] if request.header("Host") in self.names else [f"Host: {request.header('Host')}"]
            found += [] if (request.header("User-Agent") or "").startswith("imagekit/") else [f"no agent: {request}"]
        answers = Counter(request.id for request in self.requests if request.id)
        found += [f"two answers for {id}" for id, count in self._deliveries.items() if answers[id] > count]
        known = set(self._given) | self.partly_given
        return found + [f"an answer to {id}, which was never given out" for id in answers if id not in known]

    @property
    def unanswered(self) -> list[Event]:
        """Events that were given out in full and that nothing came back for."""
        return [event for event in list(self._given.values()) if not self.posts(event)]

    # The server.

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            connection = Connection(sock, len(self._connections))
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            while not self._closing and (request := connection.request()) is not None:
                with self._changed:
                    self.requests.append(request)
                    self._changed.notify_all()
                if not self._handle(connection, request) or request.version == "HTTP/1.0":
                    break
        except (Nonsense, AssertionError, ValueError) as error:
            self._wrong.append(f"nonsense on connection {connection.number}: {error}")
        except (Gone, OSError):
            return
        finally:
            with self._changed:
                self._changed.notify_all()
            connection.end()

    def _handle(self, connection: Connection, request: Request) -> bool:
        """Whether the connection goes on."""
        if request.kind == "next":
            return self._next(connection, request)
        if request.kind == "restore_next":
            self.restored.wait(60)
        if request.kind == "extension_next":
            connection.body(request, lambda piece: self._arrived(request, piece))
            self._complete(request)
            self._until(lambda: self._closing or connection.ended())
            return False
        return self._post(connection, request)

    def _post(self, connection: Connection, request: Request) -> bool:
        reply = self._reply_to(request)
        goes_on: bool | None = None  # until it is answered

        def take(piece: bytes) -> None:
            nonlocal goes_on
            self._arrived(request, piece)
            if reply.stall is not None and request.size >= reply.stall:
                self.resume.wait(60)
            if goes_on is None and reply.read is not None and request.size >= reply.read:
                goes_on = self._answer(connection, request, reply)
                if not goes_on:
                    raise _EnoughError

        if reply.read == 0 and not (goes_on := self._answer(connection, request, reply)):
            return False
        try:
            connection.body(request, take)
        except _EnoughError:
            return False
        self._complete(request)
        return self._answer(connection, request, reply) if goes_on is None else goes_on

    def _answer(self, connection: Connection, request: Request, reply: Reply) -> bool:
        """Whether the connection goes on."""
        time.sleep(reply.delay)
        status, body = self._verdict(request)
        headers = {"Content-Type": "application/json"}
        if request.kind == "register":
            headers["Lambda-Extension-Identifier"] = "b1f6"
        return self._send(connection, request, reply, reply.message(status, headers, body), status)

    def _reply_to(self, request: Request) -> Reply:
        event = self._given.get(request.id)
        if event is None:
            return self.replies.get(request.kind, RIGHT)
        return event.response if request.kind == "response" else event.error

    def _arrived(self, request: Request, piece: bytes) -> None:
        with self._changed:
            request.more(piece, _KEPT)
            self._changed.notify_all()

    def _complete(self, request: Request) -> None:
        with self._changed:
            request.complete = True
            request.ended = time.monotonic()
            self._changed.notify_all()

    def _verdict(self, request: Request) -> tuple[int, bytes]:
        """Status and body as the real one has them."""
        if request.kind == "restore_next":
            return 200, b""
        if request.kind == "register":
            return 200, b'{"functionName":"f","functionVersion":"$LATEST","handler":"h"}'
        if request.id and request.id not in self._given:
            return 400, b'{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}'
        with self._changed:
            second = request.id in self._taken
            self._taken.add(request.id or request.kind)
        if second:
            return 403, b'{"errorMessage":"State transition is not allowed","errorType":"InvalidStateTransition"}'
        if request.size > LARGEST_ANSWER and not request.chunked:
            return 413, b'{"errorMessage":"Exceeded maximum allowed payload size","errorType":"RequestEntityTooLarge"}'
        return 202, _ACCEPTED

    def _next(self, connection: Connection, request: Request) -> bool:
        connection.body(request, lambda piece: self._arrived(request, piece))
        self._complete(request)
        item = self._take(connection)
        if item is None:
            return False
        reply = item if isinstance(item, Reply) else item.next
        message = item.message if isinstance(item, Event) else reply.message(200, {}, b"{}")
        time.sleep(reply.delay)
        whole = reply.cut is None or reply.cut >= len(message)
        if isinstance(item, Event):
            self._give(item, whole=whole and reply.status in (0, 200))
        return self._send(connection, request, reply, message, 200)

    def _give(self, event: Event, *, whole: bool) -> None:
        if whole:
            self._given[event.id] = event
            self._deliveries[event.id] += 1
        else:
            self.partly_given.add(event.id)

    def _take(self, connection: Connection) -> Event | Reply | None:
        """What `next` gives out; None where the API is over or the client has gone."""
        with self._changed:
            self.waiting += 1
            self._changed.notify_all()
        try:
            with self._changed:
                while not self._closing and not connection.ended():
                    if self._items:
                        return self._items.popleft()
                    self._changed.wait(0.05)
            return None
        finally:
            with self._changed:
                self.waiting -= 1
                self._changed.notify_all()

    def _send(self, connection: Connection, request: Request, reply: Reply, message: bytes, status: int) -> bool:
        for piece in reply.pieces(message):
            # Held back until the connection is closed: nobody can act on the answer and not know that it is the last.
            connection.sock.sendall(piece, socket.MSG_MORE if reply.hang_up and not reply.reset else 0)
        if reply.ends_connection:
            connection.end(reset=reply.reset)
        with self._changed:
            if reply.cut is None or reply.cut >= len(message):
                request.status = reply.status or status
            request.answered = True
            self._changed.notify_all()
        return not reply.ends_connection

    def _until(self, what: Callable[[], bool]) -> None:
        with self._changed:
            while not what():
                self._changed.wait(0.05)


class _EnoughError(Exception):
    """Of a body; the rest is not read."""


def invoke(command: Sequence[str], event: Any, environment: Mapping[str, str]) -> tuple[str, Any]:
    """Start a program, give it one event; `/response` or `/error`, and what came with it."""
    with RuntimeApi() as api:
        around = {"PATH": os.environ["PATH"], **lambda_environment(api.address)}
        program = subprocess.Popen(command, env={**around, **environment}, stdin=subprocess.DEVNULL)
        api.given_up = lambda: f"{command[-1]} ended with {program.returncode}" if program.poll() is not None else None
        try:
            answered = Event(body=json.dumps(event).encode())
            api.add(answered)
            answer = api.answer(answered, 60)
        finally:
            program.kill()
            program.wait()
        return f"/{answer.kind}", answer.json


def lambda_environment(address: str) -> dict[str, str]:
    """What Lambda sets for a function."""
    return {
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_LAMBDA_LOG_STREAM_NAME": "f",
    }
