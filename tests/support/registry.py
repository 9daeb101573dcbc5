"""A registry in this process, on loopback: the distribution specification over HTTP, all in memory.

`with Registry() as registry:` gives one that takes everything from everybody; `registry.host` is its address.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from tests.support.faults import Fault
from tests.support.tokens import Doorkeeper

_NAME = r"(?P<name>[a-z0-9._/-]+)"


@dataclass(frozen=True)
class Logged:
    """A request as it arrived; header names are in lower case, `port` is the client's."""

    method: str
    path: str
    headers: Mapping[str, str]
    port: int = 0

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Repository:
    """What a repository holds: digests of blobs, manifests with their types, tags."""

    blobs: set[str] = field(default_factory=set)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class Registry:
    """The registry; settings may be changed while it runs."""

    def __init__(
        self, *, doorkeeper: Doorkeeper | None = None, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.blobs: dict[str, bytes] = {}
        self.repositories: dict[str, Repository] = {}
        self.uploads: dict[str, bytearray] = {}
        self.requests: list[Logged] = []
        self.doorkeeper = doorkeeper
        #: PATCH answers 201 with a Range that never grows, as ECR's does.
        self.like_ecr = False
        #: Repositories that may be pushed to; None: all.
        self.known: set[str] | None = None
        self.immutable = False
        self.mounts = True
        #: What a registry with ways of its own answers before the specification does; True when it has.
        self.rules: Callable[[Handler, str, Query], bool] | None = None
        #: Files served beside the registry, by path.
        self.files: dict[str, bytes] = {}
        self.lock = threading.RLock()
        self._faults: list[tuple[re.Pattern[str], Fault, list[int]]] = []
        self._server = _Server((host, 0), _handler_for(self))
        self._server.context = tls
        self.tls = tls
        self.host = f"{'localhost' if tls else host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The root."""
        return f"{'https' if self.tls else 'http'}://{self.host}"

    def fault(self, match: str, fault: Fault, times: int = 1) -> None:
        """Have a fault at the next requests whose `METHOD /path` fits the expression."""
        self._faults.append((re.compile(match), fault, [times]))

    def clear(self) -> None:
        """Forget the faults that are still to come, and the requests so far."""
        with self.lock:
            self._faults.clear()
            self.requests.clear()

    def fault_for(self, request: Logged) -> Fault | None:
        """The fault for this request, if any; used up by that."""
        with self.lock:
            for pattern, fault, left in self._faults:
                if left[0] > 0 and pattern.search(str(request)):
                    left[0] -= 1
                    return fault
        return None

    def seen(self, match: str = "") -> list[str]:
        """The requests so far that fit, as `METHOD /path`."""
        return [str(request) for request in self.requests if re.search(match, str(request))]

    def repository(self, name: str) -> Repository:
        """A repository, made when there is none."""
        with self.lock:
            return self.repositories.setdefault(name, Repository())

    def add_blob(self, name: str, data: bytes, media_type: str = "application/octet-stream") -> Descriptor:
        """Put a blob in."""
        descriptor = Descriptor.of(data, media_type)
        self.blobs[str(descriptor.digest)] = data
        self.repository(name).blobs.add(str(descriptor.digest))
        return descriptor

    def add_manifest(self, name: str, data: bytes, media_type: str, tag: str = "") -> Descriptor:
        """Put a manifest or an index in, as it is."""
        descriptor = Descriptor.of(data, media_type)
        self.repository(name).manifests[str(descriptor.digest)] = (media_type, data)
        if tag:
            self.repository(name).tags[tag] = str(descriptor.digest)
        return descriptor


class _Server(ThreadingHTTPServer):
    """Threads a connection; all of them end with the server."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 64
    context: ssl.SSLContext | None = None

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def finish_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        try:
            if self.context:
                request.settimeout(5)
                request = self.context.wrap_socket(request, server_side=True)
                self._open.add(request)
                request.settimeout(None)
            super().finish_request(request, client_address)
        except OSError:
            pass  # the client went away, or did not trust us: its own test looks at that
        finally:
            self._open.discard(request)
            request.close()

    def end_connections(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    """One connection's requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    registry: Registry

    def setup(self) -> None:
        super().setup()
        self.cut: int | None = None
        self.change: Callable[[bytes], bytes] | None = None
        self.replaced: dict[str, str] = {}
        self.body = b""

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is written."""

    def handle_any(self) -> None:
        """Log the request, have its fault, answer it."""
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = Logged(self.command, self.path, headers, self.client_address[1])
        with self.registry.lock:
            self.registry.requests.append(request)
        self.cut, self.change, self.replaced = None, None, {}
        fault = self.registry.fault_for(request)
        early = getattr(fault, "before_body", False)
        if fault and early and fault(self):
            return
        self.body = self._read_body()
        if fault and not early and fault(self):
            return
        self._route()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = handle_any

    def answer(self, code: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Send an answer, through what a fault asked for."""
        body = self.change(body) if self.change else body
        sent = {"Content-Length": str(len(body)), **(headers or {}), **self.replaced}
        self.send_response(code)
        for key, value in sent.items():
            if value:
                self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if self.cut is None else body[: self.cut])
        if self.cut is not None:
            self.end_connection()

    def refuse(self, code: int, error: str, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        """An error in the specification's form."""
        body = json.dumps({"errors": [{"code": error, "message": message}]}).encode()
        self.answer(code, body, {"Content-Type": "application/json", **(headers or {})})

    def end_connection(self) -> None:
        """No further request on this connection."""
        self.close_connection = True
        try:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(iter(self._chunk, b""))
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        if len(data) < length:
            raise ConnectionResetError
        return data

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def _route(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        for name in (path, unquote(path)):
            if name in self.registry.files:
                return self.answer(200, self.registry.files[name])
        keeper = self.registry.doorkeeper
        if keeper and path == "/token":
            return keeper.issue(self, query)
        if keeper and not keeper.admits(self, path, query):
            return None
        if self.registry.rules and self.registry.rules(self, path, query):
            return None
        for method, pattern, deed in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and self.command in method.split("|"):
                return deed(self, query, **match.groupdict())
        return self.refuse(404, "NAME_UNKNOWN")


Query = Mapping[str, list[str]]


def _ping(handler: Handler, query: Query) -> None:
    handler.answer(200, b"{}")


def _get_blob(handler: Handler, query: Query, name: str, digest: str) -> None:
    repository = handler.registry.repositories.get(name)
    if repository is None or digest not in repository.blobs:
        return handler.refuse(404, "BLOB_UNKNOWN")
    headers = {"Docker-Content-Digest": digest, "Content-Type": "application/octet-stream"}
    return handler.answer(200, handler.registry.blobs[digest], headers)


def _begin(handler: Handler, query: Query, name: str) -> None:
    registry = handler.registry
    if registry.known is not None and name not in registry.known:
        return handler.refuse(404, "NAME_UNKNOWN", f"repository {name} does not exist")
    if "mount" in query and registry.mounts:
        origin = registry.repositories.get(query.get("from", [""])[0])
        if origin and query["mount"][0] in origin.blobs:
            registry.repository(name).blobs.add(query["mount"][0])
            return handler.answer(201, headers={"Location": f"/v2/{name}/blobs/{query['mount'][0]}"})
    if "digest" in query:
        return _keep(handler, name, query["digest"][0], handler.body)
    key = secrets.token_hex(8)
    registry.uploads[key] = bytearray()
    return handler.answer(202, headers={"Location": f"/v2/{name}/blobs/uploads/{key}?_state=secret-{key}"})


def _append(handler: Handler, query: Query, name: str, key: str) -> None:
    registry = handler.registry
    if key not in registry.uploads:
        return handler.refuse(404, "BLOB_UPLOAD_UNKNOWN")
    registry.uploads[key] += handler.body
    end = 0 if registry.like_ecr else max(0, len(registry.uploads[key]) - 1)
    headers = {"Location": f"/v2/{name}/blobs/uploads/{key}?_state=next-{key}", "Range": f"0-{end}"}
    return handler.answer(201 if registry.like_ecr else 202, headers=headers)


def _finish(handler: Handler, query: Query, name: str, key: str) -> None:
    data = handler.registry.uploads.pop(key, None)
    if data is None:
        return handler.refuse(404, "BLOB_UPLOAD_UNKNOWN")
    return _keep(handler, name, query.get("digest", [""])[0], bytes(data) + handler.body)


def _keep(handler: Handler, name: str, digest: str, data: bytes) -> None:
    if digest != str(Digest(hashlib.sha256(data).hexdigest())):
        return handler.refuse(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
    handler.registry.blobs[digest] = data
    handler.registry.repository(name).blobs.add(digest)
    headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
    return handler.answer(201, headers=headers)


def _cancel(handler: Handler, query: Query, name: str, key: str) -> None:
    handler.registry.uploads.pop(key, None)
    handler.answer(204)


def _get_manifest(handler: Handler, query: Query, name: str, selector: str) -> None:
    repository = handler.registry.repositories.get(name, Repository())
    digest = repository.tags.get(selector, selector)
    if digest not in repository.manifests:
        return handler.refuse(404, "MANIFEST_UNKNOWN")
    media_type, data = repository.manifests[digest]
    return handler.answer(200, data, {"Content-Type": media_type, "Docker-Content-Digest": digest})


def _put_manifest(handler: Handler, query: Query, name: str, selector: str) -> None:
    repository, data = handler.registry.repository(name), handler.body
    digest = str(Digest.of(data))
    missing = [item for item in _named_in(data) if item not in repository.blobs and item not in repository.manifests]
    if missing:
        return handler.refuse(400, "MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {missing[0]}")
    if selector.startswith("sha256:") and selector != digest:
        return handler.refuse(400, "DIGEST_INVALID")
    if not selector.startswith("sha256:"):
        if handler.registry.immutable and repository.tags.get(selector, digest) != digest:
            return handler.refuse(400, "TAG_INVALID", f"The image tag '{selector}' already exists and is immutable.")
        repository.tags[selector] = digest
    repository.manifests[digest] = (handler.headers.get("Content-Type", ""), data)
    return handler.answer(201, headers={"Docker-Content-Digest": digest, "Location": f"/v2/{name}/manifests/{digest}"})


def _named_in(data: bytes) -> list[str]:
    document = json.loads(data)
    items = [*document.get("layers", []), *document.get("manifests", [])]
    return [item["digest"] for item in items + ([document["config"]] if "config" in document else [])]


def _list_tags(handler: Handler, query: Query, name: str) -> None:
    if name not in handler.registry.repositories:
        return handler.refuse(404, "NAME_UNKNOWN")
    tags = [tag for tag in sorted(handler.registry.repositories[name].tags) if tag > query.get("last", [""])[0]]
    count = min(int(query.get("n", ["100"])[0]), 3)
    more = {"Link": f'</v2/{name}/tags/list?n={count}&last={tags[count - 1]}>; rel="next"'} if tags[count:] else {}
    return handler.answer(200, json.dumps({"name": name, "tags": tags[:count]}).encode(), more)


_ROUTES: tuple[tuple[str, str, Callable[..., None]], ...] = (
    ("GET", r"/v2/", _ping),
    ("GET|HEAD", rf"/v2/{_NAME}/blobs/(?P<digest>sha256:[0-9a-f]{{64}})", _get_blob),
    ("POST", rf"/v2/{_NAME}/blobs/uploads/", _begin),
    ("PATCH", rf"/v2/{_NAME}/blobs/uploads/(?P<key>[0-9a-f]+)", _append),
    ("PUT", rf"/v2/{_NAME}/blobs/uploads/(?P<key>[0-9a-f]+)", _finish),
    ("DELETE", rf"/v2/{_NAME}/blobs/uploads/(?P<key>[0-9a-f]+)", _cancel),
    ("GET|HEAD", rf"/v2/{_NAME}/manifests/(?P<selector>[^/]+)", _get_manifest),
    ("PUT", rf"/v2/{_NAME}/manifests/(?P<selector>[^/]+)", _put_manifest),
    ("GET", rf"/v2/{_NAME}/tags/list", _list_tags),
)


def _handler_for(registry: Registry) -> type[Handler]:
    return type("Handler", (Handler,), {"registry": registry})


def tls_context(folder: Path, *names: str) -> tuple[ssl.SSLContext, str]:
    """A server's TLS context with a certificate of a new CA, and the path of that CA's certificate."""
    import trustme

    authority = trustme.CA(organization_name="Example Corp", organization_unit_name="Test CA")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("localhost", "127.0.0.1"))).configure_cert(context)
    path = folder / f"ca-{secrets.token_hex(4)}.pem"
    authority.cert_pem.write_to_path(str(path))
    return context, str(path)
