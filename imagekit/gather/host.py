"""Running a host step: a shell command of the spec or of a language, its whole output in a log."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Final

from imagekit import interrupts
from imagekit.errors import BuildFailed, InvalidFile
from imagekit.masking import Masked
from imagekit.values import dataclass

#: Lines of a failed step's output that are shown, of its beginning and of its end.
_HEAD: Final = 8
_TAIL: Final = 24
#: Bytes of the log that the tail is taken from.
_TAIL_BYTES: Final = 32 * 1024
_PIECE: Final = 1 << 16
#: Milliseconds without output after which one looks whether the step is over.
_LOOK: Final = 100
#: Seconds that a step gets to end after it was asked to.
_GRACE: Final = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HostCommand:
    """A shell command: where it runs, what it sees, where its output goes."""

    script: str
    directory: Path
    environment: Mapping[str, str]
    log: Path
    #: Seconds without an end after which the step is said to be still running, again and again.
    patience: float = 15.0
    #: Seconds that it may take; 0 for no limit.
    limit: float = 0.0
    #: What is starred out in its log.
    secrets: tuple[str, ...] = ()


def run(command: HostCommand, say: Callable[[str], None]) -> None:
    """Run it to its end; raises BuildFailed with the end of its output, InvalidFile where the log cannot be.

    The step is a process group of its own, so that an interrupt ends all that it started.
    """
    with opened(command.log) as log:
        running: list[subprocess.Popen[bytes]] = []
        try:
            with interrupts.held():
                running.append(_started(command, log))
            with _masked(running[0], command.secrets, log):
                code = _ended(running[0], command, say)
        except BaseException:
            for process in running:
                _end(process)
            raise
    if code is None:
        raise failed(command.script, f"did not end within {command.limit:g} s", command.log)
    if code:
        raise failed(command.script, _how(code), command.log)


def failed(script: str, how: str, log: Path) -> BuildFailed:
    """That a step failed, with the end of its output."""
    return BuildFailed(f"the step {_first_line(script)!r} {how}\n{tail(log)}", hint=f"its whole output is in {log}")


@contextmanager
def _masked(process: subprocess.Popen[bytes], secrets: tuple[str, ...], log: BinaryIO) -> Iterator[None]:
    """Within, what a step writes that has secrets goes to its log without them."""
    if process.stdout is None:
        yield
        return
    over = threading.Event()
    words = process.stdout, Masked(log.write, secrets), over
    copying = threading.Thread(target=_copy, args=words, name="output of a step", daemon=True)
    copying.start()
    try:
        yield
    finally:
        over.set()
        copying.join()
        process.stdout.close()


def _copy(stream: IO[bytes], masked: Masked, over: threading.Event) -> None:
    """To the end, or, once the step is over, as long as there is something: a daemon may hold its output open."""
    looking = select.poll()
    looking.register(stream, select.POLLIN)
    while True:
        if looking.poll(_LOOK):
            piece = os.read(stream.fileno(), _PIECE)
            masked(piece)
            if not piece:
                break
        elif over.is_set():
            break
    masked.close()


def tail(log: Path) -> str:
    """The last lines of a log, indented; before them the first, which in many tools' output have the reason."""
    with log.open("rb") as file:
        head = file.read(_TAIL_BYTES).decode("utf-8", "replace").splitlines()
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    if log.stat().st_size > _TAIL_BYTES or len(lines) > _HEAD + _TAIL:
        lines = [*head[:_HEAD], "…", *lines[-_TAIL:]]
    return "\n".join(f"  | {_printable(line)}" for line in lines) or "  | (it printed nothing)"


def opened(log: Path) -> BinaryIO:
    """The log, empty, its folders made."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("wb", buffering=0)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise InvalidFile(
            f"the log {log} cannot be written: {error.strerror}", hint="remove or rename what is in its way"
        ) from error


def _started(command: HostCommand, log: BinaryIO) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            ["/bin/sh", "-e", "-c", command.script],
            cwd=command.directory,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if command.secrets else log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise BuildFailed(f"the step cannot run in {command.directory}: {error.strerror}") from error
    except ValueError as error:  # a NUL, which no argument and no variable can hold (execve(2))
        raise BuildFailed(f"the step cannot run: {error}", hint="write it, and its environment, as text") from error


def _ended(process: subprocess.Popen[bytes], command: HostCommand, say: Callable[[str], None]) -> int | None:
    """The exit code; None where it took too long. The process has ended when this returns, and when it raises."""
    try:
        code = _wait(process, command, say)
    except BaseException:
        _end(process)
        raise
    if code is None:
        _end(process)
    return code


def _wait(process: subprocess.Popen[bytes], command: HostCommand, say: Callable[[str], None]) -> int | None:
    started = time.monotonic()
    end = started + command.limit if command.limit else float("inf")
    while True:
        try:
            return process.wait(timeout=max(0.0, min(end - time.monotonic(), command.patience)))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= end:
                return None
            say(f"still running after {time.monotonic() - started:.0f} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to end, then make it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=_GRACE)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _how(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"


def _first_line(script: str) -> str:
    line = script.strip().splitlines()[0]
    return line if len(line) <= 80 else f"{line[:77]}..."


def _printable(line: str) -> str:
    """Without control characters: a log must not move the cursor of the one who reads an error."""
    return "".join(char if char.isprintable() or char == "\t" else "?" for char in line)[:500]
