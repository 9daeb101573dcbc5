"""A function URL: HTTP requests become events (payload format 2.0), answers become HTTP responses.

Source: developer guide, "Invoking Lambda function URLs". A streamed answer for HTTP begins with a prelude: status,
headers and cookies as JSON, then eight NUL bytes, then the body.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qsl, unquote

from imagekit.emulator.connection import HIGH_WATER, Collected, Exchange
from imagekit.emulator.http import Head
from imagekit.emulator.identity import trace, uuid
from imagekit.emulator.invocation import Caller, Event, FunctionError, Invocation, Report
from imagekit.emulator.pool import TooManyEventsError
from imagekit.emulator.settings import LARGEST_EVENT, Settings, World

_INTEGRATION: Final = "application/vnd.awslambda.http-integration-response"
_SEPARATOR: Final = bytes(8)
_LARGEST_PRELUDE: Final = 1 << 20
_TEXT_TYPES: Final = ("text/", "application/json", "application/xml", "application/javascript")
#: Headers that say how a message is framed: not for a function to decide.
_FRAMING: Final = frozenset(("connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"))
_FAILED: Final = b"Internal Server Error"
Response = tuple[int, list[tuple[str, str]], bytes]


class _NoResponseError(Exception):
    """What the function answered is no HTTP response."""


class FunctionUrl:
    """The URL of one function."""

    def __init__(self, settings: Settings, world: World, submit: Callable[[Event, Caller], Invocation]) -> None:
        self._settings = settings
        self._world = world
        self._submit = submit

    def handle(self, exchange: Exchange, path: str) -> None:
        """A request for this path of the URL."""
        exchange.receiver = Collected(LARGEST_EVENT, lambda body, size: self._begin(exchange, path, body, size))

    def _begin(self, exchange: Exchange, path: str, body: bytes, size: int) -> None:
        if size > LARGEST_EVENT:
            exchange.respond(413, b'{"Message":"Request Too Large"}', (("Content-Type", "application/json"),))
            return
        id, traced = uuid(self._world), exchange.head.header("x-amzn-trace-id") or trace(self._world)
        document = self._event(exchange.head, path, body, id, traced)
        event = Event(payload=json.dumps(document).encode(), request_id=id, trace=traced)
        caller: UrlCaller = (StreamedUrlCaller if self._settings.url_streams else UrlCaller)(exchange)
        try:
            caller.invocation = self._submit(event, caller)
        except TooManyEventsError:
            exchange.respond(429, b'{"Message":"Rate Exceeded."}', (("Content-Type", "application/json"),))

    def _event(self, head: Head, path: str, body: bytes, id: str, traced: str) -> dict[str, object]:
        host = head.header("host") or "localhost"
        now = self._world.now()
        cookies = [item.strip() for item in head.header("cookie").replace(", ", "; ").split(";") if item.strip()]
        headers = {name: value for name, value in head.headers.items() if name != "cookie"}
        http = {
            "method": head.method,
            "path": unquote(path),
            "protocol": head.version,
            "sourceIp": "127.0.0.1",
            "userAgent": head.header("user-agent"),
        }
        context = {
            "accountId": "anonymous",
            "apiId": self._settings.name,
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": http,
            "requestId": id,
            "routeKey": "$default",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        }
        document: dict[str, object] = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": unquote(path),
            "rawQueryString": head.query,
            "headers": {**headers, "x-amzn-trace-id": traced, "x-forwarded-proto": "http"},
            "requestContext": context,
            "isBase64Encoded": False,
        }
        return document | _optional(cookies, head, body)


def _optional(cookies: list[str], head: Head, body: bytes) -> dict[str, object]:
    """The parts that are left out when there is nothing in them."""
    found: dict[str, object] = {"cookies": cookies} if cookies else {}
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(head.query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    if parameters:
        found["queryStringParameters"] = parameters
    if body:
        found |= _body(body, head.header("content-type"))
    return found


def _body(body: bytes, content_type: str) -> dict[str, object]:
    """As text where its type says that it is, else in Base64."""
    if content_type.lower().startswith(_TEXT_TYPES):
        with suppress(UnicodeDecodeError):
            return {"body": body.decode("utf-8"), "isBase64Encoded": False}
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


class UrlCaller:
    """Who called a URL that waits for the whole answer."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._pieces: list[bytes] = []
        self._size = 0
        self._content_type = ""
        self.invocation: Invocation | None = None

    def begin(self, content_type: str, *, streams: bool) -> None:
        """The answer begins."""
        self._content_type = content_type

    def write(self, piece: bytes) -> bool:
        """Keep it."""
        self._size += len(piece)
        if self._size <= LARGEST_EVENT:
            self._pieces.append(piece)
        return True

    def end(self, error: FunctionError | None) -> None:
        """Make a response of it."""
        if error is not None or self._size > LARGEST_EVENT:
            _fail(self._exchange)
            return
        body = b"".join(self._pieces)
        try:
            status, headers, content = _response(body, self._content_type)
        except _NoResponseError:
            _fail(self._exchange)
            return
        self._exchange.respond(status, content, headers)

    def reported(self, report: Report) -> None:
        """The caller has its answer already."""


class StreamedUrlCaller(UrlCaller):
    """Who called a URL that streams."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self._prelude: bytearray | None = None
        self._started = False
        exchange.drained = self._drained

    def begin(self, content_type: str, *, streams: bool) -> None:
        """Start the response, unless its head has yet to come."""
        if content_type.startswith(_INTEGRATION):
            self._prelude = bytearray()
        else:
            self._start(200, [("Content-Type", content_type or "application/octet-stream")])

    def write(self, piece: bytes) -> bool:
        """Pass it on."""
        if self._prelude is not None:
            piece = self._head(piece)
        if self._started:
            self._exchange.write(piece)
        return not self._exchange.is_open or self._exchange.backlog < HIGH_WATER

    def end(self, error: FunctionError | None) -> None:
        """End the response; an error in the middle of it ends the connection."""
        if not self._started:
            _fail(self._exchange)
        elif error is not None:
            self._exchange.abort()
        else:
            self._exchange.finish()

    def _start(self, status: int, headers: list[tuple[str, str]]) -> None:
        self._started = True
        self._exchange.start(status, headers)

    def _head(self, piece: bytes) -> bytes:
        """Gather the prelude; what follows it."""
        assert self._prelude is not None
        self._prelude += piece
        end = self._prelude.find(_SEPARATOR)
        if end < 0:
            if len(self._prelude) > _LARGEST_PRELUDE:
                self._prelude.clear()
                _fail(self._exchange)
            return b""
        rest = bytes(self._prelude[end + len(_SEPARATOR) :])
        try:
            self._start(*_prelude(bytes(self._prelude[:end])))
        except _NoResponseError:
            _fail(self._exchange)
        self._prelude = None
        return rest

    def _drained(self) -> None:
        if self.invocation is not None:
            self.invocation.drained()


def _fail(exchange: Exchange) -> None:
    exchange.respond(502, _FAILED, (("Content-Type", "application/json"),))


def _response(body: bytes, content_type: str) -> Response:
    """The response that a whole answer stands for; raises _NoResponseError."""
    if content_type.startswith(_INTEGRATION):
        front, found, content = body.partition(_SEPARATOR)
        if not found:
            raise _NoResponseError
        return (*_prelude(front), content)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or "statusCode" not in document:
        return 200, [("Content-Type", "application/json")], body
    status, headers = _status_and_headers(document)
    return status, headers, _content(document)


def _prelude(front: bytes) -> tuple[int, list[tuple[str, str]]]:
    try:
        document = json.loads(front)
    except (ValueError, RecursionError) as error:
        raise _NoResponseError from error
    if not isinstance(document, dict):
        raise _NoResponseError
    return _status_and_headers(document)


def _status_and_headers(document: Mapping[str, object]) -> tuple[int, list[tuple[str, str]]]:
    status, headers, cookies = (document.get(name) for name in ("statusCode", "headers", "cookies"))
    status = 200 if status is None else status
    if isinstance(status, str) and status.isascii() and status.isdigit():
        status = int(status)
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise _NoResponseError
    if not isinstance(headers or {}, dict) or not isinstance(cookies or [], list):
        raise _NoResponseError
    given = headers if isinstance(headers, dict) else {}
    found = [(str(name), _text(value)) for name, value in given.items() if str(name).lower() not in _FRAMING]
    if not any(name.lower() == "content-type" for name, _ in found):
        found.append(("Content-Type", "application/json"))
    if not all(name.isascii() and name.isprintable() and not set(name) & set(" :") and name for name, _ in found):
        raise _NoResponseError
    return status, found + [("Set-Cookie", _text(item)) for item in (cookies if isinstance(cookies, list) else [])]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _content(document: Mapping[str, object]) -> bytes:
    body = document.get("body")
    text = "" if body is None else _text(body)
    if document.get("isBase64Encoded") is not True:
        return text.encode("utf-8", "replace")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _NoResponseError from error
