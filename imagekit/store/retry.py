"""When a request is tried again, and how long before (RFC 9110, section 10.2.3; full jitter)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from imagekit.values import dataclass


def _random() -> float:
    """A number in [0, 1) out of the system's randomness; the `random` module takes longer to import."""
    import os

    return int.from_bytes(os.urandom(7)) / 2**56


def passes(status: int) -> bool:
    """True for an answer that may be another one in a while: too many requests, a timeout, a server's trouble."""
    return status in (408, 429) or (500 <= status <= 599 and status not in (501, 505))


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """The patience that one request gets; all times in seconds. Clock, sleep and randomness are the caller's.

    `budget` is for all tries up to the answer's headers, `idle` for a connection that stands still, `closing` for what
    follows a body. A streamed body has `streaming`, and a second more for each `slowest` bytes that it may have.
    `silent_tries` holds where nothing answered at all: a name that does not resolve or a closed port seldom mends
    itself, while a registry that says "too many requests" means later.
    """

    budget: float = 45.0
    idle: float = 15.0
    closing: float = 5.0
    streaming: float = 60.0
    slowest: int = 16 * 1024
    tries: int = 6
    silent_tries: int = 3
    first: float = 0.5
    longest: float = 10.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = _random

    def pause(self, attempt: int, end: float, asked: float | None = None) -> float | None:
        """Seconds to wait after try number `attempt`, or None when no further try fits before `end`.

        `asked` is what the server's Retry-After says; it is kept to, never shortened.
        """
        if attempt >= self.tries:
            return None
        jitter = self.random() * min(self.longest, self.first * 2 ** (attempt - 1))
        pause = jitter if asked is None else asked + jitter / 4
        return pause if self.clock() + pause < end else None


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds out of Retry-After. A date counts from the answer's own Date, so that no clock needs to be right."""
    text = headers.get("Retry-After", "").strip()[:64]
    if text.isascii() and text.isdigit():
        return float(min(int(text), _FOREVER))
    wanted, sent = _moment(text), _moment(headers.get("Date", "")[:64])
    return max(0.0, wanted - sent) if wanted is not None and sent is not None else None


def _moment(text: str) -> float | None:
    from email.utils import mktime_tz, parsedate_tz

    try:
        parsed = parsedate_tz(text)
        return None if parsed is None else float(mktime_tz(parsed))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


_FOREVER: Final = 10**6
