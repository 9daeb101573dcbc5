"""A server's answers, and the errors that they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from imagekit.errors import RemoteFailed
from imagekit.findings import Place
from imagekit.store.url import Url
from imagekit.values import dataclass
from imagekit.words import cleaned

#: Bytes of an answer that is an error, a token or otherwise no document.
SMALL: Final = 64 * 1024


class Unanswered(RemoteFailed):
    """A request got no answer, or not all of it. `passing`: another try may do."""

    def __init__(self, message: str, *, hint: str = "", place: Place | None = None, passing: bool = True) -> None:
        super().__init__(message, hint=hint, place=place)
        self.passing = passing


class Untrusted(Unanswered):
    """The server's certificate is not trusted; nothing was sent."""


class TooLong(RemoteFailed):
    """An answer has more bytes than were asked for, or than are taken."""


class Refused(RemoteFailed):
    """A request got an answer, and it is no. `passing`: another try may do, `pause`: the seconds asked for before.

    `repository`: the registry and the repository that it is about, where it is about one.
    """

    pause: float | None = None
    repository: tuple[str, str] | None = None

    def __init__(
        self, message: str, *, hint: str = "", place: Place | None = None, status: int = 0, passing: bool = False
    ) -> None:
        super().__init__(message, hint=hint, place=place)
        self.status = status
        self.passing = passing


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A whole answer. `headers` are found in any case; `url` is where it came from after redirects."""

    method: str
    url: Url
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def request(self) -> str:
        """The request, for people."""
        return f"{self.method} {self.url.redacted}"

    @property
    def errors(self) -> tuple[tuple[str, str], ...]:
        """Code and message of each error in the body (distribution-spec, "Error Codes"); nothing when it has none."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            return ()
        found = document.get("errors") if isinstance(document, dict) else None
        return tuple(_error(item) for item in found[:5]) if isinstance(found, list) else ()

    @property
    def words(self) -> str:
        """What the server says, in one bounded line; nothing for a page of HTML."""
        if self.errors:
            return cleaned("; ".join(": ".join(filter(None, pair)) for pair in self.errors), 700)
        text = self.body[:2048].decode("utf-8", "replace")
        return "" if text.lstrip().startswith("<") else cleaned(text)

    def mapping(self, what: str) -> Mapping[str, Any]:
        """The JSON object in the body; raises RemoteFailed naming `what` and the request."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise self.unfit(f"{what} is not JSON") from error
        if not isinstance(document, dict):
            raise self.unfit(f"{what} is JSON, but not an object")
        return document

    def unfit(self, message: str) -> RemoteFailed:
        """The error of an answer that is not what the protocol says."""
        kind = cleaned(self.headers.get("Content-Type", "no content type"), 60)
        return RemoteFailed(
            f"{message}: {self.status} with {kind} ({self.request})",
            hint="something else answers here than was expected: check the address, and the proxy before it",
        )


def _error(item: object) -> tuple[str, str]:
    if not isinstance(item, dict):
        return "", cleaned(str(item), 100)
    # AWS's messages are long, and say at their end which policy it is.
    return cleaned(str(item.get("code") or ""), 60), cleaned(str(item.get("message") or ""), 600)
