"""AWS's emulator of Lambda: where its programs come from, and how one is asked that is a container's entrypoint."""

from __future__ import annotations

import json
import sys
import time
import zipfile
from typing import Any

import pytest

from tests.support.commands import run
from tests.support.engine import Engine
from tests.support.tools import missing

#: They come, for both architectures, with AWS's own command line for Lambda.
_PACKAGE = "aws-sam-cli==1.170.0"
_NAMES = {"x86_64": "amd64", "arm64": "arm64"}

_INVOKE = "http://127.0.0.1:8080/2015-03-31/functions/function/invocations"
#: 8080 as the kernel writes it.
_PORT = ":1F90 "


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """AWS's emulator of Lambda by architecture (OCI's name)."""
    folder = tmp_path_factory.mktemp("emulators")
    command = ("download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder, _PACKAGE)
    ran = run(sys.executable, "-m", "pip", "--disable-pip-version-check", *command)
    if ran.code:
        missing(f"{_PACKAGE} cannot be had: {ran.err[-500:]}")
    (wheel,) = folder.iterdir()
    with zipfile.ZipFile(wheel) as opened:
        return {oci: opened.read(f"samcli/local/rapid/aws-lambda-rie-{name}") for name, oci in _NAMES.items()}


def invoke(engine: Engine, container: str, event: str) -> Any:
    """Send an event from inside the container, which has no network; the emulator needs a moment to listen."""
    inside = ("exec", container, "busybox")
    end = time.monotonic() + 30
    while _PORT not in engine.docker(*inside, "cat", "/proc/net/tcp", "/proc/net/tcp6").out:
        assert time.monotonic() < end, "nothing listens"
        time.sleep(0.1)
    return json.loads(engine.docker(*inside, "wget", "-q", "-O", "-", "--post-data", event, _INVOKE).out)
