"""Credentials in URLs: finding them, and keeping them out of every text that is printed."""

from __future__ import annotations

import re

#: Every quantifier is bounded or stops at what the next try begins with: linear on hostile text.
_USER_INFO = re.compile(r"(?<=://)[^/\s\"'<>?#]*@")
_BARE_USER_INFO = re.compile(r"(?<![\w.+-])[^\s/@:\"'{},]{1,64}:[^\s/@\"'{},]{1,128}@(?!sha256:)")
_QUERY = re.compile(r"[?&;]([^=&;#?\s\"']{1,64})=([^&;#\s\"'},\]]*)")
#: `user:word@host` without a scheme is looked for in texts of this length at most.
_SHORT = 4096
#: Query parameters that carry a signature or a token, folded: AWS (SigV2 and SigV4), Google, Azure SAS, GitLab …
_NAMES = frozenset(
    (
        "signature",
        "sig",
        "token",
        "access_token",
        "private_token",
        "job_token",
        "auth",
        "authorization",
        "password",
        "passwd",
        "secret",
        "api_key",
        "apikey",
        "awsaccesskeyid",
        "googleaccessid",
    )
)
_PREFIXES = ("x-amz-", "x-goog-")


def has_credentials(url: str) -> bool:
    """True when the URL carries user info or a signing query."""
    authority = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#\\]*)", url)
    if authority and "@" in authority[1]:
        return True
    return any(_signs(match[1]) for match in _QUERY.finditer(url))


def redact(text: str) -> str:
    """The text with all credentials in URLs starred out, character by character: columns stay right."""
    if "@" not in text and "=" not in text:
        return text
    starred = _USER_INFO.sub(_star_user, text)
    if len(text) <= _SHORT:
        starred = _BARE_USER_INFO.sub(_star_user, starred)
    return _QUERY.sub(_star_query, starred)


def hidden(url: str, excerpt: str) -> bool:
    """True when a line shows this URL starred out and in no other way, such as with escapes or over two lines."""
    starred = redact(url)
    return starred != url and starred in excerpt and not re.search("[\\s\"'<>]", url)


def shown(text: str, limit: int = 60) -> str:
    """The text as a message quotes it: redacted, escaped, cut."""
    safe = redact(text)
    return repr(safe if len(safe) <= limit else safe[: limit - 1] + "…")


def _star_user(match: re.Match[str]) -> str:
    return "*" * (len(match[0]) - 1) + "@"


def _star_query(match: re.Match[str]) -> str:
    if not _signs(match[1]):
        return match[0]
    return match[0][: match.start(2) - match.start()] + "*" * len(match[2])


def _signs(name: str) -> bool:
    if "%" in name:
        from urllib.parse import unquote

        name = unquote(name)
    folded = name.casefold().replace("-", "_")
    return folded in _NAMES or name.casefold().startswith(_PREFIXES)
