"""A URL as this program understands it: one parser for what is judged, connected to and shown (RFC 3986)."""

from __future__ import annotations

import re
from typing import Final, Self
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

from imagekit.errors import RemoteFailed
from imagekit.values import dataclass
from imagekit.words import cleaned

#: The port that a scheme has when none is written.
PORTS: Final = {"http": 80, "https": 443}
_LONGEST: Final = 8 * 1024
#: What is printable in ASCII, less the backslash.
_MARKS: Final = re.compile(r"[!-\[\]-~]*")
_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9_])?")
_ADDRESS: Final = re.compile(r"(?=.*:)[0-9A-Fa-f:.]{2,45}")
#: Query keys whose values say what is asked for; every other value may be a signature, a token or a session.
_SHOWN: Final = frozenset(
    {"digest", "mount", "from", "n", "last", "scope", "service", "artifactType", "repo", "arch", "release"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Url:
    """An absolute http or https URL: `host` in lower case without brackets, `target` the path with the query."""

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Out of any text; raises RemoteFailed for what is not plainly one URL: user info, spaces, odd hosts."""
        if len(text) > _LONGEST or not _MARKS.fullmatch(text):
            raise _unfit(text, "it is too long, or has characters that no URL has")
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise _unfit(text, str(error)) from error
        scheme = parts.scheme.lower()
        if scheme not in PORTS:
            raise _unfit(text, "only http and https are spoken")
        if "@" in parts.netloc:
            raise _unfit(text, "it has a user or a password in it")
        form = _ADDRESS if "[" in parts.netloc else _NAME
        if not form.fullmatch(host) or parts.netloc.endswith(":"):
            raise _unfit(text, "its host is none")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(scheme=scheme, host=host, port=PORTS[scheme] if port is None else port, target=target)

    def join(self, text: str) -> Url:
        """The URL that a server names in an answer from here, absolute or relative (RFC 3986, section 5)."""
        try:
            return Url.parse(urljoin(str(self), text))
        except ValueError as error:
            raise _unfit(text, str(error)) from error

    def with_query(self, pairs: list[tuple[str, str]]) -> Url:
        """This URL with more pairs at the end of its query, which stays as it is."""
        mark = "&" if "?" in self.target else "?"
        target = f"{self.target}{mark}{urlencode(pairs)}" if pairs else self.target
        return Url(scheme=self.scheme, host=self.host, port=self.port, target=target)

    @property
    def authority(self) -> str:
        """Host, and port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """What credentials are bound to: scheme, host and port (RFC 6454)."""
        return self.scheme, self.host, self.port

    @property
    def redacted(self) -> str:
        """For people and logs: signatures, tokens and sessions in the query are left out, and it is bounded."""
        path, mark, query = self.target.partition("?")
        pairs = [(key, value if key in _SHOWN else "…") for key, value in parse_qsl(query, keep_blank_values=True)]
        shown = "&".join(f"{quote(key)}={value}" for key, value in pairs)
        return cleaned(f"{self.scheme}://{self.authority}{path}{mark}{shown}", 500)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def redacted(text: str) -> str:
    """Any text that should be a URL, for people: no user info, no query, no control characters."""
    head = re.split(r"[?#]", text[:2000], maxsplit=1)[0]
    return cleaned(re.sub(r"//[^/]*@", "//", head.replace("\\", "/")), 200)


def _unfit(text: str, why: str) -> RemoteFailed:
    return RemoteFailed(f"this URL is not followed: {redacted(text)!r} ({cleaned(why, 100)})", hint=_HINT)


_HINT: Final = "URLs are http(s)://host[:port]/path, without user info; look at the proxy or server that gave it"
