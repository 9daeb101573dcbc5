"""AWS's emulator of Lambda inside a container, which starts it as its entrypoint."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.support.engine import Engine

_INVOKE = "http://127.0.0.1:8080/2015-03-31/functions/function/invocations"
#: 8080 as the kernel writes it.
_PORT = ":1F90 "


def invoke(engine: Engine, container: str, event: str) -> Any:
    """Send an event from inside the container, which has no network; the emulator needs a moment to listen."""
    inside = ("exec", container, "busybox")
    end = time.monotonic() + 30
    while _PORT not in engine.docker(*inside, "cat", "/proc/net/tcp", "/proc/net/tcp6").out:
        assert time.monotonic() < end, "nothing listens"
        time.sleep(0.1)
    return json.loads(engine.docker(*inside, "wget", "-q", "-O", "-", "--post-data", event, _INVOKE).out)
