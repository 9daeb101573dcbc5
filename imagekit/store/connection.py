"""Connections of urllib3 that keep to this program's rules: the peer's address, the time, the certificates.

This module and `failures` import urllib3; they are imported only when a request is really made.
"""

from __future__ import annotations

import http.client
import io
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import Timeout, parse_url

from imagekit.store.guard import Guard
from imagekit.store.hosts import Hosts
from imagekit.store.limits import Limits
from imagekit.store.proxies import Proxy, proxy_for
from imagekit.store.tls import blind_context, context_for
from imagekit.store.url import Url

# Its own messages hold whole URLs, signatures too; what matters of them stands in this package's log and errors.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

#: Connections that are kept open a host.
_KEPT: Final = 16
#: Addresses of one name that are tried.
_ADDRESSES: Final = 8

Judge = Callable[[str], None]
Pool = urllib3.HTTPConnectionPool


class _Patient(io.RawIOBase):
    """A socket's bytes, where no read waits longer than the limits of this answer say."""

    def __init__(self, raw: Any, sock: socket.socket, limits: Limits) -> None:
        super().__init__()
        self._raw, self._socket, self._limits = raw, sock, limits

    def readable(self) -> bool:
        """True: it is a body that is read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read once; raises TimeoutError when the time is over."""
        seconds = self._limits.seconds()
        if self._socket.gettimeout() != seconds:  # setting it costs a system call each time
            self._socket.settimeout(seconds)
        filled: int | None = self._raw.readinto(buffer)
        return filled

    def close(self) -> None:
        """Let the socket go."""
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer that is read under limits, its status line and headers too."""

    def __init__(self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, *, limits: Limits) -> None:
        super().__init__(sock, debuglevel, method)
        limits.begin_answer()
        self.fp = io.BufferedReader(_Patient(self.fp.detach(), sock, limits), 64 * 1024)


class _Plain(HTTPConnection):
    """A connection whose peer is judged before it is used, under the limits of the request that is under way."""

    judge: Judge
    limits: Callable[[], Limits]

    def _new_conn(self) -> socket.socket:
        try:
            host = self.host.strip("[]").encode("ascii")  # text would go through a codec that takes 1 ms to import
            found = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)[:_ADDRESSES]
        except (socket.gaierror, UnicodeError) as error:
            cause = error if isinstance(error, socket.gaierror) else socket.gaierror(socket.EAI_NONAME, str(error))
            raise NameResolutionError(self.host, self, cause) from error
        failure: OSError = OSError("no address")
        for family, kind, protocol, _, address in found:
            try:
                return self._connected(socket.socket(family, kind, protocol), address)
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "timed out") from failure
        raise NewConnectionError(self, str(failure)) from failure

    def _connected(self, sock: socket.socket, address: Any) -> socket.socket:
        """The socket at its peer; judged before connecting, and again by the peer that it really has."""
        try:
            self.judge(str(address[0]))
            sock.settimeout(self.limits().seconds())
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(address)
            self.judge(str(sock.getpeername()[0]))
        except BaseException:
            sock.close()
            raise
        return sock

    def response_class(self, sock: socket.socket, *arguments: Any, **options: Any) -> _Response:  # type: ignore[override]
        """The answer's reader, under the limits of now (http.client calls it as it would a class)."""
        return _Response(sock, *arguments, **options, limits=self.limits())


class _Secure(_Plain, HTTPSConnection):
    """The same over TLS."""


class Connections:
    """All connections of a run, kept open and shared by threads."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._lock = threading.Lock()
        self._pools: dict[tuple[object, ...], Pool] = {}
        self._contexts: dict[object, Any] = {}
        self._current = threading.local()

    def exchange(
        self, method: str, url: Url, guard: Guard | None, limits: Limits, **sent: Any
    ) -> urllib3.BaseHTTPResponse:
        """One request, one answer whose body is not yet read. `guard` is set when a server named this URL."""
        proxy = proxy_for(url, self._hosts.environment)
        pool = self._pool(url, guard, proxy)
        target = str(url) if proxy and url.scheme == "http" else url.target
        timeout = Timeout(connect=limits.seconds(), read=limits.idle)
        with self._under(limits):
            return pool.urlopen(
                method,
                target,
                redirect=False,
                retries=False,
                assert_same_host=False,
                timeout=timeout,
                preload_content=False,
                **sent,
            )

    def certificate(self, url: Url, guard: Guard | None, limits: Limits) -> bytes:
        """The certificate that a host shows, in DER, unchecked; nothing is sent. Raises OSError."""
        proxy = proxy_for(url, self._hosts.environment)
        address = proxy.url if proxy else url
        connection = self._kind(_Secure, url, guard, proxy)(address.host, address.port, ssl_context=blind_context())
        if proxy:
            connection.set_tunnel(url.host, url.port, headers=dict(proxy.headers))
        with self._under(limits):
            try:
                connection.connect()
                return connection.sock.getpeercert(binary_form=True) or b""
            finally:
                connection.close()

    def close(self) -> None:
        """Close what is kept open."""
        with self._lock:
            pools = list(self._pools.values())
            self._pools.clear()
        for pool in pools:
            pool.close()

    @contextmanager
    def _under(self, limits: Limits) -> Iterator[None]:
        outer = getattr(self._current, "limits", None)
        self._current.limits = limits
        try:
            yield
        finally:
            self._current.limits = outer

    def _pool(self, url: Url, guard: Guard | None, proxy: Proxy | None) -> Pool:
        key = (url.origin, guard.configured.origin if guard else None)
        with self._lock:
            if key not in self._pools:
                self._pools[key] = self._made(url, guard, proxy)
            return self._pools[key]

    def _made(self, url: Url, guard: Guard | None, proxy: Proxy | None) -> Pool:
        options: dict[str, Any] = {"maxsize": _KEPT, "block": False}
        address = url
        if proxy:
            options |= {"_proxy": parse_url(str(proxy.url)), "_proxy_headers": dict(proxy.headers)}
            address = proxy.url if url.scheme == "http" else url
        if address.scheme == "http":
            pool = Pool(address.host, address.port, **options)
            pool.ConnectionCls = self._kind(_Plain, url, guard, proxy)
            return pool
        pool = urllib3.HTTPSConnectionPool(address.host, address.port, ssl_context=self._context(url), **options)
        pool.ConnectionCls = self._kind(_Secure, url, guard, proxy)
        return pool

    def _kind(self, base: type[Any], url: Url, guard: Guard | None, proxy: Proxy | None) -> type[Any]:
        """The connection class of one pool. Behind a proxy the peer is the proxy, which is the user's own."""
        judge: Judge = (lambda _: None) if guard is None or proxy else (lambda address: guard.judge(url, address))
        members = {"judge": staticmethod(judge), "limits": staticmethod(lambda: self._current.limits)}
        return type(base.__name__, (base,), members)

    def _context(self, url: Url) -> Any:
        certificates = self._hosts.certificates(url.authority)
        if certificates not in self._contexts:
            self._contexts[certificates] = context_for(certificates)
        return self._contexts[certificates]
