"""An engine behind ssh, as the docker command reaches it: `docker system dial-stdio` on the other machine.

Each connection is a command of the user's own ssh, with his configuration, agent and known hosts. The Docker SDK sees
an ordinary Unix socket in a folder that only this user can enter.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from imagekit.errors import Missing, UsageError
from imagekit.words import cleaned

SCHEME: Final = "ssh://"
#: Seconds that a command gets to end once its connection is closed.
_GRACE: Final = 5
#: Ctrl-C goes to all programs of a terminal, but what is to be removed is removed through this one.
_DEAF: Final = 'trap "" INT; exec ssh "$@"'
_SAID: Final = 4096


class Tunnel:
    """The socket that leads there; `said` is what ssh wrote to its standard error."""

    def __init__(self, folder: str, command: list[str], environment: Mapping[str, str]) -> None:
        self.host = f"unix://{folder}/engine.sock"
        self._command = command
        self._environment = dict(environment)
        self._said = open(f"{folder}/said", "w+b")  # noqa: SIM115  # closed with the tunnel
        self._processes: list[subprocess.Popen[bytes]] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(f"{folder}/engine.sock")
        self._listening.listen()
        self._thread = threading.Thread(target=self._accept, name="connections over ssh", daemon=True)
        self._thread.start()

    @property
    def said(self) -> str:
        """The last words of ssh."""
        size = os.fstat(self._said.fileno()).st_size
        return cleaned(os.pread(self._said.fileno(), _SAID, max(0, size - _SAID)).decode("utf-8", "replace"))

    def close(self) -> None:
        """End all connections; those that were closed end by themselves."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()
        for process in self._processes:
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._said.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return  # it is closed
            with connection:
                self._processes.append(
                    subprocess.Popen(
                        ["/bin/sh", "-c", _DEAF, "ssh", *self._command],
                        stdin=connection.fileno(),
                        stdout=connection.fileno(),
                        stderr=self._said,
                        env=self._environment,
                    )
                )


@contextmanager
def tunnel(host: str, environment: Mapping[str, str]) -> Iterator[Tunnel]:
    """The way to an `ssh://[user@]host[:port][/socket]`; raises Missing without ssh, UsageError for no such URL."""
    command = _command(host)
    if shutil.which("ssh", path=environment.get("PATH")) is None:
        raise Missing(f"there is no `ssh` on this machine, and the engine is {cleaned(host)}", hint="install OpenSSH")
    with tempfile.TemporaryDirectory(prefix="imagekit-") as folder:  # a socket's path has at most 107 characters
        made = Tunnel(folder, command, environment)
        try:
            yield made
        finally:
            made.close()


def _command(host: str) -> list[str]:
    user, name, port, path = _parts(host)
    if not name or name.startswith("-") or user.startswith("-"):
        raise UsageError(f"{cleaned(host)} names no machine", hint="write ssh://user@host, as for the docker command")
    dial = ["docker", *(["--host", f"unix://{path}"] if path.strip("/") else []), "system", "dial-stdio"]
    options = [*(["-l", user] if user else []), *(["-p", port] if port else [])]
    return [*options, "-o", "ConnectTimeout=30", "-T", "--", name, shlex.join(dial)]


def _parts(host: str) -> tuple[str, str, str, str]:
    """User, machine, port and path; all empty for what is no URL."""
    try:
        url = urlsplit(host)
        return url.username or "", url.hostname or "", str(url.port or ""), url.path
    except ValueError:
        return "", "", "", ""
