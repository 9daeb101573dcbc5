"""A function on this machine, unconfined: scripts stand in for runtimes and extensions."""

from __future__ import annotations

import json
import os
import shlex
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from imagekit.emulator.callers import Outcome
from imagekit.emulator.front import Page
from imagekit.emulator.happenings import Happening, LogLine
from imagekit.emulator.invocation import Event
from imagekit.emulator.ports import RootFilesystem
from imagekit.emulator.service import Lambda
from imagekit.emulator.settings import Settings, World
from tests.emulator.unconfined import PYTHON, Unconfined, image
from tests.support.commands import CHECKOUT

RAW = str(CHECKOUT / "tests/emulator/raw.py")
T = TypeVar("T", bound=Happening)


class Heard:
    """A listener that keeps all."""

    def __init__(self) -> None:
        self.all: list[Happening] = []

    def heard(self, happening: Happening) -> None:
        self.all.append(happening)

    def of(self, kind: type[T]) -> list[T]:
        return [item for item in self.all if isinstance(item, kind)]

    def lines(self, source: str = "function") -> list[str]:
        return [line for item in self.of(LogLine) if item.source == source for line in item.text.split("\n")]


class Local:
    """Makes one function and calls it; everything is ended afterwards, and nothing may be left running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runner = Unconfined(folder)
        self.heard = Heard()
        self.world = World(now=time.time, random=os.urandom)
        self._lambda: Lambda | None = None
        self._thread: threading.Thread | None = None
        self._failed: list[BaseException] = []

    # Making.

    def script(self, text: str, **settings: Any) -> Lambda:
        """A function whose runtime is this script (tests/emulator/raw.py)."""
        return self.start(self.image(text), **settings)

    def image(self, text: str) -> RootFilesystem:
        script = self.folder / "runtime.py"
        script.write_text(textwrap.dedent(text), encoding="utf-8")
        return image(*PYTHON, RAW, str(script), "main.handler", folder=self.folder)

    def start(self, root: RootFilesystem, **settings: Any) -> Lambda:
        assert self._lambda is None
        self._lambda = Lambda(Settings(**settings), self.runner, root, self.world, self.heard)
        return self._lambda

    def extension(self, name: str, text: str) -> None:
        """An external extension that is this script."""
        folder = self.folder / "opt/extensions"
        folder.mkdir(parents=True, exist_ok=True)
        script = self.folder / f"{name}.py"
        script.write_text(textwrap.dedent(text), encoding="utf-8")
        program = folder / name
        program.write_text(f"#!/bin/sh\nexec {shlex.join([*PYTHON, RAW, str(script)])}\n")
        program.chmod(0o755)

    # Calling.

    @property
    def function(self) -> Lambda:
        assert self._lambda is not None
        return self._lambda

    def invoke(self, value: object = None, **event: Any) -> Outcome:
        """Send one event, as JSON."""
        return self.function.invoke(Event(payload=json.dumps(value).encode(), **event))

    def answer(self, value: object = None, **event: Any) -> Any:
        """Send one event; the answer's value."""
        outcome = self.invoke(value, **event)
        assert outcome.error is None, (outcome.payload, self.heard.lines())
        return json.loads(outcome.payload)

    def error(self, value: object = None, **event: Any) -> dict[str, Any]:
        """Send one event that has to fail; the error's document."""
        outcome = self.invoke(value, **event)
        assert outcome.error is not None, outcome.payload
        found: dict[str, Any] = json.loads(outcome.payload)
        return found

    def serve(self, page: Page | None = None) -> str:
        """Serve the API from a thread; its address."""
        host, port = self.function.serve("127.0.0.1", 0, page)
        self.run()
        return f"http://{host}:{port}"

    def serve_url(self) -> str:
        """Serve the function URL from a thread; its address."""
        host, port = self.function.serve_url("127.0.0.1", 0)
        self.run()
        return f"http://{host}:{port}"

    def run(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run)
            self._thread.start()

    def _run(self) -> None:
        try:
            self.function.run()
        except BaseException as error:
            self._failed.append(error)

    # Looking.

    @property
    def notes(self) -> list[str]:
        path = self.folder / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def until(self, what: Callable[[], Any], seconds: float = 5) -> None:
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, (self.notes, self.heard.all[-5:])
            time.sleep(0.005)

    def close(self) -> None:
        if self._thread is not None:
            self.function.stop()
            self._thread.join(10)
            assert not self._thread.is_alive()
        if self._lambda is not None:
            self._lambda.close()
        assert not self._failed, self._failed
        assert all(sandbox.closed for sandbox in self.runner.sandboxes)
        assert not self.runner.running


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    made = Local(tmp_path)
    yield made
    made.close()
