"""Debian's `docker-registry` (distribution) on loopback: plain or with TLS and a password."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.bases import StandIn
from tests.support.commands import good
from tests.support.tools import need

USER, PASSWORD = "builder", "correct horse"
_REQUEST = re.compile(r'"([A-Z]+ /v2/\S*) HTTP')


@dataclass(frozen=True)
class DockerRegistry:
    """A registry that runs; `authorities` is the file that vouches for its certificate."""

    host: str
    folder: Path
    authorities: Path | None = None

    @property
    def secured(self) -> bool:
        return self.authorities is not None

    def requests(self, skip: int = 0) -> list[str]:
        """What was asked of it, as `GET /v2/…`, without the first `skip`; waits until the log stands still."""
        before, now = "", self._log()
        while before != now:  # a line is written after its answer
            time.sleep(0.1)
            before, now = now, self._log()
        return _REQUEST.findall(now)[skip:]

    def blob(self, digest: str) -> bytes:
        """A blob as it lies on the registry's disk."""
        name = digest.removeprefix("sha256:")
        place = self.folder / "store/docker/registry/v2/blobs/sha256" / name[:2] / name / "data"
        data = place.read_bytes()
        assert hashlib.sha256(data).hexdigest() == name
        return data

    def log_in(self, home: Path) -> None:
        """Put the password into a home's `.docker/config.json`."""
        import base64

        (home / ".docker").mkdir(exist_ok=True)
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (home / ".docker/config.json").write_text(json.dumps({"auths": {self.host: {"auth": login}}}))

    def _log(self) -> str:
        return (self.folder / "log").read_text()


@dataclass(frozen=True)
class Bases:
    """The stand-ins by imagekit's name of the system, in a registry that stands in for AWS's."""

    registry: DockerRegistry
    made: dict[str, StandIn] = field(repr=False)

    @property
    def settings(self) -> dict[str, str]:
        return {"IMAGEKIT_MIRROR": f"public.ecr.aws={self.registry.host}"}


@contextmanager
def docker_registry(folder: Path, *, secured: bool = False) -> Iterator[DockerRegistry]:
    """A registry that keeps everything in `folder`; it ends with the block."""
    program = need("docker-registry")
    registry = DockerRegistry(f"127.0.0.1:{_free_port()}", folder, folder / "authorities.pem" if secured else None)
    (folder / "config.json").write_text(json.dumps(_configuration(registry)))  # JSON is YAML
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([program, "serve", folder / "config.json"], stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(registry, process)
            yield registry
        finally:
            process.terminate()
            process.wait(20)


def _configuration(registry: DockerRegistry) -> dict[str, object]:
    http: dict[str, object] = {"addr": registry.host}
    document: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(registry.folder / "store")}},
        "http": http,
    }
    if registry.authorities:
        import trustme

        authority = trustme.CA()
        authority.cert_pem.write_to_path(registry.authorities)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(registry.folder / "server.pem")
        http["tls"] = {"certificate": str(registry.folder / "server.pem"), "key": str(registry.folder / "server.pem")}
        password = good(need("htpasswd"), "-nbB", "-C", "4", USER, PASSWORD).out
        (registry.folder / "passwords").write_text(password)
        document["auth"] = {"htpasswd": {"realm": "tests", "path": str(registry.folder / "passwords")}}
    return document


def _wait(registry: DockerRegistry, process: subprocess.Popen[bytes]) -> None:
    host, _, port = registry.host.partition(":")
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        try:
            with closing(socket.create_connection((host, int(port)), 1)) as connection:
                if registry.authorities:
                    context = ssl.create_default_context(cafile=registry.authorities)
                    context.wrap_socket(connection, server_hostname=host).close()
                return
        except ConnectionError:
            time.sleep(0.05)
    raise AssertionError(f"docker-registry does not start: {(registry.folder / 'log').read_text()[-2000:]}")


def _free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
