"""What went wrong on the way to a server, in words: no such host, refused, too slow, not trusted, broken off.

Imported only after a request was made; it knows urllib3's exceptions.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from imagekit.store import http1
from imagekit.store.answers import Unanswered, Untrusted
from imagekit.store.url import Url
from imagekit.words import cleaned

http1.only()

from urllib3 import exceptions as theirs  # noqa: E402 - it has to be told before


@contextmanager
def translated(method: str, url: Url) -> Iterator[None]:
    """Raise Unanswered for whatever urllib3 raises inside."""
    try:
        yield
    except (theirs.HTTPError, OSError) as error:
        raise explained(error, method, url) from error


def explained(error: BaseException, method: str, url: Url) -> Unanswered:
    """The error in words, with the request and what to do."""
    causes = tuple(_chain(error))
    if why := _distrust(causes):
        return Untrusted(
            f"the certificate of {url.authority} is not trusted: {why} ({method} {url.redacted})",
            hint="if the server is the right one, name its CA with --ca-file FILE",
            passing=False,
        )
    for words in (_resolution, _tls, _proxy, _time, _refusal):
        if found := words(causes, url):
            message, hint, again = found
            return Unanswered(f"{message} ({method} {url.redacted})", hint=hint, passing=again)
    return Unanswered(
        f"the connection to {url.authority} broke: {_break(causes)} ({method} {url.redacted})",
        hint="try again; if it stays so, look at the server's log and at proxies on the way",
    )


#: What breaks a connection, in words; the first line that fits counts, for some of these are kinds of others.
_BREAKS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (http.client.RemoteDisconnected, "it was closed without an answer"),
    (ValueError, "what answers there does not speak HTTP"),
    (http.client.IncompleteRead, "it ended in the middle of an answer"),
    (ssl.SSLEOFError, "it was closed in the middle of TLS"),
    (ConnectionResetError, "the other side reset it"),
    (BrokenPipeError, "the other side closed it"),
    (http.client.LineTooLong, "a line of the answer's headers is too long"),
    (http.client.BadStatusLine, "what answers there does not speak HTTP"),
    (theirs.InvalidHeader, "the answer's headers contradict each other"),
    (http.client.HTTPException, "the answer has too many headers"),
)


def _break(causes: tuple[BaseException, ...]) -> str:
    for kind, words in _BREAKS:
        if any(isinstance(cause, kind) for cause in causes):
            return words
    last = causes[-1]
    said = last.strerror if isinstance(last, OSError) else None
    return cleaned(said or str(last) or type(last).__name__, 160)


_TIMEOUTS: Final = (theirs.ReadTimeoutError, theirs.ConnectTimeoutError)
_Words = tuple[str, str, bool] | None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes, outermost first; urllib3 also hands them on as arguments."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = next((item for item in error.args if isinstance(item, BaseException)), None)
        error = inner or error.__cause__ or error.__context__


def _resolution(causes: tuple[BaseException, ...], url: Url) -> _Words:
    found = next((cause for cause in causes if isinstance(cause, socket.gaierror)), None)
    if found is None:
        return None
    again = found.errno == socket.EAI_AGAIN
    return f"the host {url.host} is not found", "check the name, the network, and HTTPS_PROXY and NO_PROXY", again


def _distrust(causes: tuple[BaseException, ...]) -> str:
    found = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
    return cleaned(found.verify_message, 160) if found else ""


def _tls(causes: tuple[BaseException, ...], url: Url) -> _Words:
    failed = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if failed is None or isinstance(failed, ssl.SSLEOFError):
        return None
    said = cleaned(failed.reason or str(failed), 160)
    why = "what answers there speaks none" if said == "WRONG_VERSION_NUMBER" else said.replace("_", " ").lower()
    hint = f"a server without TLS is named with --insecure {url.authority}"
    return f"no TLS connection to {url.authority}: {why}", hint, False


def _proxy(causes: tuple[BaseException, ...], url: Url) -> _Words:
    if not any(isinstance(cause, theirs.ProxyError) for cause in causes):
        return None
    why = cleaned(str(causes[-1]), 160)
    return f"the proxy gives no way to {url.authority}: {why}", "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY", True


def _time(causes: tuple[BaseException, ...], url: Url) -> _Words:
    # urllib3 counts NewConnectionError, which is no such thing, among the timeouts.
    if not any(isinstance(cause, TimeoutError) or type(cause) in _TIMEOUTS for cause in causes):
        return None
    return f"{url.authority} did not answer in time", "check the network and the server, then try again", True


def _refusal(causes: tuple[BaseException, ...], url: Url) -> _Words:
    if not any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return None
    return f"{url.authority} refuses connections", "check that the server runs, and its port", True
