"""A browser without a screen: Chromium, told what to do by its driver (W3C WebDriver)."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import pytest

from tests.support.tools import need

#: How WebDriver names an element in JSON, and keys that are no characters (section 17.4.2).
_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
CONTROL, ENTER = "\ue009", "\ue007"
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Browser:
    """One window; its profile is new."""

    def __init__(self, driver: str, profile: Path) -> None:
        self._driver = driver
        self._session = ""
        options = {
            "binary": need("chromium"),
            "args": [*_FLAGS, f"--user-data-dir={profile}"],
        }
        wished = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        made = self._call("POST", "", {"capabilities": {"alwaysMatch": wished}})
        self._session = f"/{made['sessionId']}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._call("DELETE", "")

    def open(self, url: str) -> None:
        self._call("POST", "/url", {"url": url})

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """The page's own size, and which colours a person prefers."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._chrome("Emulation.setDeviceMetricsOverride", metrics)
        media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._chrome("Emulation.setEmulatedMedia", {"features": media})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script in the page returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": arguments})

    def text(self, selector: str) -> str:
        """An element's text as it is shown."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def click(self, selector: str) -> None:
        self._call("POST", f"/element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        self._call("POST", f"/element/{self._find(selector)}/value", {"text": text})

    def until(self, what: Callable[[], Any], seconds: float = 20) -> Any:
        """What comes of it once it is true."""
        end = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < end, (self.text("body"), self.complaints())
            time.sleep(0.05)
        return found

    def complaints(self) -> list[str]:
        """What the console has said since the last time: errors of scripts, breaches of policies, failed requests."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def picture(self) -> bytes:
        """The window as PNG."""
        return base64.b64decode(self._call("GET", "/screenshot"))

    def _find(self, selector: str) -> str:
        found = self._call("POST", "/element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def _chrome(self, command: str, parameters: dict[str, Any]) -> None:
        self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self._driver}/session{self._session}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A browser for one test."""
    command = [need("chromedriver"), "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as driver:
        try:
            assert driver.stdout is not None
            said = next(line for line in driver.stdout if "started successfully on port" in line)
            port = said.rstrip().rstrip(".").rpartition(" ")[2]
            with Browser(f"http://127.0.0.1:{port}", tmp_path / "profile") as made:
                yield made
        finally:
            driver.terminate()
