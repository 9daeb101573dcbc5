"""The Lambda API, judged by AWS's own client."""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from imagekit.emulator.connection import Exchange
from imagekit.emulator.settings import LARGEST_ASYNCHRONOUS_EVENT, LARGEST_EVENT
from imagekit.errors import Missing, UsageError
from tests.emulator.conftest import Local

ECHO_CONTEXT = """
    import json
    while True:
        event = take()
        found = {name.removeprefix("lambda-runtime-"): value for name, value in event.headers.items()}
        respond(event, json.dumps({"event": json.loads(event.body), **found}).encode())
"""


@pytest.fixture
def connect(local: Local) -> Iterator[Callable[[], Any]]:
    """AWS's client for the function, which is served."""
    import boto3
    from botocore.config import Config

    made = []

    def client() -> Any:
        settings = Config(retries={"max_attempts": 0}, read_timeout=20, max_pool_connections=20)
        names = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        made.append(boto3.client("lambda", endpoint_url=local.serve(), config=settings, **names))
        return made[-1]

    yield client
    for item in made:
        item.close()


def test_an_event_is_answered(local: Local, connect: Callable[[], Any]) -> None:
    local.script("echo()", version="7")
    answer = connect().invoke(FunctionName="any-name", Payload=b'{"n": 1}')
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "7")
    assert answer["Payload"].read() == b'{"n": 1}'
    assert "FunctionError" not in answer
    assert "LogResult" not in answer
    metadata = answer["ResponseMetadata"]
    assert metadata["RequestId"] == metadata["HTTPHeaders"]["x-amzn-requestid"]
    assert len(metadata["RequestId"]) == 36
    assert metadata["HTTPHeaders"]["x-amzn-trace-id"].startswith("Root=1-")


def test_an_event_without_a_payload_is_an_empty_object(local: Local, connect: Callable[[], Any]) -> None:
    local.script("echo()")
    assert connect().invoke(FunctionName="f")["Payload"].read() == b"{}"


@pytest.mark.parametrize(
    ("name", "qualifier"),
    [
        ("f", ""),
        ("f:live", "live"),
        ("arn:aws:lambda:us-east-1:123456789012:function:f:live", "live"),
        ("arn:aws:lambda:us-east-1:123456789012:function:f", ""),
    ],
)
def test_names_arns_and_qualifiers(local: Local, connect: Callable[[], Any], name: str, qualifier: str) -> None:
    local.script(ECHO_CONTEXT)
    client = connect()
    found = json.loads(client.invoke(FunctionName=name)["Payload"].read())
    arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
    assert found["invoked-function-arn"] == (f"{arn}:{qualifier}" if qualifier else arn)
    given = json.loads(client.invoke(FunctionName="f", Qualifier="blue")["Payload"].read())
    assert given["invoked-function-arn"] == f"{arn}:blue"


def test_client_context_tenant_and_trace_reach_the_function(local: Local, connect: Callable[[], Any]) -> None:
    local.script(ECHO_CONTEXT)
    client = connect()

    def add(request: Any, **_: object) -> None:
        request.headers["X-Amzn-Trace-Id"] = "Root=1-5-6"

    client.meta.events.register("before-send.lambda.Invoke", add)
    context = base64.b64encode(b'{"custom":\n{"a":1}}').decode()
    found = json.loads(client.invoke(FunctionName="f", ClientContext=context, TenantId="blue")["Payload"].read())
    assert json.loads(found["client-context"]) == {"custom": {"a": 1}}
    assert (found["aws-tenant-id"], found["trace-id"]) == ("blue", "Root=1-5-6")


def test_an_error_of_the_function_is_marked(local: Local, connect: Callable[[], Any]) -> None:
    local.script("""
        event = take()
        fail(event)
        take()
    """)
    answer = connect().invoke(FunctionName="f")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(answer["Payload"].read()) == {"errorType": "E", "errorMessage": "m"}


def test_a_timeout_is_marked(local: Local, connect: Callable[[], Any]) -> None:
    local.script("take(); time.sleep(60)", timeout=0.2)
    answer = connect().invoke(FunctionName="f", LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "Sandbox.Timedout"
    assert b"Task timed out after 0.20 seconds" in base64.b64decode(answer["LogResult"])


def test_the_end_of_the_log_comes_when_it_is_asked_for(local: Local, connect: Callable[[], Any]) -> None:
    local.script("""
        while True:
            event = take()
            say("hello\\n" + "x" * int(event.body) + "\\n")
            respond(event, event.body)
    """)
    client = connect()
    log = base64.b64decode(client.invoke(FunctionName="f", LogType="Tail", Payload=b"3")["LogResult"]).decode()
    lines = [line.split(" ")[0] for line in log.splitlines()]
    assert lines == ["START", "hello", "xxx", "END", "REPORT"]
    assert "Init Duration" in log
    long = base64.b64decode(client.invoke(FunctionName="f", LogType="Tail", Payload=b"9000")["LogResult"])
    assert len(long) == 4096
    assert long.rstrip().splitlines()[-1].startswith(b"REPORT ")


def test_an_asynchronous_event_is_accepted_and_handled_later(local: Local, connect: Callable[[], Any]) -> None:
    local.script("""
        while True:
            event = take()
            time.sleep(0.1)
            note(event.body.decode())
            respond(event, b"{}")
    """)
    answer = connect().invoke(FunctionName="f", InvocationType="Event", Payload=b"7")
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    assert local.notes == []
    local.until(lambda: local.notes == ["7"])


def test_a_dry_run_runs_nothing(local: Local, connect: Callable[[], Any]) -> None:
    local.script("echo()")
    assert connect().invoke(FunctionName="f", InvocationType="DryRun")["StatusCode"] == 204
    assert local.runner.sandboxes == []


@pytest.mark.parametrize(
    ("given", "kind", "status"),
    [
        ({"Payload": b"no json"}, "InvalidRequestContentException", 400),
        ({"Payload": b"NaN"}, "InvalidRequestContentException", 400),
        ({"Payload": b"[" * 100_000}, "InvalidRequestContentException", 400),
        ({"ClientContext": "%%%"}, "InvalidRequestContentException", 400),
        ({"ClientContext": "eA=="}, "InvalidRequestContentException", 400),
        ({"ClientContext": "e30=" * 1000}, "InvalidRequestContentException", 400),
        ({"Payload": b'"' + b"x" * LARGEST_EVENT + b'"'}, "RequestTooLargeException", 413),
        (
            {"Payload": b'"' + b"x" * LARGEST_ASYNCHRONOUS_EVENT + b'"', "InvocationType": "Event"},
            "RequestTooLargeException",
            413,
        ),
        ({"InvocationType": "Sometimes"}, "InvalidParameterValueException", 400),
    ],
)
def test_wrong_requests_are_refused(
    local: Local, connect: Callable[[], Any], given: dict[str, Any], kind: str, status: int
) -> None:
    from botocore.exceptions import ClientError

    local.script("echo()")
    with pytest.raises(ClientError) as refused:
        connect().invoke(FunctionName="f", **given)
    assert refused.value.response["Error"]["Code"] == kind
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_the_largest_events_are_taken(local: Local, connect: Callable[[], Any]) -> None:
    local.script("""
        while True:
            event = take()
            note(len(event.body))
            respond(event, b"{}")
    """)
    client = connect()
    for size, kind in ((LARGEST_EVENT, "RequestResponse"), (LARGEST_ASYNCHRONOUS_EVENT, "Event")):
        client.invoke(FunctionName="f", InvocationType=kind, Payload=b'"' + b"x" * (size - 2) + b'"')
    local.until(lambda: local.notes == [str(LARGEST_EVENT), str(LARGEST_ASYNCHRONOUS_EVENT)])


def test_paths_and_methods_that_nobody_knows(local: Local) -> None:
    local.script("echo()")
    url = local.serve()
    for path, method, status in (("/", "GET", 404), ("/2015-03-31/functions/f/invocations", "GET", 405)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(url + path, method=method))
        with refused.value:
            assert refused.value.code == status


def test_something_else_is_served_beside_the_api(local: Local) -> None:
    class Page:
        def handle(self, exchange: Exchange) -> bool:
            if exchange.head.path != "/":
                return False
            exchange.respond(200, b"hello", (("Content-Type", "text/html"),))
            return True

    local.script("echo()")
    url = local.serve(Page())
    with urllib.request.urlopen(url + "/") as answer:
        assert answer.read() == b"hello"


def test_a_port_that_is_taken_is_told(local: Local) -> None:
    local.script("echo()")
    _, port = local.function.serve("127.0.0.1", 0)
    with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
        local.function.serve("127.0.0.1", port)


def test_a_sandbox_that_cannot_be_made_is_the_services_fault(local: Local, connect: Callable[[], Any]) -> None:
    from botocore.exceptions import ClientError

    local.runner.error = Missing("there is no bwrap")
    local.script("echo()")
    client = connect()
    for ask in (client.invoke, client.invoke_with_response_stream):
        with pytest.raises(ClientError, match="ServiceException"):
            ask(FunctionName="f", LogType="Tail")


# Streams.


def parts(answer: Any) -> tuple[bytes, dict[str, Any]]:
    """A streamed answer: its payload and its end."""
    events = list(answer["EventStream"])
    answer["EventStream"].close()
    payload = b"".join(event["PayloadChunk"]["Payload"] for event in events[:-1])
    return payload, events[-1]["InvokeComplete"]


def test_a_stream_comes_piece_by_piece(local: Local, connect: Callable[[], Any]) -> None:
    local.script("""
        event = take()
        def pieces():
            yield b"one"
            while not os.path.exists(os.environ["IMAGEKIT_TEST_TMP"] + "/go"):
                time.sleep(0.01)
            yield b"two"
        stream(event, pieces())
        take()
    """)
    answer = connect().invoke_with_response_stream(FunctionName="f", Payload=b"{}")
    assert answer["ExecutedVersion"] == "$LATEST"
    assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    events = iter(answer["EventStream"])
    assert next(events) == {"PayloadChunk": {"Payload": b"one"}}
    (local.folder / "go").touch()
    assert next(events) == {"PayloadChunk": {"Payload": b"two"}}
    assert next(events) == {"InvokeComplete": {}}
    answer["EventStream"].close()


def test_a_buffered_answer_is_a_stream_for_who_wants_one(local: Local, connect: Callable[[], Any]) -> None:
    local.script("echo()")
    client = connect()
    assert parts(client.invoke_with_response_stream(FunctionName="f", Payload=b"[1]")) == (b"[1]", {})
    payload, end = parts(client.invoke_with_response_stream(FunctionName="f", Payload=b"[2]", LogType="Tail"))
    assert payload == b"[2]"
    assert b"REPORT" in base64.b64decode(end["LogResult"])


def test_a_stream_is_one_answer_for_who_does_not_stream(local: Local, connect: Callable[[], Any]) -> None:
    local.script("event = take(); stream(event, [b'[1,', b'2]']); take()")
    assert connect().invoke(FunctionName="f")["Payload"].read() == b"[1,2]"


def test_errors_of_streams_are_in_their_end(local: Local, connect: Callable[[], Any]) -> None:
    local.script("""
        import base64
        body = base64.b64encode(b'{"errorMessage":"late"}').decode()
        trailers = {"Lambda-Runtime-Function-Error-Type": "Late", "Lambda-Runtime-Function-Error-Body": body}
        stream(take(), [b"one"], trailers)
        fail(take())
        take()
        os._exit(3)
    """)
    client = connect()

    def ask() -> tuple[bytes, dict[str, Any]]:
        return parts(client.invoke_with_response_stream(FunctionName="f"))

    assert ask() == (b"one", {"ErrorCode": "Late", "ErrorDetails": '{"errorMessage":"late"}'})
    payload, end = ask()
    assert (payload, end["ErrorCode"]) == (b"", "Function.Oops")
    payload, end = ask()
    assert end["ErrorCode"] == "Runtime.ExitError"
    assert "exit status 3" in end["ErrorDetails"]


def test_a_slow_reader_slows_the_function_and_memory_stays(local: Local, connect: Callable[[], Any]) -> None:
    local.script(
        """
        event = take()
        def pieces():
            for number in range(300):
                note(number)
                yield b"x" * 100_000
        stream(event, pieces())
        take()
        """,
        timeout=20,
    )
    answer = connect().invoke_with_response_stream(FunctionName="f")
    events = iter(answer["EventStream"])
    size = len(next(events)["PayloadChunk"]["Payload"])
    local.until(lambda: len(local.notes) > 10)
    threading.Event().wait(0.5)
    assert len(local.notes) < 200  # what the sockets and a mebibyte here hold
    for event in events:
        size += len(event.get("PayloadChunk", {}).get("Payload", b""))
    assert size == 300 * 100_000
    answer["EventStream"].close()


def test_a_caller_that_goes_away_harms_nobody(local: Local, connect: Callable[[], Any]) -> None:
    local.script(
        """
        event = take()
        def pieces():
            for _ in range(200):
                yield b"x" * 100_000
        note(stream(event, pieces()).status)
        echo()
        """,
        timeout=20,
    )
    client = connect()
    answer = client.invoke_with_response_stream(FunctionName="f")
    next(iter(answer["EventStream"]))
    threading.Event().wait(0.5)  # by now the function waits for its caller
    answer["EventStream"].close()
    assert client.invoke(FunctionName="f", Payload=b"2")["Payload"].read() == b"2"
    assert local.notes == ["202"]
