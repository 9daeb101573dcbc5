"""Every test starts with a clean environment: nothing of the machine's own settings reaches it."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

#: No test is timed, its examples neither: a machine under load is slow.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
#: The runtime client, its workers and the local Lambda's sandboxes are programs of Linux.
_OF_LINUX = ["client", "languages", "emulator", "cli/test_invoke.py"]
collect_ignore = [] if sys.platform == "linux" else _OF_LINUX


def pytest_configure() -> None:
    """What ends programs ends those that tests start: nohup and a shell's `&` have it ignored, which is inherited."""
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGQUIT, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_report_header() -> str:
    """What is left out is said."""
    return f"not run on {sys.platform}, which is not Linux: {', '.join(collect_ignore)}" if collect_ignore else ""


_CLEARED = frozenset({
    *("DOCKER_CONFIG", "DOCKER_HOST", "REGISTRY_AUTH_FILE", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("NETRC", "SOURCE_DATE_EPOCH", "NO_COLOR", "FORCE_COLOR"),
    *("GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"),
})  # fmt: skip


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home; no proxies, logins, AWS settings or variables of imagekit. Returns the home."""
    for name in list(os.environ):
        if name in _CLEARED or name.lower().endswith("_proxy") or name.startswith(("AWS_", "IMAGEKIT_", "XDG_")):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    for name, folder in {"HOME": home, "XDG_CACHE_HOME": home / ".cache", "XDG_CONFIG_HOME": home / ".config"}.items():
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return home


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """A command line that ran inside a test sends imagekit's log to its own console; the next test has its own."""
    logger = logging.getLogger("imagekit")
    handlers, propagate, level = logger.handlers, logger.propagate, logger.level
    yield
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)
