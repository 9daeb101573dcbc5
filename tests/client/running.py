"""The runtime client in a folder of its own, in front of a Runtime API that the test scripts: how tests run it."""

from __future__ import annotations

import os
import platform
import re
import select
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.mark import ParameterSet

from tests.support.commands import CHECKOUT
from tests.support.runtime_api import Request, RuntimeApi, lambda_environment
from tests.support.tools import missing, need

if TYPE_CHECKING:
    from tests.client.workers import Worker

NATIVE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
QEMU = {"x86_64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}
#: A worker that answers every event with itself.
ECHO = """
ready()
for event in frames():
    answer(event, event.body)
"""
_MARK = "IMAGEKIT_TEST_RUN"
#: The client's own lines in the log, as text and as JSON.
_OWN = re.compile(r"imagekit: .*|\{.*\"message\".*")
#: A worker of any kind whose interpreter starts fast: no site packages, no settings of the user.
_PYTHON = (sys.executable, "-S", "-E")


class Client:
    """A runtime client that was, or will be, started; `start` or `script` starts it."""

    def __init__(self, folder: Path, architecture: str, api: RuntimeApi) -> None:
        self.folder = folder
        self.api = api
        #: Environment beyond what Lambda sets.
        self.environment: dict[str, str] = {}
        #: bootstrap.conf beyond mode and command.
        self.settings: dict[str, str] = {}
        #: Variables of bootstrap.conf.
        self.variables: dict[str, str] = {}
        #: Whether events may stay unanswered, which is to be said by the test that means it.
        self.may_lose = False
        #: Whether processes may be left that a handler started on its own.
        self.may_leave_processes = False
        #: A descriptor that is its stderr, closed here once it is started; None: a file.
        self.stderr: int | None = None
        self.task = folder / "task"
        self.task.mkdir()
        self._program = folder / "bootstrap"
        built = CHECKOUT / "imagekit/client/bin" / architecture / "bootstrap"
        if not built.exists():
            missing("the runtime client was not built: pip install --editable . does it")
        shutil.copy(built, self._program)
        #: Whether its architecture is not this machine's.
        self.emulated = architecture != NATIVE
        self._architecture = architecture
        self._mark = uuid.uuid4().hex
        self._process: subprocess.Popen[bytes] | None = None
        self._told = 0
        self._free = False
        self._over = False
        api.given_up = self._given_up

    # Starting.

    def start(self, command: Sequence[str], *, mode: str = "worker", argv: Sequence[str] = ("main.handler",)) -> None:
        """Write bootstrap.conf and start the client."""
        lines = [f"mode={mode}", *(f"argument={word}" for word in command)]
        lines += [f"{name}={value}" for name, value in self.settings.items()]
        lines += [f"variable={name}={value}" for name, value in self.variables.items()]
        self.start_with("".join(f"{line}\n" for line in lines).encode(), argv=argv)

    def start_with(self, configuration: bytes | None, *, argv: Sequence[str] = ("main.handler",)) -> None:
        """Start the client with these bytes in bootstrap.conf, or without that file."""
        if configuration is not None:
            (self.folder / "bootstrap.conf").write_bytes(configuration)
        with open(self.folder / "out", "ab") as out, open(self.folder / "err", "ab") as err:
            self._process = subprocess.Popen(
                [*self._command(), *argv],
                env=self.whole_environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err if self.stderr is None else self.stderr,
                start_new_session=True,
            )
        if self.stderr is not None:
            os.close(self.stderr)

    def script(self, text: str, **settings: str) -> None:
        """Start it before a worker that does what this script says (tests/client/scripted.py)."""
        script = self.folder / "script.py"
        script.write_text(textwrap.dedent(text), encoding="utf-8")
        self.settings.update(settings)
        self.start((*_PYTHON, str(CHECKOUT / "tests/client/scripted.py"), str(script)))

    def install(self, worker: Worker) -> tuple[str, ...]:
        """Put a worker and its handlers where the client finds them; its command."""
        (self.folder / "runtime").mkdir()
        worker.handlers(self.task)
        return worker.install(self.folder / "runtime")

    def program(self, text: str) -> tuple[str, ...]:
        """A Python program as a command; it has `os`, `sys` and `signal`."""
        script = self.folder / "program.py"
        script.write_text(f"import os, signal, sys\n{textwrap.dedent(text)}", encoding="utf-8")
        return (*_PYTHON, str(script))

    @property
    def whole_environment(self) -> dict[str, str]:
        """What the client is started with; a value of None leaves a variable out."""
        around = {"PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": str(self.task), _MARK: self._mark}
        found = {**around, **lambda_environment(self.api.address), **self.environment}
        return {name: value for name, value in found.items() if value != "-"}

    def _command(self) -> tuple[str, ...]:
        """What starts the client, without its arguments."""
        before = (need(QEMU[self._architecture]),) if self.emulated else ()
        return (*before, str(self._program))

    # Looking.

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the client was not started"
        return self._process

    @property
    def out(self) -> str:
        """What came to stdout so far."""
        return (self.folder / "out").read_text(errors="replace")

    @property
    def err(self) -> str:
        """What came to stderr so far."""
        return (self.folder / "err").read_text(errors="replace")

    @property
    def lines(self) -> list[str]:
        """The client's own lines in the log so far."""
        return [line for line in self.err.splitlines() if _OWN.fullmatch(line)]

    def told(self, *words: str, count: int = 1) -> str:
        """Wait until the client wrote so many lines of its own since the last look; the words stand in them."""
        wanted = self._told + count
        end = time.monotonic() + 30
        while len(self.lines) < wanted and time.monotonic() < end:
            time.sleep(0.002)
        new = self.lines[self._told :]
        self._told = len(self.lines)
        assert len(new) == count, f"{len(new)} lines instead of {count}: {new}; stderr: {self.err[-2000:]!r}"
        text = "\n".join(new)
        for word in words:
            assert word in text
        return text

    def may_tell(self) -> None:
        """Whatever it writes of its own, so far and until its end, is fine."""
        self._free = True

    def wait(self, seconds: float = 30) -> int:
        """Wait for its end; the exit code."""
        if self.process.poll() is None:
            _await_end(self.process.pid, seconds)
        code = self.process.wait(0.1)
        self._over = True
        return code

    def terminate(self) -> int:
        """SIGTERM, as Lambda sends it; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def holds_less_than(self, kibibytes: int) -> bool:
        """Whether it needs no more memory than that; the emulator of another architecture has its own needs."""
        return self.emulated or self.resident() < kibibytes

    def resident(self) -> int:
        """KiB of memory that the client itself has in RAM, without what it shares with others."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return sum(int(size) for size in re.findall(r"Rss(?:Anon|Shmem):\s+(\d+) kB", status))

    def descriptors(self) -> int:
        """How many descriptors the client has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def processes(self) -> list[int]:
        """All processes that it and its workers started, without itself."""
        return _marked(self._mark, self.process.pid)

    def is_alone(self) -> bool:
        """Whether nothing is left of what it started; what was ended may take a moment."""
        end = time.monotonic() + 30
        while self.processes():
            if time.monotonic() > end:
                return False
            time.sleep(0.002)
        return True

    # What is asked often.

    def ask(self, body: bytes = b"{}", **fields: str | int) -> Request:
        """Give out one event and wait for what comes back."""
        return self.api.ask(body, **fields)

    def serves(self, body: bytes = b'"next"') -> Request:
        """The next event is answered by a `response`."""
        answered = self.ask(body)
        assert answered.kind == "response", answered
        assert answered.status == 202
        return answered

    # The end.

    def finish(self) -> None:
        """End it, and see that nothing was left behind or lost."""
        if self._process is None:
            return
        try:
            if not self._over and self._given_up() is None:
                assert self.terminate() == 0, f"SIGTERM: {self.process.returncode}; {self.err[-2000:]}"
            assert self._over, f"{self._given_up()} unasked: {self.err[-3000:]}"
            assert self.may_leave_processes or self.is_alone(), f"left behind: {self.processes()}"
            self._judge()
        finally:
            for pid in [*self.processes(), self.process.pid]:
                _kill(pid)
            self.process.wait()

    def _judge(self) -> None:
        unheard = self.lines[self._told :]
        assert self._free or not unheard, f"lines that nobody asked for: {unheard}"
        assert not self.api.problems
        assert self.may_lose or not self.api.unanswered, f"lost silently: {self.api.unanswered}"

    def _given_up(self) -> str | None:
        if self._process is None or self._process.poll() is None:
            return None
        return f"the client ended with {self._process.returncode}: {self.err[-2000:]}"


def sampled(values: Iterable[Any], step: int) -> list[ParameterSet]:
    """Parameters of a test: every so many of these runs by default, the others are marked `real`: they cost time."""
    found = []
    for number, value in enumerate(values):
        known = value if isinstance(value, ParameterSet) else pytest.param(value)
        marks = [] if number % step == 0 else [pytest.mark.real]
        found.append(pytest.param(*known.values, id=known.id, marks=[*known.marks, *marks]))
    return found


def _await_end(pid: int, seconds: float) -> None:
    """Until a child has ended; `wait` of a process would look in intervals of up to 50 ms."""
    descriptor = os.pidfd_open(pid)
    try:
        select.select([descriptor], [], [], seconds)
    finally:
        os.close(descriptor)


def _marked(mark: str, after: int) -> list[int]:
    """Processes with this mark in their environment, started after another; zombies have none."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        if int(name) <= after:  # reading the environment of all that runs would be most of a test's time
            continue
        try:
            if f"{_MARK}={mark}".encode() in Path(f"/proc/{name}/environ").read_bytes():
                found.append(int(name))
        except OSError:
            continue
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
