"""The runtime client in front of a Runtime API that the test scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.running import NATIVE, QEMU, Client
from tests.support.runtime_api import RuntimeApi


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    """Lambda's side."""
    with RuntimeApi() as running:
        yield running


@pytest.fixture(params=[pytest.param(name, marks=[] if name == NATIVE else pytest.mark.real) for name in QEMU])
def architecture(request: pytest.FixtureRequest) -> str:
    """This machine's own; the other one is emulated."""
    return str(request.param)


@pytest.fixture
def client(architecture: str, api: RuntimeApi, tmp_path: Path) -> Iterator[Client]:
    """The client, not started yet."""
    made = Client(tmp_path, architecture, api)
    yield made
    made.finish()
