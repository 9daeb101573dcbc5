"""A command in a container: its output as it comes, its exit code, and an end to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from imagekit.containers.failures import in_words, known_problem
from imagekit.containers.stream import Stream
from imagekit.errors import BuildFailed, RemoteFailed
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit.containers.connection import Engine

#: Seconds between two looks at a process whose output does not end, and the last of which it has ended.
_LOOK: Final = 1.0
_SHORT_LOOK: Final = 0.02
#: Seconds that an engine gets to notice the end of a process whose output has ended.
_NOTICE: Final = 30.0
#: What the engine writes to the output of a command that it could not execute.
_REFUSED: Final = b"OCI runtime exec failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """What to execute: `words` are the program and its arguments, `limit` the seconds it may take (0: no limit).

    It runs as root of the container. `given` is what it finds on its standard input, which does not end there.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"
    given: bytes = b""
    limit: float = 0.0
    #: Seconds without an end after which the command is said to be still running, again and again.
    patience: float = 15.0


class TookTooLong(BuildFailed):
    """A command did not end in the time that it had."""

    advice = "see what it waits for in its output, or give it more time"


def run(
    engine: Engine, container: str, command: Command, output: Callable[[bytes], None], say: Callable[[str], None]
) -> int:
    """Run a command to its end; returns its exit code. `output` is called on a thread of its own.

    What it leaves running goes on until the container is removed. Raises TookTooLong, leaving it running; Missing where
    programs of the image's architecture do not run; BuildFailed where there is no such program; RemoteFailed.
    """
    api: Any = engine.api  # the stubs leave half of it untyped
    with in_words("does not run a command"):
        number = api.exec_create(
            container,
            list(command.words),
            environment=dict(command.environment),
            workdir=command.directory,
            user="0:0",
            stdin=bool(command.given),
        )["Id"]
        running = _Running(Stream(api.exec_start(number, socket=True)), output)
        try:
            if command.given:
                running.stream.send(command.given)
            _wait(api, number, running, command, say)
            code = _code(api, number)
            running.finish()
        finally:
            running.stream.close()
    if code and running.first.startswith(_REFUSED):
        raise _refused(command, running.first)
    return code


class _Running:
    """The thread that reads a command's output."""

    def __init__(self, stream: Stream, output: Callable[[bytes], None]) -> None:
        self.stream = stream
        #: The beginning of its output.
        self.first = b""
        self.ended = threading.Event()
        self._output = output
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="output of a container", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """What was written last is there by now; raises what writing it raised."""
        self._thread.join(_LOOK)
        if self._error:
            raise self._error

    def _read(self) -> None:
        try:
            for piece in self.stream.output():
                if len(self.first) < len(_REFUSED):
                    self.first += piece
                self._output(piece)
        except OSError as error:  # the engine is gone, or the stream was closed because the command is over
            if not self.stream.is_closed:
                self._error = error
        except Exception as error:
            self._error = error
        finally:
            self.ended.set()


def _wait(api: Any, number: str, running: _Running, command: Command, say: Callable[[str], None]) -> None:
    """Until the output ends, or the process does while what it left running holds the output open."""
    started, said = time.monotonic(), command.patience
    while not running.ended.wait(_LOOK):
        passed = time.monotonic() - started
        if not api.exec_inspect(number)["Running"]:
            return
        if command.limit and passed > command.limit:
            raise TookTooLong(f"did not end within {command.limit:g} s")
        if passed > said:
            say(f"still running after {passed:.0f} s")
            said += command.patience


def _code(api: Any, number: str) -> int:
    end = time.monotonic() + _NOTICE
    while True:
        state = api.exec_inspect(number)
        if not state["Running"] and state["ExitCode"] is not None:
            return int(state["ExitCode"])
        if time.monotonic() > end:
            raise RemoteFailed("the container engine does not tell how a command ended")
        time.sleep(_SHORT_LOOK)


def _refused(command: Command, said: bytes) -> Exception:
    text = said.decode("utf-8", "replace")
    return known_problem(text) or BuildFailed(
        f"the container engine cannot run {command.words[0]}: {text}", hint="see whether the image has it"
    )
