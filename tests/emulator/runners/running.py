"""Sandboxes that tests open, and what programs in them say."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field

from imagekit.emulator.ports import Confines, Process, RootFilesystem, Runner, Sandbox, Start

#: The program in the image that tries things.
PROBE = "/var/runtime/probe"


@dataclass
class Ran:
    """A process that was started, and the pipe that it writes to."""

    process: Process
    output: int
    _said: bytes = b""

    def line(self) -> str:
        """Its next line; empty at the end."""
        while b"\n" not in self._said:
            piece = os.read(self.output, 4096)
            if not piece:
                break
            self._said += piece
        line, _, self._said = self._said.partition(b"\n")
        return line.decode()

    def all(self) -> str:
        """The rest, to its end."""
        while piece := os.read(self.output, 65536):
            self._said += piece
        said, self._said = self._said.decode(), b""
        return said

    def close(self) -> None:
        os.close(self.output)


@dataclass
class Opened:
    """A sandbox that a test opened."""

    sandbox: Sandbox
    ran: list[Ran] = field(default_factory=list)

    def start(self, *words: str, environment: dict[str, str] | None = None, directory: str = "/") -> Ran:
        """Start the probe with these words."""
        return self.run(Start(command=(PROBE, *words), environment=environment or {}, directory=directory))

    def run(self, what: Start) -> Ran:
        end, out = os.pipe()
        try:
            made = Ran(self.sandbox.start(what, out, out), end)
        except BaseException:
            os.close(end)
            raise
        finally:
            os.close(out)
        self.ran.append(made)
        return made

    def says(self, *words: str, **options: str) -> str:
        """What the probe says until it ends."""
        ran = self.start(*words, **options)  # type: ignore[arg-type]
        said = ran.all()
        assert ran.process.wait(10) == 0
        return said.strip()

    def close(self) -> None:
        self.sandbox.close()
        for ran in self.ran:
            ran.close()


def opened(runner: Runner, image: RootFilesystem, confines: Confines | None = None) -> Opened:
    return Opened(runner.open(image, confines or Confines()))


def eventually(holds: object, seconds: float = 5.0) -> bool:
    """Whether a function comes true within some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():  # type: ignore[operator]
            return True
        time.sleep(0.01)
    return False
