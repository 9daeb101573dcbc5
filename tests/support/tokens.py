"""Who may do what at the in-process registry: Basic, or tokens that its own service gives."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from tests.support.registry import Handler


class Doorkeeper:
    """Asks for Basic or Bearer credentials. `anonymous`: the actions that need none (with tokens: an empty login)."""

    def __init__(
        self,
        scheme: str = "bearer",
        *,
        users: Mapping[str, str] | None = None,
        anonymous: str = "",
        life: float = 300,
        realm: str = "",
    ) -> None:
        self.scheme = scheme
        self.users = dict(users or {})
        self.anonymous = set(filter(None, anonymous.split(",")))
        self.life = life
        #: Another token service than this registry's own `/token`.
        self.realm = realm
        #: Refresh tokens that are good, with the user that they are for.
        self.refresh: dict[str, str] = {}
        self.tokens: dict[str, tuple[float, frozenset[str]]] = {}

    def revoke(self) -> None:
        """Every token given so far is good no more."""
        self.tokens.clear()

    def admits(self, handler: Handler, path: str, query: Mapping[str, list[str]]) -> bool:
        """Whether the request may be done; when not, it is answered."""
        wanted = _wanted(handler.command, path, query)
        header = handler.headers.get("Authorization", "")
        if self.scheme == "basic":
            if self._user(header) is not None or (
                not header and {item.split(":")[2] for item in wanted} <= self.anonymous
            ):
                return True
            handler.refuse(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": 'Basic realm="test"'})
            return False
        until, scopes = self.tokens.get(header.removeprefix("Bearer "), (0.0, frozenset()))
        if time.monotonic() < until and wanted <= scopes:
            return True
        realm = self.realm or f"{handler.registry.url}/token"
        value = f'Bearer realm="{realm}",service="test registry",scope="{" ".join(sorted(wanted))}"'
        handler.refuse(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": value})
        return False

    def issue(self, handler: Handler, query: Mapping[str, list[str]]) -> None:
        """The token service: GET with Basic or without anything, POST with a refresh token."""
        if handler.command == "POST":
            form = parse_qs(handler.body.decode())
            user = self.refresh.get(form.get("refresh_token", [""])[0])
            asked, known = form.get("scope", [""])[0].split(" "), user is not None
        else:
            header = handler.headers.get("Authorization", "")
            asked, known = " ".join(query.get("scope", [])).split(" "), self._user(header) is not None
            if header and not known:
                return handler.refuse(401, "UNAUTHORIZED", "incorrect username or password")
        if handler.command == "POST" and not known:
            return handler.refuse(401, "UNAUTHORIZED", "unknown refresh token")
        token = secrets.token_urlsafe(24)
        scopes = _single(asked)
        given = scopes if known else frozenset(item for item in scopes if item.rpartition(":")[2] in self.anonymous)
        self.tokens[token] = (time.monotonic() + self.life, given)
        body = json.dumps({"token": token, "access_token": token, "expires_in": self.life}).encode()
        return handler.answer(200, body, {"Content-Type": "application/json"})

    def _user(self, header: str) -> str | None:
        if not header.startswith("Basic "):
            return None
        user, _, password = base64.b64decode(header[6:]).decode().partition(":")
        return user if user in self.users and self.users[user] == password else None


def _wanted(method: str, path: str, query: Mapping[str, list[str]]) -> frozenset[str]:
    """The scopes that a request needs, one action each."""
    match = re.match(r"/v2/(.+)/(?:blobs|manifests|tags)/", path)
    if match is None:
        return frozenset()
    wanted = {f"repository:{match[1]}:{'pull' if method in ('GET', 'HEAD') else 'push'}"}
    wanted |= {f"repository:{name}:pull" for name in query.get("from", ())}
    return frozenset(wanted)


def _single(scopes: list[str]) -> frozenset[str]:
    """Scopes taken apart into one action each."""
    parts = [scope.rpartition(":") for scope in scopes if scope]
    return frozenset(f"{head}:{action}" for head, _, actions in parts for action in actions.split(","))
