"""AWS's own emulator of Lambda runs the client: the same Runtime API that others wrote."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.running import NATIVE, Client
from tests.client.workers import WORKERS
from tests.support.emulator import emulators
from tests.support.runtime_api import LARGEST_ANSWER

pytestmark = pytest.mark.real

__all__ = ["emulators"]

_NAMES = {"x86_64": "amd64", "arm64": "arm64"}
_PERL = next(row for row in WORKERS if row.name == "perl")
Invoke = Callable[[bytes], bytes]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def architecture() -> str:
    """It starts programs of this machine only."""
    return NATIVE


@pytest.fixture
def run(client: Client, emulators: dict[str, bytes]) -> Iterator[Callable[[str], Invoke]]:
    """Start the emulator, which starts the client, which starts a Perl worker with this handler."""
    program = client.folder / "aws-lambda-rie"
    program.write_bytes(emulators[_NAMES[NATIVE]])
    program.chmod(0o755)
    started: list[subprocess.Popen[bytes]] = []

    def begin(handler: str) -> Invoke:
        words = "".join(f"argument={word}\n" for word in client.install(_PERL))
        (client.folder / "bootstrap.conf").write_text(f"mode=worker\n{words}")
        port, api = _free_port(), _free_port()
        addresses = (f"--runtime-interface-emulator-address=127.0.0.1:{port}", f"--runtime-api-address=127.0.0.1:{api}")
        environment = {**client.whole_environment, "AWS_LAMBDA_FUNCTION_TIMEOUT": "20"}
        del environment["AWS_LAMBDA_RUNTIME_API"]
        with open(client.folder / "log", "wb") as log:
            command = [str(program), *addresses, str(client.folder / "bootstrap"), handler]
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True))
        end = time.monotonic() + 20
        while not _listens(port):
            assert time.monotonic() < end, (client.folder / "log").read_text()
            time.sleep(0.02)
        url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"

        def invoke(body: bytes) -> bytes:
            try:
                with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as answer:
                    return bytes(answer.read())
            except urllib.error.HTTPError as refused:  # so it tells a failed initialisation
                with refused:
                    return refused.read()

        return invoke

    yield begin
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _log(folder: Path) -> str:
    return (folder / "log").read_text()


@pytest.mark.parametrize("size", [0, 1000, 100_000, 5_000_000])
def test_events_of_any_size_come_back(run: Callable[[str], Invoke], size: int) -> None:
    """More than about 2 KB come in chunks."""
    invoke = run("cases.same")
    for _ in range(3):
        assert json.loads(invoke(json.dumps({"text": "x" * size}).encode())) == {"text": "x" * size}


def test_the_handler_knows_its_context(run: Callable[[str], Invoke]) -> None:
    seen = json.loads(run("cases.context")(b"{}"))
    assert len(seen["id"]) == 36
    assert 0 < seen["remaining"] <= 20_000
    assert "f" in seen["arn"]


def test_an_error_is_the_callers(run: Callable[[str], Invoke]) -> None:
    invoke = run("cases.fail")
    assert json.loads(invoke(b'{"message": "it broke"}'))["errorMessage"] == "it broke"
    assert json.loads(invoke(b"{}")) == "fine"


def test_a_handler_that_exits_is_reported_and_the_next_event_served(
    run: Callable[[str], Invoke], client: Client
) -> None:
    invoke = run("cases.leave")
    error = json.loads(invoke(b'{"code": 7}'))
    assert error["errorType"] == "Runtime.ExitError"
    assert "7" in error["errorMessage"]
    assert json.loads(invoke(b"{}")) == "here"
    assert "leaving on purpose" in _log(client.folder)


def test_an_answer_that_is_too_large_is_an_error_and_no_reset(run: Callable[[str], Invoke]) -> None:
    invoke = run("cases.big")
    assert b"ResponseSizeTooLarge" in invoke(json.dumps({"size": LARGEST_ANSWER}).encode())
    assert json.loads(invoke(b'{"size": 2}')) == "xx"


def test_a_handler_that_cannot_be_loaded_is_the_callers_error(run: Callable[[str], Invoke]) -> None:
    assert b"broken at load" in run("broken.same")(b"{}")


def test_what_is_streamed_arrives(run: Callable[[str], Invoke]) -> None:
    assert b"onetwothree" in run("cases.stream")(b"{}")
