"""Requests and answers over http and https: tries, redirects, limits. Knows no registry and no credentials.

One Transport is shared by a run and its threads. Nothing heavy is imported before the first request.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from imagekit import __version__
from imagekit.errors import RemoteFailed
from imagekit.store.answers import SMALL, Answer, TooLong, Unanswered, Untrusted
from imagekit.store.guard import Guard
from imagekit.store.hosts import Hosts
from imagekit.store.limits import Limits
from imagekit.store.retry import Retry, asked_pause, passes
from imagekit.store.url import Url
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit.store.connection import Connections

logger = logging.getLogger(__name__)

#: Bytes in a piece of a streamed body, read or sent.
PIECE: Final = 256 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HOPS: Final = 8
#: Headers that are for the server they were made for, and for no other.
_SECRET: Final = frozenset({"authorization", "cookie"})
#: Seconds that a host on loopback gets to answer a handshake.
_ASKING: Final = 3.0

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request. `guard` is set when a server named the URL; a streamed body is sent once, never again.

    `repeatable` says that a second one does no harm when the first one's answer was lost.
    """

    method: str
    url: Url
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | Iterable[bytes | memoryview] | None = field(default=None, repr=False)
    guard: Guard | None = None
    repeatable: bool = True

    @property
    def is_streamed(self) -> bool:
        """True for a body that cannot be sent twice."""
        return self.body is not None and not isinstance(self.body, bytes)

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """The same request with these headers too."""
        return replace(self, headers={**self.headers, **headers})


class Response:
    """An answer whose body is still to be read; a context manager that gives the connection back."""

    def __init__(self, method: str, url: Url, raw: Any, limits: Limits) -> None:
        self.method = method
        self.url = url
        self.status: int = raw.status
        self.headers: Mapping[str, str] = raw.headers
        self._raw = raw
        self._limits = limits

    def piece(self, size: int = PIECE) -> bytes:
        """The next `size` bytes, fewer only at the end; raises Unanswered when the connection breaks."""
        from imagekit.store.failures import translated

        with translated(self.method, self.url):
            data: bytes = self._raw.read(size, decode_content=False)
        return data

    def pieces(self, bound: int) -> Iterator[bytes]:
        """The body in pieces of 256 KiB; raises RemoteFailed for one that is longer than `bound` bytes."""
        self._limits.stream(bound)
        taken = 0
        while taken < bound and (data := self.piece(min(PIECE, bound - taken))):
            taken += len(data)
            yield data
        self._limits.close_in()
        if taken == bound and self.piece(1):
            raise TooLong(
                f"{self.url.authority} sends more than the {bound} bytes that were asked for "
                f"({self.method} {self.url.redacted})",
                hint="do not trust this server or the proxy before it; try another mirror",
            )

    def whole(self, bound: int) -> Answer:
        """All of it, and the connection given back; raises RemoteFailed for more than `bound` bytes."""
        body = b""
        with self:
            # A read may give less than it should; only the one after it tells an end from a break.
            while len(body) <= bound and (data := self.piece(bound + 1 - len(body))):
                body += data
        if len(body) > bound and self.status < 400:
            raise TooLong(
                f"the answer is larger than {bound} bytes ({self.method} {self.url.redacted})",
                hint="something else answers here than was expected: check the address, and the proxy before it",
            )
        return Answer(
            method=self.method, url=self.url, status=self.status, headers=self.headers, body=body[: max(bound, SMALL)]
        )

    def close(self) -> None:
        """Give the connection back; one with an unread body is closed."""
        self._raw.close()
        self._raw.release_conn()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Transport:
    """What sends requests; thread-safe."""

    def __init__(self, hosts: Hosts | None = None, retry: Retry | None = None) -> None:
        self.hosts = replace(hosts or Hosts(), answers_tls=self._answers_tls)
        self.retry = retry or Retry()
        self._known_tls: dict[str, bool] = {}
        self._lock = threading.Lock()
        self._connections: Connections | None = None

    def open(self, request: Request) -> Response:
        """The answer with its body unread, whatever its status; raises RemoteFailed when there is none."""
        return self._persist(request, lambda response: response)

    def send(self, request: Request, bound: int = SMALL) -> Answer:
        """The whole answer, whatever its status; raises RemoteFailed when there is none or it is too large."""
        return self._persist(request, lambda response: response.whole(bound))

    def guard(self, configured: Url) -> Guard:
        """The judge of the URLs that the server at `configured` names."""
        return Guard(configured=configured, plain=self.hosts.is_plain)

    def close(self) -> None:
        """Close the connections that are kept open."""
        if self._connections is not None:
            self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _persist(self, request: Request, receive: Callable[[Response], T]) -> T:
        """Try until there is an answer that does not pass, or the time is over."""
        retry, attempt = self.retry, 0
        end = retry.clock() + retry.budget
        while True:
            attempt += 1
            try:
                response = self._follow(request, self._limits(request, end))
                pause = self._pause(request, response, attempt, end)
                if pause is None:
                    return receive(response)
                response.close()
            except Unanswered as error:
                again = request.repeatable and not request.is_streamed and error.passing
                pause = retry.pause(attempt, end) if again and attempt < retry.silent_tries else None
                if pause is None:
                    raise
                logger.info("%s; once more in %.1f s", error, pause)
            retry.sleep(pause)

    def _limits(self, request: Request, end: float) -> Limits:
        return Limits(self.retry, None if request.is_streamed else end)

    def _pause(self, request: Request, response: Response, attempt: int, end: float) -> float | None:
        if request.is_streamed or not (request.repeatable or response.status == 429) or not passes(response.status):
            return None
        return self.retry.pause(attempt, end, asked_pause(response.headers))

    def _follow(self, request: Request, limits: Limits) -> Response:
        """The answer after redirects, which only GET and HEAD take; each target passes the guard."""
        guard = request.guard or self.guard(request.url)
        for _ in range(_HOPS):
            response = self._once(request, limits)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location or request.method not in ("GET", "HEAD"):
                return response
            response.close()
            url = guard.follow(request.url, location)
            kept = url.origin == request.url.origin
            headers = {key: value for key, value in request.headers.items() if kept or key.lower() not in _SECRET}
            request = replace(request, url=url, headers=headers, guard=guard)
        raise RemoteFailed(
            f"more than {_HOPS} redirects, the last to {request.url.redacted}", hint="the server goes round in circles"
        )

    def _once(self, request: Request, limits: Limits) -> Response:
        from imagekit.store.failures import translated

        method, url, guard = request.method, request.url, request.guard
        if guard and guard.is_home(url):
            guard = None
        headers = {"User-Agent": f"imagekit/{__version__}", **request.headers}
        started = self.retry.clock()
        connections = self._open_connections()
        try:
            with translated(method, url):
                raw = connections.exchange(method, url, guard, limits, headers=headers, body=request.body)
        except Untrusted as error:
            raise _naming_the_issuer(error, connections, url, guard, limits) from error
        if logger.isEnabledFor(logging.DEBUG):  # the text is long to make
            logger.debug("%s %s: %d in %.3f s", method, url.redacted, raw.status, self.retry.clock() - started)
        return Response(method, url, raw, limits)

    def _answers_tls(self, authority: str) -> bool:
        """True when a handshake with this host on loopback succeeds, whoever it is; asked once."""
        from imagekit.store.failures import translated

        if authority not in self._known_tls:
            url = Url.parse(f"https://{authority}/")
            limits = self._limits(Request(method="GET", url=url), self.retry.clock() + _ASKING)
            try:
                with translated("GET", url):
                    self._known_tls[authority] = bool(self._open_connections().certificate(url, None, limits))
            except RemoteFailed:
                self._known_tls[authority] = False
        return self._known_tls[authority]

    def _open_connections(self) -> Connections:
        from imagekit.store.connection import Connections

        with self._lock:
            if self._connections is None:
                self._connections = Connections(self.hosts)
            return self._connections


def _naming_the_issuer(
    error: Untrusted, connections: Connections, url: Url, guard: Guard | None, limits: Limits
) -> Untrusted:
    """The same error with who signed the certificate: a proxy that looks into TLS is known by that."""
    from imagekit.store.failures import translated
    from imagekit.store.tls import issuer

    try:
        with translated("GET", url):
            signer = issuer(connections.certificate(url, guard, limits))
    except RemoteFailed:
        signer = ""
    message = f"{error.message}; it is signed by {signer}" if signer else error.message
    return Untrusted(message, hint=error.hint, passing=False)
