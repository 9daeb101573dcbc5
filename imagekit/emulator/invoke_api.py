"""Invoke and InvokeWithResponseStream, as the Lambda API's clients send them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import NoReturn
from urllib.parse import parse_qs, unquote

from imagekit.emulator.connection import Collected, Exchange
from imagekit.emulator.invocation import Caller, Event, Invocation
from imagekit.emulator.invoke_answers import Answer, Nobody, StreamedToCaller, WholeToCaller
from imagekit.emulator.pool import TooManyEventsError
from imagekit.emulator.settings import (
    LARGEST_ASYNCHRONOUS_EVENT,
    LARGEST_CLIENT_CONTEXT,
    LARGEST_EVENT,
    Settings,
)

Submit = Callable[[Event, Caller], Invocation]


class ApiError(Exception):
    """A request that the Lambda API refuses: status, exception, message."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind

    def answer(self, exchange: Exchange) -> None:
        """As the API writes it."""
        fault = "Service" if self.status >= 500 else "User"
        body = json.dumps({"Type": fault, "Message": str(self), "message": str(self)}).encode()
        exchange.respond(self.status, body, (("Content-Type", "application/json"), ("X-Amzn-ErrorType", self.kind)))


class InvokeApi:
    """Both operations of one function, whatever name they call it by."""

    def __init__(self, settings: Settings, submit: Submit) -> None:
        self._settings = settings
        self._submit = submit

    def invoke(self, exchange: Exchange, name: str) -> None:
        """`POST /2015-03-31/functions/NAME/invocations`."""
        kind = exchange.head.header("x-amz-invocation-type") or "RequestResponse"
        largest = LARGEST_ASYNCHRONOUS_EVENT if kind == "Event" else LARGEST_EVENT
        exchange.receiver = Collected(largest, lambda body, size: self._checked(exchange, name, kind, body, size))

    def stream(self, exchange: Exchange, name: str) -> None:
        """`POST /2021-11-15/functions/NAME/response-streaming-invocations`."""

        def take(body: bytes, size: int) -> None:
            try:
                event = self._event(exchange, name, "RequestResponse", body, size)
                self._begin(event, StreamedToCaller(exchange, self._settings))
            except ApiError as error:
                error.answer(exchange)

        exchange.receiver = Collected(LARGEST_EVENT, take)

    def _checked(self, exchange: Exchange, name: str, kind: str, body: bytes, size: int) -> None:
        try:
            self._invoke(exchange, name, kind, self._event(exchange, name, kind, body, size))
        except ApiError as error:
            error.answer(exchange)

    def _invoke(self, exchange: Exchange, name: str, kind: str, event: Event) -> None:
        if kind == "RequestResponse":
            tail = exchange.head.header("x-amz-log-type") == "Tail"
            self._begin(event, WholeToCaller(exchange, self._settings, tail=tail))
        elif kind == "Event":
            invocation = self._begin(event, Nobody())
            exchange.respond(202, b"", (("X-Amzn-RequestId", invocation.id),))
        else:
            exchange.respond(204, b"", (("X-Amz-Executed-Version", self._settings.version),))

    def _begin(self, event: Event, answer: Answer) -> Invocation:
        try:
            invocation = self._submit(event, answer)
        except TooManyEventsError as error:
            raise ApiError(429, "TooManyRequestsException", "Rate Exceeded.") from error
        answer.invocation = invocation
        return invocation

    def _event(self, exchange: Exchange, name: str, kind: str, body: bytes, size: int) -> Event:
        head = exchange.head
        if kind not in ("RequestResponse", "Event", "DryRun"):
            _wrong("InvalidParameterValueException", f"Unsupported invocation type {kind[:100]}")
        largest = LARGEST_ASYNCHRONOUS_EVENT if kind == "Event" else LARGEST_EVENT
        if size > largest:
            message = f"{size} byte payload is too large for the {kind} invocation type (limit {largest} bytes)"
            raise ApiError(413, "RequestTooLargeException", message)
        return Event(
            payload=_payload(body),
            client_context=_client_context(head.header("x-amz-client-context")),
            trace=head.header("x-amzn-trace-id"),
            tenant=head.header("x-amz-tenant-id"),
            qualifier=_qualifier(name, head.query),
        )


def _wrong(kind: str, message: str) -> NoReturn:
    raise ApiError(400, kind, message)


def _payload(body: bytes) -> bytes:
    """The event, which is `{}` when there is none; raises ApiError for what is not JSON."""
    if not body:
        return b"{}"
    try:
        json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        _wrong("InvalidRequestContentException", f"Could not parse request body into json: {error}")
    return body


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _client_context(header: str) -> str:
    if not header:
        return ""
    if len(header) > LARGEST_CLIENT_CONTEXT:
        _wrong("InvalidRequestContentException", f"Client context is larger than {LARGEST_CLIENT_CONTEXT} bytes.")
    try:
        text = base64.b64decode(header, validate=True).decode("utf-8")
        json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        _wrong("InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.")
    # A header of the Runtime API has one line; JSON knows no line breaks but between its words.
    return text.replace("\r", " ").replace("\n", " ")


def _qualifier(name: str, query: str) -> str:
    """Out of the query, or of the name: `NAME:QUALIFIER`, or a function's ARN with one more part."""
    found = parse_qs(query).get("Qualifier", [""])[0]
    words = unquote(name).split(":")
    inside = words[-1] if len(words) in (2, 8) else ""
    return found or inside
