"""Workers with handlers of a test's own, without the client between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.client.workers import WORKERS
from tests.support.frames import Driven
from tests.support.runtime_api import lambda_environment

#: A language, its handler's files by name, what `_HANDLER` says, `stdout` as a descriptor, and more variables.
Drive = Callable[..., Driven]


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    """Start a language's worker; its first frame has not been read."""
    rows = {row.name: row for row in WORKERS}
    with ExitStack() as stack:

        def begin(
            name: str, files: Mapping[str, str], handler: str, *, stdout: int | None = None, **variables: str
        ) -> Driven:
            worker, runtime, task = rows[name], tmp_path / "runtime", tmp_path / "task"
            runtime.mkdir()
            for path, text in files.items():
                (task / path).parent.mkdir(parents=True, exist_ok=True)
                (task / path).write_text(text, encoding="utf-8")
            settings = {"LAMBDA_TASK_ROOT": str(task), "_HANDLER": handler}
            environment = {**lambda_environment("127.0.0.1:1"), **settings, **worker.environment, **variables}
            driven = Driven(worker.install(runtime), environment, channel=worker.channel, stdout=stdout)
            return stack.enter_context(driven)

        yield begin
