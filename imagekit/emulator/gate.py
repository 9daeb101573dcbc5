"""Whose requests a local server takes: it runs code for whoever reaches it, and so does every web page that a browser
on this machine shows.

A page of another site cannot read what is answered, but what it sends would run: browsers name the page's origin with
such requests (Fetch Standard, "Origin" and "Sec-Fetch-Site"), and they are refused. A site whose name suddenly resolves
to this machine (DNS rebinding) would be the same origin: so the name in `Host` has to be one of the server's own.
Programs send neither an origin nor a foreign name.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from typing import Final, Self

from imagekit.emulator.http import Head
from imagekit.errors import UsageError
from imagekit.values import dataclass

_LOCAL: Final = "localhost"
_NAME: Final = re.compile(r"[a-z0-9._-]+")
#: RFC 6454, 6.2: a scheme, a host, and a port that is not the scheme's own.
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9._-]+(:[0-9]{1,5})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowed:
    """Who may come beside the server's own page: further `names` that it is called by, and `origins` of other pages.

    A name is a host without a port, an origin is `https://host:port`.
    """

    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    @classmethod
    def from_texts(cls, names: Iterable[str], origins: Iterable[str]) -> Self:
        """As a person writes them; raises UsageError."""
        found = cls(
            names=tuple(text.lower().removesuffix(".") for text in names),
            origins=tuple(text.lower().removesuffix("/") for text in origins),
        )
        for name in found.names:
            if not _NAME.fullmatch(name):
                raise UsageError(f"no name of a host: {name[:100]!r}", hint="for example host.docker.internal")
        for origin in found.origins:
            if not _ORIGIN.fullmatch(origin):
                raise UsageError(f"no origin: {origin[:100]!r}", hint="for example http://localhost:3000")
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """The rules of a server that listens on `address`."""

    address: str
    allowed: Allowed

    def refusal(self, head: Head) -> str:
        """Why this request is not taken; empty when it is."""
        host = head.header("host").lower()
        if host and not self._is_own(_name(host)):
            return f"this server is not called {_name(host)[:100]!r}; --allow-host adds a name"
        origin = head.header("origin").lower()
        if origin and not (origin in self.allowed.origins or origin.partition("://")[2] == host):
            return f"pages of {origin[:100]!r} may not call this server; --allow-origin lets them"
        if not origin and _is_part_of_other_page(head):
            return "pages of other sites may not call this server"
        return ""

    def _is_own(self, name: str) -> bool:
        if name == _LOCAL or name.endswith(f".{_LOCAL}") or name in self.allowed.names:
            return True  # RFC 6761, 6.3: such names are this machine's, whatever a name server says
        given = _packed(name)
        if given is None:
            return False
        own = _packed(self.address)
        # No name server decides about a number: it is wrong only where it is not the one that is listened on.
        return own is None or given == own or not any(own) or (_is_loopback(own) and _is_loopback(given))


def _name(host: str) -> str:
    """`[::1]:9000`, `localhost:9000` and `localhost.` without the rest."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def _packed(name: str) -> bytes | None:
    """The bytes of an address; None for a name."""
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in name else socket.AF_INET, name)
    except OSError:
        return None


def _is_loopback(address: bytes) -> bool:
    return address[0] == 127 if len(address) == 4 else address == bytes(15) + b"\x01"


def _is_part_of_other_page(head: Head) -> bool:
    """A picture, a script and the like; a link that a person follows is none of these."""
    foreign = head.header("sec-fetch-site") in ("cross-site", "same-site")
    return foreign and (head.header("sec-fetch-mode") != "navigate" or head.method != "GET")
