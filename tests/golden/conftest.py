"""`pytest tests/golden --update-golden` writes the golden files anew: look at the difference before you commit it."""

from __future__ import annotations

import pytest

from tests.cli.conftest import bench, registry

__all__ = ["bench", "registry"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written."""
    return bool(request.config.getoption("--update-golden", default=False))
