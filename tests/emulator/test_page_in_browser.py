"""The page as a person uses it, in a real browser."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagekit.emulator.page.about import About, Template
from imagekit.emulator.page.site import Site
from tests.emulator.conftest import Local
from tests.emulator.test_page import Told
from tests.support.browser import CONTROL, ENTER, Browser, browser

__all__ = ["browser"]
pytestmark = pytest.mark.real

HOSTILE = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"
#: Answers by what the event asks for.
SCRIPT = f"""
    import json
    while True:
        event = take()
        wish = json.loads(event.body)
        print({HOSTILE!r}, flush=True)
        print("\\x1b[31mred\\x1b[0m", flush=True)
        if wish == "fail":
            failed = b'{{"errorType":"Own","errorMessage":"<b>no</b>"}}'
            api.call("POST", f"{{RUNTIME}}/invocation/{{event.id}}/error", failed, {{"Lambda-Runtime-Function-Error-Type": "Function.Own"}})
        elif wish == "bytes":
            respond(event, bytes([255, 0, 1]))
        elif wish == "end":
            os._exit(3)
        else:
            respond(event, event.body)
"""  # noqa: E501
TESTS = (Template(name="a <i>test</i>", event='{"from": "test", "digits": 12345678901234567890.50}'),)
ABOUT = About(
    run="one",
    name="orders",
    image="registry.example/orders:v1",
    architecture="arm64",
    memory=256,
    timeout=3.0,
    tests=TESTS,
)


class Shown:
    """The page of a function, open in a browser."""

    def __init__(self, local: Local, browser: Browser) -> None:
        self.local, self.browser = local, browser
        site = Site(ABOUT)
        local.heard = Told(site.live)
        local.script(SCRIPT, timeout=3.0)
        self.url = local.serve(site)
        browser.size(1280, 1000)
        browser.open(f"{self.url}/")
        browser.until(lambda: browser.text("#connection") == "live")

    def event(self, value: Any) -> None:
        """Write it into the editor."""
        self.browser.run("document.querySelector('#event').value = arguments[0]", json.dumps(value))

    def send(self, value: Any) -> None:
        self.event(value)
        # What the page says of the answer before is not to be taken for what it will say of the next one.
        self.browser.run("document.querySelector('#status').textContent = ''")
        self.browser.click("#send")

    def answered(self, status: str) -> str:
        """The answer, once the status begins like this."""
        self.browser.until(lambda: self.browser.text("#status").startswith(status))
        return self.browser.text("#answer")


@pytest.fixture
def shown(local: Local, browser: Browser) -> Iterator[Shown]:
    made = Shown(local, browser)
    yield made
    assert browser.complaints() == []


def test_an_event_is_sent_and_its_answer_figures_and_log_are_seen(shown: Shown) -> None:
    page = shown.browser
    assert page.text("h1") == "orders"
    assert page.text("#facts") == "registry.example/orders:v1 · arm64 · 256 MB · 3 s"
    assert page.text("#no-environments") == "None: the first event starts one."
    shown.send({"a": [1, {}], "b": "<b>"})
    assert shown.answered("Answered.") == '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": "<b>"\n}'
    page.until(lambda: "Init" in page.text("#figures"))
    words = page.text("#figures").split()
    assert {"Duration", "Billed", "Init", "Memory", "Size", "Request", "Environment"} <= set(words)
    tail = page.run("return document.querySelector('#tail').textContent")
    assert tail.startswith("START RequestId: ")
    assert HOSTILE in tail


def test_what_a_function_writes_is_text(shown: Shown) -> None:
    page = shown.browser
    shown.send(HOSTILE)
    shown.answered("Answered.")
    # The lines come one by one: the next one ends that which the function wrote in red.
    page.until(lambda: HOSTILE in page.text("#log") and "red\n" in page.text("#log"))
    assert "\x1b" not in page.text("#log")
    shown.send("fail")
    shown.answered("The function failed. Own: <b>no</b>")
    assert page.run("return document.querySelectorAll('main script, main img, main b, main i').length") == 0
    assert page.run("return document.title") == "orders · imagekit run"


def test_environments_start_run_reset_and_stop_before_ones_eyes(shown: Shown) -> None:
    page = shown.browser
    shown.send(1)
    shown.answered("Answered.")
    row = "#environments tr[data-environment='1']"
    page.until(lambda: "ready" in page.text(row))
    page.until(lambda: "MiB" in page.text(row))
    assert page.run("return document.querySelectorAll('#memory path').length") == 1
    assert " of 256 MiB" in page.run("return document.querySelector('#memory').getAttribute('aria-label')")
    shown.send("end")
    shown.answered("The function failed. Runtime.ExitError: ")
    page.until(lambda: "reset: failure" in page.text(row))
    shown.send(2)
    assert shown.answered("Answered.") == "2"
    page.until(lambda: "ready" in page.text(row))
    shown.local.close()
    page.until(lambda: "ended" in page.text(row))
    page.until(lambda: page.text("#connection").startswith("not connected"))
    page.complaints()  # the browser says that the connection is refused


def test_past_invocations_are_listed_and_looked_at_again(shown: Shown) -> None:
    page = shown.browser
    for value in ({"n": 1}, "fail"):
        shown.send(value)
        shown.answered("The function failed." if value == "fail" else "Answered.")
    rows = page.until(lambda: page.text("#invocations tbody").splitlines())
    page.until(lambda: "error: Function.Own" in page.text("#invocations tbody"))
    assert len(rows) >= 2
    page.click("#only")
    page.click("#invocations tr:last-child button")
    page.until(lambda: page.text("#status") == "Answered.")
    assert page.run("return document.querySelector('#event').value") == '{"n": 1}'
    page.until(lambda: page.text("#log").count("START RequestId: ") == 1)
    page.click("#platform")
    page.until(lambda: "START" not in page.text("#log"))


def test_the_keyboard_sends_and_what_is_no_json_is_said(shown: Shown) -> None:
    page = shown.browser
    page.run("document.querySelector('#event').value = ''")
    page.type("#event", "[1")
    page.type("#event", CONTROL + ENTER)
    page.until(lambda: page.text("#problem").startswith("Not JSON: "))
    assert page.text("#status").startswith("Nothing was sent yet")
    page.type("#event", "]")
    page.type("#event", CONTROL + ENTER)
    assert shown.answered("Answered.") == "[\n  1\n]"
    assert page.text("#problem") == ""


def test_templates_keep_every_digit(shown: Shown) -> None:
    page = shown.browser
    labels = page.run("return [...document.querySelectorAll('#template optgroup')].map((one) => one.label)")
    assert labels == ["Tests of the spec", "Events of AWS"]
    page.click("#template optgroup option")
    text = page.until(lambda: page.run("return document.querySelector('#event').value"))
    assert text == '{\n  "from": "test",\n  "digits": 12345678901234567890.50\n}'
    page.click("#send")
    assert shown.answered("Answered.") == text


def test_bytes_and_asynchronous_events(shown: Shown) -> None:
    page = shown.browser
    shown.send("bytes")
    assert shown.answered("Answered.") == "3 bytes that are no text:\nff 00 01"
    page.click("#how option[value=Event]")
    shown.send(1)
    shown.answered("Accepted (202). It ended: success.")


def test_a_page_that_is_opened_later_sees_what_was(shown: Shown) -> None:
    page = shown.browser
    shown.send(1)
    shown.answered("Answered.")
    page.open(f"{shown.url}/")
    page.until(lambda: "success" in page.text("#invocations tbody"))
    assert HOSTILE in page.text("#log")
    page.click("#invocations button")
    page.until(lambda: "another caller" in page.text("#status"))


def test_an_open_page_goes_on_with_the_next_run(shown: Shown, tmp_path: Path) -> None:
    page = shown.browser
    shown.send(1)
    shown.answered("Answered.")
    shown.local.close()
    page.until(lambda: page.text("#connection").startswith("not connected"))
    folder = tmp_path / "next"
    folder.mkdir()
    following = Local(folder)
    try:
        following.script(SCRIPT)
        site = Site(replace(ABOUT, run="two", name="next"))
        following.function.serve("127.0.0.1", int(shown.url.rpartition(":")[2]), site)
        following.run()
        page.until(lambda: page.text("#connection") == "live")
        page.until(lambda: page.text("h1") == "next")
        assert page.text("#no-environments") == "None: the first event starts one."
        assert page.text("#log") == ""
        shown.send(2)
        assert shown.answered("Answered.") == "2"
    finally:
        following.close()
    page.complaints()  # the browser says that the connection was refused


@pytest.mark.parametrize("dark", [False, True])
def test_a_narrow_window_has_nothing_to_scroll_sideways(shown: Shown, dark: bool) -> None:
    page = shown.browser
    page.size(360, 800, dark=dark)
    shown.send({"long": "x" * 300})
    shown.answered("Answered.")
    page.until(lambda: "MiB" in page.text("#environments"))
    wide = "[document.documentElement, ...document.querySelectorAll('.scroll, .log, pre')]"
    assert page.run(f"return {wide}.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.id)") == []
    brightness = page.run("return getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0]")
    assert (int(brightness) < 64) == dark
    assert struct.unpack(">II", page.picture()[16:24]) == (360, 800)


def test_another_site_s_page_cannot_send_events(shown: Shown) -> None:
    page = shown.browser
    # The same server by another name: for a browser that is another site, and this document has no policy.
    page.open(f"{shown.url.replace('127.0.0.1', 'localhost')}/page/about.json")
    sent = page.run(
        "return fetch(arguments[0], {method: 'POST', body: '1', mode: 'no-cors'}).then((answer) => answer.type)",
        f"{shown.url}/2015-03-31/functions/orders/invocations",
    )
    assert sent == "opaque"
    assert shown.local.heard.all == []
    assert "403" in str(page.complaints())
