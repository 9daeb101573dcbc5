"""Finding an engine: contexts, sockets of other makes, ssh; and what is said where there is none that can be used."""

from __future__ import annotations

import hashlib
import json
import os
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from imagekit.containers.connection import connected
from imagekit.errors import Missing, UsageError

#: What an engine says of itself.
DOCKER = {
    "ApiVersion": "1.41",
    "Version": "20.10.0",
    "Arch": "arm64",
    "Os": "linux",
    "Components": [{"Name": "Engine", "Version": "20.10.0"}],
}


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    facts: dict[str, object]


class Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        body = json.dumps(self.server.facts).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "local"

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(path: Path, **facts: object) -> Iterator[str]:
    """An engine at a socket; its URL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Server(str(path), Requests) as server:
        server.facts = {**DOCKER, **facts}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def settings(tmp_path, monkeypatch) -> dict[str, str]:
    """An environment without an engine."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))  # the SDK itself reads contexts from there
    return {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "PATH": os.environ["PATH"],
            "DOCKER_CONFIG": str(tmp_path / "docker")}  # fmt: skip


def test_an_engine_says_what_it_is(settings, tmp_path):
    with serving(tmp_path / "s") as host, connected({**settings, "DOCKER_HOST": host}) as engine:
        assert (engine.title, engine.architecture) == ("Docker Engine 20.10.0", "arm64")


@pytest.mark.parametrize("place", ["run/podman/podman.sock", "run/docker.sock", ".docker/run/docker.sock"])
def test_other_engines_are_found_where_nothing_is_named(settings, tmp_path, place):
    with (
        serving(tmp_path / place, Components=[{"Name": "Podman Engine"}], Version="4.9"),
        connected(settings) as engine,
    ):
        assert engine.title == "Podman Engine 4.9"


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"ApiVersion": "1.40", "Version": "19.03.15"}, "Docker Engine 19.03.15 is too old"),
        (
            {"ApiVersion": "1.40", "Version": "3.4", "Components": [{"Name": "Podman Engine"}]},
            "Podman Engine 3.4 is too",
        ),
        ({"Os": "windows"}, "no Linux containers"),
    ],
)
def test_an_engine_that_cannot_be_used(settings, tmp_path, facts, message):
    with (
        serving(tmp_path / "s", **facts) as host,
        pytest.raises(Missing, match=message) as caught,
        connected({**settings, "DOCKER_HOST": host}),
    ):
        pytest.fail("it is refused")
    assert caught.value.hint


def test_a_context_may_lead_over_ssh(settings, tmp_path):
    """The user's own ssh is asked for the docker command on the other machine; here it connects to a socket."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/ssh"
    relay = (
        "import os, socket, sys, threading\n"
        f"open({str(tmp_path / 'asked')!r}, 'a').write(repr(sys.argv[1:]) + '\\n')\n"
        "end = socket.socket(socket.AF_UNIX)\n"
        f"end.connect({str(tmp_path / 's')!r})\n"
        "def there():\n"
        "    while data := os.read(0, 65536):\n"
        "        end.sendall(data)\n"
        "    end.shutdown(socket.SHUT_WR)\n"
        "threading.Thread(target=there, daemon=True).start()\n"
        "while data := end.recv(65536):\n"
        "    os.write(1, data)\n"
    )
    program.write_text(f"#!{sys.executable}\n{relay}")
    program.chmod(0o755)
    meta = tmp_path / "docker/contexts/meta" / hashlib.sha256(b"far").hexdigest()
    meta.mkdir(parents=True)
    (tmp_path / "docker/config.json").write_text('{"currentContext": "far"}')
    context = {"Name": "far", "Metadata": {}, "Endpoints": {"docker": {"Host": "ssh://me@build.corp:2222"}}}
    (meta / "meta.json").write_text(json.dumps(context))
    mine = {**settings, "PATH": f"{tmp_path}/bin:{settings['PATH']}"}
    with serving(tmp_path / "s"), connected(mine) as engine:
        assert engine.api.version()["Version"] == "20.10.0"
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == repr(
        ["-l", "me", "-p", "2222", "-o", "ConnectTimeout=30", "-T", "--", "build.corp", "docker system dial-stdio"]
    )
    program.write_text("#!/bin/sh\necho 'Host key verification failed.' >&2\nexit 255\n")
    with pytest.raises(Missing, match=r"build\.corp.*Host key verification failed"), connected(mine):
        pytest.fail("there is no way")
    with (
        pytest.raises(UsageError, match="names no machine"),
        connected({**mine, "DOCKER_HOST": "ssh://-oProxyCommand=x"}),
    ):
        pytest.fail("that is no machine")
    with pytest.raises(Missing, match="no `ssh`"), connected({**mine, "PATH": str(tmp_path)}):
        pytest.fail("there is none")
