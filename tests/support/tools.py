"""Programs that tests marked `real` need."""

import os
import shutil
from typing import NoReturn

import pytest

#: Where `scripts/ci-tools` puts programs of arm64.
ARM64_SYSROOT = "/usr/local/aarch64-linux-gnu"


def missing(what: str) -> NoReturn:
    """Skip the test for a user; in CI it fails: nothing is skipped silently there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and CI runs every test")
    pytest.skip(what)


def elsewhere(what: str) -> NoReturn:
    """Skip the test, in CI too: this machine's kernel is not what it is about, and nothing can be installed."""
    pytest.skip(what)


def need(name: str) -> str:
    """The path of a program."""
    path = shutil.which(name)
    if path is None:
        missing(f"{name} is not installed")
    return path


def need_file(path: str) -> str:
    """A file that `scripts/ci-tools` installs."""
    if not os.path.exists(path):
        missing(f"there is no {path}; scripts/ci-tools installs it")
    return path


def need_root() -> None:
    """Engines make containers only as root."""
    if os.geteuid() != 0:
        missing("this needs root")
