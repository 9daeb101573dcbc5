"""Programs that tests marked `real` need."""

import os
import shutil

import pytest


def need(name: str) -> str:
    """The path of a program; without it the test is skipped, in CI it fails: nothing is skipped silently there."""
    path = shutil.which(name)
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed, and CI runs every test")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path
