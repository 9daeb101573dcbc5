"""Where callers come in: the Lambda API's two ways to invoke, the function URL, and what else is served beside them."""

from __future__ import annotations

import json
from typing import Protocol

from imagekit.emulator.connection import Exchange
from imagekit.emulator.function_url import FunctionUrl
from imagekit.emulator.invoke_api import InvokeApi


class Page(Protocol):
    """What is served beside the APIs."""

    def handle(self, exchange: Exchange) -> bool:
        """Take a request for a path that no API has; False when it is not known either."""


class Front:
    """Requests by their path; any name of a function is its own."""

    def __init__(self, invoke: InvokeApi, url: FunctionUrl, page: Page | None) -> None:
        self._invoke = invoke
        self._url = url
        self._page = page

    def handle(self, exchange: Exchange) -> None:
        """Answer, or see to it that it is answered."""
        words = exchange.head.path.split("/")[1:]
        match words:
            case ["2015-03-31", "functions", name, "invocations"]:
                if _is_post(exchange):
                    self._invoke.invoke(exchange, name)
            case ["2021-11-15", "functions", name, "response-streaming-invocations"]:
                if _is_post(exchange):
                    self._invoke.stream(exchange, name)
            case ["lambda-url", _, *rest]:
                self._url.handle(exchange, "/" + "/".join(rest))
            case _:
                if self._page is None or not self._page.handle(exchange):
                    refuse(exchange, 404, "ResourceNotFoundException", f"there is no {exchange.head.path[:200]}")


def _is_post(exchange: Exchange) -> bool:
    """Whether it is; another method is answered."""
    if exchange.head.method == "POST":
        return True
    refuse(exchange, 405, "MethodNotAllowedException", "functions are invoked with POST")
    return False


def refuse(exchange: Exchange, status: int, kind: str, message: str) -> None:
    """The answer to a request that is not taken, as the Lambda API writes it."""
    body = json.dumps({"Type": "User", "Message": message, "message": message}).encode()
    exchange.respond(status, body, (("Content-Type", "application/json"), ("X-Amzn-ErrorType", kind)))
