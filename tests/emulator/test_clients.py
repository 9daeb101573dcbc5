"""Clients of the Runtime API that others wrote: AWS's own, and imagekit's, under the local Lambda."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from imagekit.emulator.invocation import Event
from tests.client.running import NATIVE
from tests.emulator.conftest import Local
from tests.emulator.unconfined import PYTHON, image
from tests.real.conftest import emulators
from tests.support.commands import CHECKOUT, good, run
from tests.support.tools import missing, need

__all__ = ["emulators"]

PROGRAMS = CHECKOUT / "tests/emulator/programs"
_OCI = {"x86_64": "amd64", "arm64": "arm64"}


# imagekit's own client: it needs nothing but itself, so it is here always.


def own_client(local: Local, worker: str, **lines: str) -> tuple[str, ...]:
    program = CHECKOUT / "imagekit/client/bin" / NATIVE / "bootstrap"
    if not program.exists():
        missing("the runtime client was not built: pip install --editable . does it")
    shutil.copy(program, local.folder / "bootstrap")
    script = local.folder / "worker.py"
    script.write_text(worker)
    words = (*PYTHON, str(CHECKOUT / "tests/client/scripted.py"), str(script))
    given = {"mode": "worker", "directory": str(local.folder), **lines}
    text = [f"{name}={value}\n" for name, value in given.items()] + [f"argument={word}\n" for word in words]
    (local.folder / "bootstrap.conf").write_text("".join(text))
    return (str(local.folder / "bootstrap"), "main.handler")


def test_imagekits_client_answers_fails_and_streams(local: Local) -> None:
    command = own_client(
        local,
        """
ready()
for event in frames():
    if event.body == b'"fail"':
        frame("ERR", b'{"errorType":"E","errorMessage":"m"}', event.id, "Function.Oops")
    elif event.body == b'"stream"':
        frame("STREAM", b"", event.id, "text/plain")
        frame("DATA", b"one ", event.id)
        frame("DATA", b"two", event.id)
        frame("END", b"", event.id)
    elif event.body == b'"exit"':
        sys.exit(7)
    else:
        answer(event, event.body)
""",
    )
    local.start(image(*command, folder=local.folder))
    assert local.answer({"n": 1}) == {"n": 1}
    assert local.error("fail") == {"errorType": "E", "errorMessage": "m"}
    outcome = local.invoke("stream")
    assert (outcome.payload, outcome.streamed, outcome.content_type) == (b"one two", True, "text/plain")
    assert local.error("exit")["errorType"] == "Runtime.ExitError"
    big = {"text": "x" * 5_000_000}
    assert local.answer(big) == big


def test_imagekits_client_says_why_its_worker_cannot_start(local: Local) -> None:
    command = own_client(local, 'frame(\'INITERR\', b\'{"errorType":"E","errorMessage":"m"}\', \'Runtime.NoHandler\')')
    local.start(image(*command, folder=local.folder))
    assert local.error() == {"errorType": "E", "errorMessage": "m"}


def test_imagekits_client_ends_gracefully_when_it_is_to(local: Local) -> None:
    worker = """
def end(*_):
    os.write(2, b"ended\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
ready()
for event in frames():
    answer(event, event.body)
"""
    command = own_client(local, worker, shutdown="graceful")
    local.start(image(*command, folder=local.folder))
    assert local.answer(1) == 1
    local.function.close()
    assert local.heard.lines()[-1] == "ended"


def test_imagekits_client_takes_several_events_at_once(local: Local) -> None:
    command = own_client(local, "ready()\nfor event in frames():\n    answer(event, event.body)\n")
    local.start(image(*command, folder=local.folder), concurrency=4)
    assert [local.answer(number) for number in range(10)] == list(range(10))


# AWS's own clients.


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A function on aws-lambda-go."""
    folder = tmp_path_factory.mktemp("go")
    shutil.copytree(PROGRAMS / "go", folder, dirs_exist_ok=True)
    settings = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}
    good(need("go"), "build", "-tags", "lambda.norpc", "-o", "bootstrap", ".", folder=folder, settings=settings)
    return folder / "bootstrap"


@pytest.fixture(scope="session")
def rust_programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A function on lambda_runtime and an extension on lambda-extension, AWS's crates: the folder."""
    need("cargo")
    target = tmp_path_factory.mktemp("rust")
    manifest = PROGRAMS / "rust/Cargo.toml"
    words = ("build", "--quiet", "--release", "--locked", "--manifest-path", manifest, "--target-dir", target)
    good("cargo", *words, seconds=900)
    return target / "release"


@pytest.fixture(scope="session")
def python_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """awslambdaric, in a folder for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("python")
    words = ("install", "--quiet", "--target", folder, "awslambdaric==4.2.2")
    ran = run(sys.executable, "-m", "pip", "--disable-pip-version-check", *words)
    if ran.code:
        missing(f"awslambdaric cannot be had: {ran.err[-500:]}")
    (folder / "app.py").write_text(
        "def handler(event, context):\n"
        "    if event == 'fail':\n"
        "        raise ValueError('it failed')\n"
        "    if event == 'exit':\n"
        "        import os; os._exit(7)\n"
        "    print('handling')\n"
        "    return {'event': event, 'id': context.aws_request_id, 'arn': context.invoked_function_arn}\n"
    )
    return folder


@pytest.fixture(scope="session")
def node_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """aws-lambda-ric with a handler beside it; it compiles a module of its own."""
    for tool in ("npm", "node", "cmake", "make", "g++", "autoconf", "automake", "libtoolize"):
        need(tool)
    folder = tmp_path_factory.mktemp("node")
    good("npm", "install", "--no-audit", "--no-fund", "--prefix", folder, "aws-lambda-ric@4.0.2", seconds=900)
    (folder / "app.js").write_text(
        "exports.handler = async (event, context) => {\n"
        "  if (event === 'fail') throw new Error('it failed');\n"
        "  return {event, id: context.awsRequestId, arn: context.invokedFunctionArn};\n"
        "};\n"
        "exports.stream = awslambda.streamifyResponse(async (event, response) => {\n"
        "  response.setContentType('text/plain'); response.write('one '); response.write('two'); response.end();\n"
        "});\n"
    )
    return folder


ARN = "arn:aws:lambda:us-east-1:123456789012:function:function"


def judged(local: Local, failure: str = "it failed") -> None:
    """What each client has to do."""
    outcome = local.invoke("hello")
    assert outcome.error is None, (outcome.payload, local.heard.lines())
    found = json.loads(outcome.payload)
    assert (found["event"], found["id"], found["arn"]) == ("hello", outcome.request_id, ARN)
    assert failure in local.error("fail")["errorMessage"]
    big = "é" * 500_000
    assert local.answer(big)["event"] == big
    assert [local.answer(str(number))["event"] for number in range(20)] == [str(number) for number in range(20)]


@pytest.mark.real
def test_aws_lambda_go(local: Local, go_program: Path) -> None:
    local.start(image(str(go_program), folder=local.folder), timeout=20)
    judged(local)
    assert 15_000 < local.answer("hello")["remaining"] <= 20_000
    outcome = local.invoke("stream")
    assert outcome.payload == b"one two three"
    broken = local.invoke("break")
    assert broken.error is not None
    assert broken.error.type == "errorString"
    assert b"it broke" in broken.payload
    panicked = local.error("panic")
    assert panicked["errorMessage"] == "it panicked"
    assert local.answer("again")["event"] == "again"
    local.function.close()
    assert "SIGTERM" in local.heard.lines()


@pytest.mark.real
def test_aws_lambda_go_behind_a_function_url(local: Local, go_program: Path) -> None:
    """The event of a URL is no text: the client says so, which is a 502."""
    local.start(image(str(go_program), folder=local.folder), timeout=20, url_streams=True)
    connection = http.client.HTTPConnection(local.serve_url().removeprefix("http://"), timeout=20)
    connection.request("GET", "/")
    with connection.getresponse() as answer:
        assert answer.status == 502
    connection.close()
    local.until(lambda: any("REPORT" in line for line in local.heard.lines("platform")))


@pytest.mark.real
def test_a_stream_of_aws_lambda_go_with_a_head(local: Local, go_program: Path) -> None:
    local.start(image(str(go_program), folder=local.folder), timeout=20)
    outcome = local.invoke("url")
    assert outcome.content_type == "application/vnd.awslambda.http-integration-response"
    head, _, body = outcome.payload.partition(bytes(8))
    assert json.loads(head)["statusCode"] == 202
    assert body == b"body"


@pytest.mark.real
def test_awslambdaric(local: Local, python_client: Path) -> None:
    command = (sys.executable, "-m", "awslambdaric", "app.handler")
    environment = {"PYTHONPATH": str(python_client)}
    root = image(*command, folder=local.folder, directory=str(python_client), environment=environment)
    local.start(root, timeout=20)
    judged(local)
    assert "handling" in local.heard.lines()
    assert local.error("exit")["errorMessage"].endswith("Runtime exited with error: exit status 7")
    assert local.answer("again")["event"] == "again"


@pytest.mark.real
def test_awslambdaric_says_what_it_cannot_load(local: Local, python_client: Path) -> None:
    command = (sys.executable, "-m", "awslambdaric", "nowhere.handler")
    root = image(*command, folder=local.folder, environment={"PYTHONPATH": str(python_client)})
    local.start(root, timeout=20)
    error = local.error("hello")
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert "nowhere" in error["errorMessage"]


@pytest.mark.real
@pytest.mark.parametrize("handler", ["app.handler", "app.stream"])
def test_aws_lambda_ric(local: Local, node_client: Path, handler: str) -> None:
    command = (need("node"), str(node_client / "node_modules/aws-lambda-ric/index.mjs"), handler)
    environment = {"LAMBDA_TASK_ROOT": str(node_client)}
    local.start(image(*command, folder=local.folder, environment=environment), timeout=20)
    if handler == "app.stream":
        outcome = local.invoke("hello")
        assert (outcome.payload, outcome.streamed, outcome.content_type) == (b"one two", True, "text/plain")
    else:
        judged(local)


@pytest.mark.real
def test_lambda_runtime(local: Local, rust_programs: Path) -> None:
    local.start(image(str(rust_programs / "runtime"), folder=local.folder), timeout=20)
    judged(local)
    assert "it panicked" in local.error("panic")["errorMessage"]


@pytest.mark.real
def test_an_extension_on_aws_own_crate(local: Local, rust_programs: Path) -> None:
    folder = local.folder / "opt/extensions"
    folder.mkdir(parents=True)
    shutil.copy(rust_programs / "extension", folder / "extension")
    local.script(
        """
        while True:
            event = take()
            say("a line of the function\\n")
            respond(event, event.body)
        """
    )
    outcome = local.invoke(1)
    local.invoke(2)
    local.function.close()
    said = local.heard.lines("extension")
    assert f"INVOKE {outcome.request_id}" in said
    assert "SHUTDOWN spindown" in [line.lower().replace("shutdown", "SHUTDOWN") for line in said]
    told = "\n".join(line for line in said if line.startswith("TELEMETRY"))
    for word in ("PlatformStart", "PlatformRuntimeDone", "PlatformReport", "a line of the function"):
        assert word in told, word
    assert outcome.request_id in told


# The same events under AWS's own emulator.


@pytest.fixture
def under_aws(local: Local, emulators: dict[str, bytes]) -> Iterator[Callable[..., Callable[[Any], Any]]]:
    """Start a command under AWS's emulator; what it answers to an event."""
    program = local.folder / "aws-lambda-rie"
    program.write_bytes(emulators[_OCI[NATIVE]])
    program.chmod(0o755)
    started: list[subprocess.Popen[bytes]] = []

    def begin(command: Sequence[str], directory: str, environment: Mapping[str, str]) -> Callable[[Any], Any]:
        with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
            ports = [server.getsockname()[1] for server in (first, second)]
        addresses = (f"--runtime-interface-emulator-address=127.0.0.1:{ports[0]}",)
        addresses += (f"--runtime-api-address=127.0.0.1:{ports[1]}", "--log-level=error")
        variables = {"PATH": os.environ["PATH"], "AWS_LAMBDA_FUNCTION_TIMEOUT": "20", **environment}
        with open(local.folder / "rie.log", "wb") as log:
            words = [str(program), *addresses, *command]
            started.append(
                subprocess.Popen(words, cwd=directory, env=variables, stdout=log, stderr=log, start_new_session=True)
            )

        def ask(value: Any) -> Any:
            connection = http.client.HTTPConnection("127.0.0.1", ports[0], timeout=30)
            try:
                connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(value))
                return json.loads(connection.getresponse().read())
            finally:
                connection.close()

        local.until(lambda: listens(ports[0]), 10)
        return ask

    yield begin
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        time.sleep(0.02)
        return False
    return True


@pytest.mark.real
@pytest.mark.parametrize("which", ["go", "python"])
def test_answers_and_errors_are_those_of_aws_own_emulator(
    local: Local, under_aws: Any, which: str, request: pytest.FixtureRequest
) -> None:
    environment: dict[str, str] = {}
    command: tuple[str, ...]
    if which == "go":
        command, directory = (str(request.getfixturevalue("go_program")),), str(local.folder)
    else:
        folder = str(request.getfixturevalue("python_client"))
        command, directory = (sys.executable, "-m", "awslambdaric", "app.handler"), folder
        environment = {"PYTHONPATH": folder}
    local.start(image(*command, folder=local.folder, directory=directory, environment=environment), timeout=20)
    ask = under_aws(command, directory, environment)
    for event in ("hello", "Zoë 🎉", "fail", "again"):
        theirs, ours = ask(event), json.loads(local.function.invoke(Event(payload=json.dumps(event).encode())).payload)
        for document in (theirs, ours):
            for name in ("id", "arn", "remaining", "requestId"):  # each run has its own
                document.pop(name, None)
        assert ours == theirs
