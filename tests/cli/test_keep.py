"""`--keep`: what is left of a run for a look afterwards, and where it says that this is."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.cli.test_invoke import HERE, Served, confined, echo, free_port, function, send
from tests.support.bench import Bench

__all__ = ["confined", "echo", "free_port"]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", None)
    return place


def kept(said: str) -> Path:
    found = re.search(r"^kept in (\S+): the log, what /tmp held, a link to the root file system$", said, re.MULTILINE)
    assert found, said
    return Path(found[1])


def test_an_event_leaves_its_log_its_tmp_and_a_link_to_what_it_saw(echo: Bench, temporary: Path) -> None:
    outcome = echo.run("invoke", "--keep").ok()
    place = kept(outcome.err)
    assert place.parent == temporary
    assert place.stat().st_mode & 0o077 == 0
    assert sorted(os.listdir(place / f"{HERE}-1")) == ["log.txt", "root", "tmp-1"]
    assert (place / f"{HERE}-1/root/var/task/cat").exists()
    log = (place / f"{HERE}-1/log.txt").read_text()
    assert "START RequestId: " in log
    assert "REPORT RequestId: " in log


def test_without_it_nothing_is_left(echo: Bench, temporary: Path) -> None:
    assert "kept in" not in echo.run("invoke").ok().err
    assert os.listdir(temporary) == []


def test_a_function_that_fails_is_kept_and_what_never_ran_is_not(echo: Bench, temporary: Path) -> None:
    assert echo.run("invoke", "--keep", "--env", "AWS_REGION=x").code == 2
    assert os.listdir(temporary) == []
    function(echo, bootstrap={"per_event": ["/var/task/nothing"]})
    outcome = echo.run("invoke", "--keep")
    assert outcome.code == 1
    assert "Runtime." in (kept(outcome.err) / f"{HERE}-1/log.txt").read_text()


def test_each_run_of_a_test_has_a_folder(echo: Bench) -> None:
    (echo.folder / "code").mkdir()
    tests = [{"name": "one", "event": 1}, {"name": "two", "event": 2, "code": "code"}]
    function(echo, kind="runtime", handler=None, tests=tests)
    outcome = echo.run("test", "--platform", HERE, "--keep")
    assert sorted(os.listdir(kept(outcome.err))) == [f"{HERE}-1", f"{HERE}-2"]


@pytest.mark.parametrize("command", ["run", "dev"])
def test_a_server_keeps_what_it_ran(echo: Bench, free_port: int, command: str) -> None:
    served = Served(echo, command, "--port", str(free_port), "--keep")
    try:
        assert send(served.address(), b"[1]") == b"[1]"
    finally:
        assert served.end() == 0
    assert (kept("".join(served.lines)) / f"{HERE}-1/tmp-1").is_dir()
