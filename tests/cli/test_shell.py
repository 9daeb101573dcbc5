"""`imagekit shell` as a person has it: on a terminal, in a sandbox of every runner."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.test_invoke import HERE, confined
from tests.support.bench import Bench
from tests.support.commands import IMAGEKIT
from tests.support.engine import Engine, engine
from tests.support.tools import ARM64_SYSROOT, need, need_file

__all__ = ["confined"]
pytestmark = pytest.mark.real
RUNNERS = ("namespaces", "bubblewrap", "docker")


@pytest.fixture(scope="module")
def docker() -> Iterator[Engine]:
    with engine() as made:
        yield made


@pytest.fixture(params=RUNNERS)
def runner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "docker":
        for name, value in request.getfixturevalue("docker").settings.items():
            monkeypatch.setenv(name, value)
    return str(request.param)


@pytest.fixture
def shells(bench: Bench) -> Bench:
    """A function whose image is a shell with its usual commands."""
    programs = {"x86_64": need("busybox"), "arm64": need_file(f"{ARM64_SYSROOT}/bin/busybox")}
    for name, path in programs.items():
        (bench.folder / name).mkdir()
        shutil.copy(path, bench.folder / name / "busybox")
    files = [
        {"source": f"{name}/busybox", "target": target, "only": [name]}
        for name in programs
        for target in ("/bin/sh", "/bin/busybox")
    ]
    bench.spec(os="scratch", bootstrap={"per_event": ["/bin/sh", "-c", "cat"]}, files=files, environment={"OWN": "yes"})
    return bench


@dataclass
class Seat:
    """Somebody before a terminal."""

    master: int
    process: subprocess.Popen[bytes]
    seen: str = ""

    def types(self, text: str) -> None:
        os.write(self.master, text.encode())

    def sees(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """Wait until the screen shows it; what came before it is forgotten."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < end, self.seen
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self._reads(os.read(self.master, 65536).decode("utf-8", "replace"))
                except OSError:
                    raise AssertionError(self.seen) from None
        self.seen = self.seen[found.end() :]
        return found

    def _reads(self, text: str) -> None:
        """What a terminal does with what it gets: shells ask where the cursor is, and wait for the answer."""
        os.write(self.master, b"\x1b[1;1R" * text.count("\x1b[6n"))
        self.seen += text.replace("\x1b[6n", "")

    def resizes(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
        os.kill(self.process.pid, signal.SIGWINCH)


@contextmanager
def seat(bench: Bench, *arguments: str) -> Iterator[Seat]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 30, 100, 0, 0))
    process = subprocess.Popen(
        [*IMAGEKIT, "shell", *arguments],
        cwd=bench.folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Seat(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_a_shell_has_what_a_function_has(shells: Bench, runner: str, architecture: str) -> None:
    with seat(shells, "--runner", runner, "--platform", architecture, "--env", "MINE=too") as person:
        person.sees(r"[$#] ")
        person.types("busybox id -u; busybox uname -m; echo $OWN-$MINE-$LAMBDA_TASK_ROOT; pwd; echo >/x\n")
        person.sees(r"993\r\n(x86_64|aarch64)\r\nyes-too-/var/task\r\n/var/task\r\n.*[Rr]ead-only")
        person.sees(r"[$#] ")
        person.types("exit 7\n")
        assert person.process.wait(30) == 7


def test_its_terminal_is_one(shells: Bench, runner: str) -> None:
    with seat(shells, "--runner", runner) as person:
        person.sees(r"[$#] ")
        person.types("busybox stty size; test -t 0 && echo one\n")
        person.sees(r"30 100\r\none\r\n")
        person.resizes(40, 120)
        person.types("busybox sleep 0.3; busybox stty size\n")
        person.sees(r"40 120\r\n")
        person.types("busybox sleep 1000\n")
        time.sleep(0.5)
        person.types("\x03")  # Ctrl-C ends the command, and neither the shell nor imagekit
        person.types("echo still $((40 + 2))\n")
        person.sees(r"still 42\r\n")
        person.types("\x04")  # Ctrl-D
        assert person.process.wait(30) == 0


def test_an_end_by_a_signal_is_told_as_shells_tell_it(shells: Bench, runner: str) -> None:
    with seat(shells, "--runner", runner) as person:
        person.sees(r"[$#] ")
        person.types("kill -9 $$\n")
        assert person.process.wait(30) == 137


def test_what_its_tmp_holds_is_kept(shells: Bench, runner: str) -> None:
    with seat(shells, "--runner", runner, "--keep") as person:
        person.sees(r"[$#] ")
        person.types("echo hello >/tmp/note; busybox mkdir /tmp/folder; exit\n")
        kept = Path(person.sees(r"kept in (\S+):")[1])
        assert person.process.wait(30) == 0
    try:
        assert (kept / f"{HERE}-1/tmp-1/note").read_text() == "hello\n"
        assert (kept / f"{HERE}-1/tmp-1/folder").is_dir()
        assert (kept / f"{HERE}-1/root/bin/busybox").exists()
    finally:
        shutil.rmtree(kept)


def test_an_image_without_a_shell_is_said(bench: Bench, runner: str) -> None:
    from tests.support.programs import ARM64, X86_64, cat

    bench.write("cat", cat(X86_64 if HERE == "x86_64" else ARM64), mode=0o755)
    files = [{"source": "cat", "target": "/var/task/"}]
    bench.spec(os="scratch", architectures=[HERE], bootstrap={"per_event": ["/var/task/cat"]}, files=files)
    with seat(bench, "--runner", runner) as person:
        person.sees(r"error:\S* /bin/sh cannot be started: .*(o such file|not found)")
        assert person.process.wait(30) == 3
