"""A Docker engine of its own: socket, data and containers in one folder, no bridge, no firewall rules."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.commands import Ran, good, run
from tests.support.tools import need, need_root


@dataclass(frozen=True)
class Engine:
    """An engine that runs; `settings` lead a client to it."""

    folder: Path

    @property
    def settings(self) -> dict[str, str]:
        return {"DOCKER_HOST": f"unix://{self.folder}/docker.sock"}

    def docker(self, *arguments: str) -> Ran:
        """Run a docker command that has to succeed."""
        return good(need("docker"), *arguments, settings=self.settings)

    @contextmanager
    def container(self, *arguments: str) -> Iterator[str]:
        """A container that runs in the background, removed after the block; its name."""
        name = self.docker("run", "--detach", "--network=none", *arguments).out.strip()
        try:
            yield name
        finally:
            self.docker("rm", "--force", name)

    def output(self, *arguments: str) -> str:
        """What a container says on stdout until it ends by itself."""
        return self.docker("run", "--rm", "--network=none", *arguments).out


@contextmanager
def engine(room: str = "") -> Iterator[Engine]:
    """An engine; it ends with the block and takes its containers and mounts with it.

    `room` is the size of its disk, such as `64m`, which then is in memory.
    """
    need_root()
    program = need("dockerd")
    # The path of a socket has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        made = Engine(Path(folder))
        if room:
            Path(folder, "data").mkdir()
            good(need("mount"), "-t", "tmpfs", "-o", f"size={room}", "engine", f"{folder}/data")
        with open(made.folder / "log", "wb") as log:
            process = subprocess.Popen([program, *_options(folder)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            try:
                _wait(made, process)
                yield made
            finally:
                _end(made, process)


@contextmanager
def podman_service() -> Iterator[Engine]:
    """Podman with its storage in a folder of its own, behind the socket on which it speaks Docker's API."""
    need_root()
    with tempfile.TemporaryDirectory(prefix="podman-") as folder:
        made = Engine(Path(folder))
        # runc comes with docker and takes cgroups that crun refuses.
        command = [need("podman"), f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=vfs"]
        command += [f"--runtime={need('runc')}", "--cgroup-manager=cgroupfs", "--events-backend=file"]
        serve = [*command, "system", "service", "--time=0", f"unix://{folder}/docker.sock"]
        # By default it raises limits, which not every root may.
        configuration = made.folder / "containers.conf"
        configuration.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n')
        settings = {**os.environ, "CONTAINERS_CONF": str(configuration)}
        with open(made.folder / "log", "wb") as log:
            process = subprocess.Popen(serve, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=settings)
            try:
                _wait(made, process)
                yield made
            finally:
                run(*command, "rm", "--all", "--force", "--time=0")
                process.terminate()
                process.wait(60)
                _unmount(made)


def _options(folder: str) -> list[str]:
    Path(folder, "daemon.json").write_text("{}")
    return [
        f"--host=unix://{folder}/docker.sock",
        *(f"--data-root={folder}/data", f"--exec-root={folder}/run", f"--pidfile={folder}/pid"),
        *("--bridge=none", "--iptables=false", "--ip-masq=false"),
        f"--config-file={folder}/daemon.json",
    ]


def _wait(made: Engine, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        if run(need("docker"), "version", settings=made.settings).code == 0:
            return
        time.sleep(0.2)
    raise AssertionError(f"the engine does not start: {(made.folder / 'log').read_text()[-3000:]}")


def _end(made: Engine, process: subprocess.Popen[bytes]) -> None:
    left = run(need("docker"), "ps", "--all", "--quiet", settings=made.settings).out.split()
    if left:
        run(need("docker"), "rm", "--force", *left, settings=made.settings)
    process.terminate()
    process.wait(60)
    _unmount(made)


def _unmount(made: Engine) -> None:
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        mounted = line.split()[1]
        if mounted.startswith(os.path.join(made.folder, "")):
            run("umount", mounted)
