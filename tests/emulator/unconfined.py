"""A runner that confines nothing: real processes of this machine, for tests of all that is not confinement."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imagekit.architecture import X86_64, Architecture
from imagekit.emulator.ports import Confines, RootFilesystem, Start
from imagekit.errors import BuildFailed, ImagekitError, Missing
from imagekit.oci.config import Config
from imagekit.oci.platform import Platform

_MEBIBYTE = 1 << 20


class Process:
    """A process with a session of its own, so that all that it starts can be ended."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self.popen = popen
        self._lock = threading.Lock()

    def wait(self, seconds: float | None = None) -> int | None:
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        self.popen.terminate()

    def kill(self) -> None:
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


@dataclass
class Sandbox:
    """Paths below /opt/extensions are the folder's; all others are this machine's."""

    folder: Path
    memory: int
    processes: list[Process] = field(default_factory=list)
    closed: bool = False
    keeps_memory: str = "by nobody"

    def listen(self) -> tuple[socket.socket, str]:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        return listener, f"127.0.0.1:{listener.getsockname()[1]}"

    def connect(self, port: int) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), 3)

    def start(self, what: Start, stdout: int, stderr: int) -> Process:
        first, *words = what.command
        program = str(self.folder) + first if first.startswith("/opt/extensions/") else first
        variables = {**what.environment, "IMAGEKIT_TEST_TMP": str(self.folder)}
        try:
            popen = subprocess.Popen(
                [program, *words],
                env=variables,
                cwd=what.directory,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise BuildFailed(f"fork/exec {first}: {(error.strerror or '').lower()}") from error
        self.processes.append(Process(popen))
        return self.processes[-1]

    def peak_memory(self) -> int:
        return self.memory

    def close(self) -> None:
        self.closed = True
        for process in self.processes:
            process.kill()
            process.popen.wait()


@dataclass
class Unconfined:
    """Makes them; keeps them to be looked at."""

    folder: Path
    memory: int = 20 * _MEBIBYTE
    sandboxes: list[Sandbox] = field(default_factory=list)
    error: ImagekitError | None = None
    name: str = "unconfined"

    def missing(self, architecture: Architecture) -> Missing | None:
        return None

    def open(self, image: RootFilesystem, confines: Confines) -> Sandbox:
        if self.error:
            raise self.error
        self.sandboxes.append(Sandbox(self.folder, self.memory))
        return self.sandboxes[-1]

    @property
    def running(self) -> list[int]:
        """Processes of it that still run."""
        processes = [process for sandbox in self.sandboxes for process in sandbox.processes]
        return [process.popen.pid for process in processes if process.popen.poll() is None]


def image(
    *command: str, folder: Path, directory: str = "/", environment: Mapping[str, str] | None = None
) -> RootFilesystem:
    """An image that starts a command of this machine."""
    config = Config(
        platform=Platform(os="linux", architecture="amd64"),
        diff_ids=(),
        environment={"PATH": os.environ["PATH"], **(environment or {})},
        entrypoint=command[:1],
        command=command[1:],
        working_directory=directory,
    )
    return RootFilesystem(reference="test", architecture=X86_64, config=config, folder=str(folder))


#: An interpreter that starts fast: no site packages, no settings of the user.
PYTHON = (sys.executable, "-S", "-E")
