"""A real registry: distribution's `docker-registry`, started on a free port of loopback with its own storage."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.tools import need

_TIME = 20.0


@contextmanager
def real_registry(
    folder: Path, *, users: dict[str, str] | None = None, certificate: tuple[Path, Path] | None = None
) -> Iterator[str]:
    """Runs it with its files in `folder`; gives `host:port`. `users` are asked for by Basic, `certificate` is TLS."""
    program = need("docker-registry")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "config.yml"
    config.write_text(_config(folder, port, users or {}, certificate))
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(config)],
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        )
    try:
        _await(port, process, folder / "registry.log")
        yield f"{'localhost' if certificate else '127.0.0.1'}:{port}"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder / "storage", ignore_errors=True)


def _config(folder: Path, port: int, users: dict[str, str], certificate: tuple[Path, Path] | None) -> str:
    lines = ["version: 0.1", "log: {level: warn, accesslog: {disabled: true}}"]
    lines += [f"storage: {{filesystem: {{rootdirectory: {folder / 'storage'}}}, delete: {{enabled: true}}}}"]
    tls = f", tls: {{certificate: {certificate[0]}, key: {certificate[1]}}}" if certificate else ""
    lines += [f"http: {{addr: '127.0.0.1:{port}', secret: x{tls}}}"]
    if users:
        passwords = folder / "htpasswd"
        hashed = [_hashed(name, password) for name, password in users.items()]
        passwords.write_text("".join(hashed))
        lines += [f"auth: {{htpasswd: {{realm: test, path: {passwords}}}}}"]
    return "\n".join(lines)


def _hashed(name: str, password: str) -> str:
    done = subprocess.run([need("htpasswd"), "-nbBC", "4", name, password], capture_output=True, text=True, check=True)
    return done.stdout.strip() + "\n"


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _TIME
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"docker-registry did not start: {log.read_text(errors='replace')[-2000:]}")
