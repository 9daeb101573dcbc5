"""How Lambda's APIs inside an execution environment answer: JSON, and errors with a type and a message."""

from __future__ import annotations

import json
from typing import Final

from imagekit.emulator.connection import Exchange, Fields

_JSON: Final = (("Content-Type", "application/json"),)
_ACCEPTED: Final = b'{"status":"OK"}\n'


def accepted(exchange: Exchange) -> None:
    """202."""
    exchange.respond(202, _ACCEPTED, _JSON)


def document(exchange: Exchange, value: object, headers: Fields = ()) -> None:
    """200 with a JSON document."""
    exchange.respond(200, json.dumps(value).encode(), (*_JSON, *headers))


def refused(exchange: Exchange, status: int, kind: str, message: str) -> None:
    """An error as the Runtime API and the Extensions API write it."""
    body = json.dumps({"errorMessage": message, "errorType": kind})
    exchange.respond(status, body.encode(), _JSON)


def wrong_state(exchange: Exchange, state: str, wanted: str) -> None:
    """403 for a call that does not fit what the runtime has called before."""
    message = f"State transition from {state} to {wanted} failed for runtime. Error: State transition is not allowed"
    refused(exchange, 403, "InvalidStateTransition", message)
