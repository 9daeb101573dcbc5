"""The page of `imagekit run` and `dev`: where it is said to be, and a browser that opens it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cli.test_invoke import Served, confined, echo, free_port, function
from tests.support.bench import Bench

__all__ = ["confined", "echo", "free_port"]


def page_of(served: Served) -> str:
    """Where the page is, as it is said."""
    served.address()
    end = time.monotonic() + 10
    while not (said := [line for line in served.lines if "a page to try it: " in line]):
        assert time.monotonic() < end, served.lines
        time.sleep(0.02)
    return said[0].split()[-1]


def read(url: str, **headers: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
        return bytes(answer.read())


def test_a_browser_is_opened_at_the_page_with_the_tests_of_the_spec(
    echo: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" >{tmp_path}/opened.part\nmv {tmp_path}/opened.part {tmp_path}/opened\n')
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(program))
    function(echo, tests=[{"name": "an order", "event": {"order": 42}}])
    served = Served(echo, "run", "--port", "0", "--open", "--memory", "512")
    try:
        address = page_of(served)
        assert address == served.address() + "/"
        end = time.monotonic() + 20
        while not (tmp_path / "opened").exists():
            assert time.monotonic() < end, served.lines
            time.sleep(0.02)
        assert (tmp_path / "opened").read_text() == f"{address}\n"
        assert b"<title>" in read(address)
        about = json.loads(read(f"{address}page/about.json"))
        assert (about["name"], about["memory"]) == ("app", 512)
        assert about["groups"][0]["templates"] == [{"name": "an order", "event": '{"order": 42}'}]
    finally:
        assert served.end() == 0


def test_without_a_browser_the_page_is_served_all_the_same(echo: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    function(echo, tests=[{"name": "gone", "event_file": "gone.json"}])
    served = Served(echo, "run", "--port", "0", "--open")
    try:
        assert b"<title>" in read(page_of(served))
    finally:
        assert served.end() == 0
    assert any("there is no browser to open here" in line for line in served.lines)
    assert any("the page is without the spec's tests: " in line for line in served.lines)


def test_names_and_origins_are_allowed_by_options(echo: Bench, free_port: int) -> None:
    options = ("--allow-host", "orders.example", "--allow-origin", "http://localhost:3000")
    served = Served(echo, "dev", "--port", str(free_port), *options)
    try:
        address = page_of(served)
        assert read(address, Host="orders.example")
        assert read(address, Origin="http://localhost:3000")
        with pytest.raises(urllib.error.HTTPError) as refused:
            read(address, Host="other.example")
        refused.value.close()
        assert refused.value.code == 403
    finally:
        assert served.end() == 0
    outcome = echo.run("run", "--allow-origin", "localhost:3000")
    assert outcome.code == 2
    assert "no origin: 'localhost:3000'" in outcome.err
