"""What the page consists of, as a browser asks for it."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Final

from imagekit.emulator.connection import Exchange
from imagekit.emulator.front import refuse
from imagekit.emulator.page.about import About
from imagekit.emulator.page.live import Live

_HERE: Final = Path(__file__).parent
_STYLE: Final = re.compile(rb"<style>(.*?)</style>", re.DOTALL)


class Site:
    """A Page (of the front) for one function; `live` is to hear what happens."""

    def __init__(self, about: About) -> None:
        self.live = Live(about.run)
        html = (_HERE / "page.html").read_bytes()
        policy = ("Content-Security-Policy", _policy(html))
        self._parts = {
            "/": ("text/html; charset=utf-8", html, (policy, ("Referrer-Policy", "no-referrer"))),
            "/page/script.js": ("text/javascript; charset=utf-8", (_HERE / "script.js").read_bytes(), ()),
            "/page/about.json": ("application/json", about.document(), ()),
        }

    def handle(self, exchange: Exchange) -> bool:
        """Answer a request for one of the page's paths."""
        path = exchange.head.path
        if path not in (*self._parts, "/page/happenings", "/favicon.ico"):
            return False
        if exchange.head.method != "GET":
            refuse(exchange, 405, "MethodNotAllowedException", "the page is only read")
        elif path == "/page/happenings":
            self.live.attach(exchange, exchange.head.header("last-event-id"))
        elif path == "/favicon.ico":
            exchange.respond(204)  # browsers ask for it by themselves
        else:
            kind, body, more = self._parts[path]
            fields = (("Content-Type", kind), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
            exchange.respond(200, body, (*fields, *more))
        return True


def _policy(html: bytes) -> str:
    """Content Security Policy Level 3: the page's own style and script, and nothing that was not in them."""
    hashes = (_hash(found) for found in _STYLE.findall(html))
    rules = (
        "default-src 'none'",
        "script-src 'self'",
        " ".join(("style-src", *hashes)),
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return "; ".join(rules)


def _hash(style: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(style).digest()).decode()}'"
