"""Faults that the in-process registry can be told to have. Each is a function of the request's handler."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.registry import Handler

#: True: the request is answered (or never will be); False: the registry answers as if nothing was.
Fault = Callable[["Handler"], bool]


def status(code: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Fault:
    """An answer of this status."""

    def fault(handler: Handler) -> bool:
        handler.answer(code, body, headers)
        return True

    return fault


def redirect(url: str, code: int = 307) -> Fault:
    """A redirect."""
    return status(code, headers={"Location": url})


def garbage() -> Fault:
    """A page of HTML with status 200, as captive portals send it."""
    return status(200, b"<html><body>Sign in</body></html>", {"Content-Type": "text/html"})


def hang_up() -> Fault:
    """The connection ends without an answer."""
    return raw(b"")


def raw(data: bytes) -> Fault:
    """These bytes, and the end of the connection."""

    def fault(handler: Handler) -> bool:
        handler.wfile.write(data)
        handler.end_connection()
        return True

    return fault


def endless(head: bytes, piece: bytes, pause: float = 0.0) -> Fault:
    """`head`, then `piece` for ever; ends when the client ends the connection."""

    def fault(handler: Handler) -> bool:
        try:
            handler.wfile.write(head)
            while True:
                handler.wfile.write(piece)
                handler.wfile.flush()
                time.sleep(pause)
        except OSError:
            handler.end_connection()
        return True

    return fault


def cut(after: int) -> Fault:
    """The right answer, but the connection ends after so many bytes of its body."""

    def fault(handler: Handler) -> bool:
        handler.cut = after
        return False

    return fault


def changed(change: Callable[[bytes], bytes]) -> Fault:
    """The right answer with another body."""

    def fault(handler: Handler) -> bool:
        handler.change = change
        return False

    return fault


def headed(headers: Mapping[str, str]) -> Fault:
    """The right answer with these headers instead of its own; an empty value leaves one out."""

    def fault(handler: Handler) -> bool:
        handler.replaced = dict(headers)
        return False

    return fault


def slow(seconds: float, *, before_body: bool = False) -> Fault:
    """The right answer, late; `before_body`: the request's body is not read before that."""

    def fault(handler: Handler) -> bool:
        time.sleep(seconds)
        return False

    fault.before_body = before_body  # type: ignore[attr-defined]
    return fault


def unread(code: int = 0) -> Fault:
    """The body is not read: an answer of this status at once, or none, and the end of the connection."""

    def fault(handler: Handler) -> bool:
        if code:
            handler.answer(code)
        handler.end_connection()
        return True

    fault.before_body = True  # type: ignore[attr-defined]
    return fault
