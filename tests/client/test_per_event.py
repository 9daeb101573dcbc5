"""`mode=per_event`: one process an event, event on stdin, answer on stdout."""

from __future__ import annotations

import os
import time

import pytest

from tests.client.running import Client
from tests.support.runtime_api import LARGEST_ANSWER, Event
from tests.support.tools import need

_TYPE = "Lambda-Runtime-Function-Error-Type"
#: Runs the event as a program; `event` is what is on stdin for those that want it.
_RUN = """
import time
exec(sys.stdin.buffer.read())
"""


def _start(client: Client, text: str = _RUN) -> None:
    client.start(client.program(text), mode="per_event")


@pytest.mark.parametrize("size", [0, 1, 65_537, 6_000_000])
def test_cat_answers_every_event_with_itself(client: Client, size: int) -> None:
    """Two ends of two pipes and 6 MB: an event that is written before anything is read hangs here."""
    client.start([need("cat")], mode="per_event")
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    assert client.serves(body).body == body
    assert client.serves(b"2").body == b"2"


def test_words_of_the_command_are_passed_as_they_are(client: Client) -> None:
    client.start([need("printf"), "[%s]", "two words", "", "$HOME", "a=b", "é"], mode="per_event")
    assert client.serves().body == "[two words][][$HOME][a=b][é]".encode()


def test_the_process_sees_the_event_in_its_environment(client: Client) -> None:
    client.start([need("env"), "-0"], mode="per_event", argv=["app.run"])
    event = Event(trace="Root=1;Sampled=1", tenant="t1", client_context='{"a":1}', cognito='{"b":2}', deadline=123)
    client.api.add(event)
    seen = dict(line.split("=", 1) for line in client.api.answer(event).body.decode().split("\0") if line)
    assert seen["LAMBDA_RUNTIME_AWS_REQUEST_ID"] == event.id
    assert seen["LAMBDA_RUNTIME_DEADLINE_MS"] == "123"
    assert seen["LAMBDA_RUNTIME_INVOKED_FUNCTION_ARN"] == event.arn
    assert seen["LAMBDA_RUNTIME_CLIENT_CONTEXT"] == '{"a":1}'
    assert seen["LAMBDA_RUNTIME_COGNITO_IDENTITY"] == '{"b":2}'
    assert seen["LAMBDA_RUNTIME_AWS_TENANT_ID"] == "t1"
    assert (seen["_X_AMZN_TRACE_ID"], seen["_HANDLER"]) == ("Root=1;Sampled=1", "app.run")
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == "f"
    bare = Event()
    client.api.add(bare)
    names = {line.partition("=")[0] for line in client.api.answer(bare).body.decode().split("\0")}
    assert not names & {"LAMBDA_RUNTIME_AWS_TENANT_ID", "LAMBDA_RUNTIME_CLIENT_CONTEXT", "_X_AMZN_TRACE_ID"}


def test_the_process_starts_where_it_is_told_to(client: Client) -> None:
    client.settings["directory"] = str(client.folder)
    client.start([need("pwd")], mode="per_event")
    assert client.serves().body.decode().strip() == str(client.folder)


def test_the_content_type_is_the_configured_one(client: Client) -> None:
    client.settings["content_type"] = "text/plain"
    client.start([need("cat")], mode="per_event")
    assert client.serves().header("Content-Type") == "text/plain"


def test_the_process_has_three_descriptors(client: Client) -> None:
    client.start([need("ls"), "/proc/self/fd"], mode="per_event")
    assert client.serves().body.split() == [b"0", b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        pytest.param(b"sys.stderr.write('first\\nit broke\\n'); sys.exit(3)", ["3", "it broke"], id="exit 3"),
        pytest.param(b"raise ValueError('no')", ["1", "ValueError: no"], id="throws"),
        pytest.param(b"os.kill(os.getpid(), 9)", ["killed"], id="SIGKILL"),
        pytest.param(b"print('half', flush=True); sys.exit(1)", ["1"], id="exit 1 after output"),
    ],
)
def test_a_failure_is_reported_with_the_last_line_of_stderr(client: Client, program: bytes, words: list[str]) -> None:
    _start(client)
    report = client.ask(program)
    assert report.kind == "error"
    assert report.json["errorType"].endswith(".ExitError")
    assert report.header(_TYPE) == report.json["errorType"]
    for word in words:
        assert word in report.json["errorMessage"]
    assert client.serves(b"print(1, end='')").body == b"1"
    client.may_tell()


def test_stderr_is_the_log_whatever_the_outcome(client: Client) -> None:
    _start(client)
    client.serves(b"sys.stderr.write('a note\\n')")
    assert client.err == "a note\n"


def test_stderr_of_the_last_event_is_no_reason_for_this_ones_failure(client: Client) -> None:
    _start(client)
    client.serves(b"sys.stderr.write('of the first\\n')")
    report = client.ask(b"sys.exit(4)")
    assert "of the first" not in report.json["errorMessage"]
    client.may_tell()


def test_a_command_that_cannot_be_started_is_an_error_of_the_event_or_the_client(client: Client) -> None:
    client.may_lose = True
    client.start(["/nothing/there"], mode="per_event")
    client.api.add(Event())
    client.api.wait(lambda: client.api.of_kind("error") + client.api.of_kind("init_error"), "no report")
    report = client.api.wait_for("error" if client.api.of_kind("error") else "init_error")
    assert "/nothing/there" in report.json["errorMessage"]
    if report.kind == "init_error":
        assert client.wait() == 1
    client.told("/nothing/there")


@pytest.mark.parametrize("size", [LARGEST_ANSWER, LARGEST_ANSWER + 1, 50_000_000])
def test_an_output_that_is_too_large_is_an_error(client: Client, size: int) -> None:
    client.may_leave_processes = False
    _start(client)
    answer = client.ask(f"sys.stdout.buffer.write(b'o' * {size})".encode())
    if size == LARGEST_ANSWER:
        assert (answer.kind, answer.size) == ("response", size)
        return
    assert answer.kind == "error"
    assert answer.header(_TYPE) == "Function.ResponseSizeTooLarge"
    assert f"({size} bytes)" in answer.json["errorMessage"]
    client.told(answer.id)
    client.serves(b"print(1)")


def test_an_endless_output_is_an_error(client: Client) -> None:
    client.start([need("yes")], mode="per_event")
    answer = client.ask()
    assert answer.header(_TYPE) == "Function.ResponseSizeTooLarge"
    assert "(more than 67" in answer.json["errorMessage"]
    client.told()
    assert client.is_alone()
    client.api.wait_idle()
    assert client.holds_less_than(3000)


def test_a_process_that_reads_nothing_may_answer(client: Client) -> None:
    client.start([need("echo"), "-n", "fixed"], mode="per_event")
    assert client.serves(b"x" * 6_000_000).body == b"fixed"


def test_a_grandchild_that_holds_stdout_delays_no_answer(client: Client) -> None:
    client.may_leave_processes = True
    _start(client)
    began = time.monotonic()
    program = b"print('mine', end='', flush=True)\nif os.fork() == 0: time.sleep(60)"
    assert client.serves(program).body == b"mine"
    assert client.serves(b"print(2, end='')").body == b"2"
    assert time.monotonic() - began < 30


def test_events_do_not_see_each_other(client: Client) -> None:
    _start(client)
    client.serves(b"os.environ['LEFT'] = '1'; print(os.getpid())")
    assert client.serves(b"print(os.environ.get('LEFT'), end='')").body == b"None"


def test_a_process_that_takes_too_long_is_ended(client: Client) -> None:
    client.settings["deadline_margin"] = "500"
    _start(client)
    report = client.ask(b"time.sleep(60)", deadline=int(time.time() * 1000) + 900)
    assert report.kind == "error"
    assert "timed out" in report.json["errorMessage"]
    client.told(report.id)
    assert client.is_alone()
    client.serves(b"print(1)")


def test_two_hundred_events_leave_nothing_open(client: Client) -> None:
    client.start([need("cat")], mode="per_event")
    client.serves()
    before = client.descriptors()
    for number in range(200):
        assert client.serves(b"%d" % number).body == b"%d" % number
    client.api.wait_idle()
    assert client.descriptors() == before
    with open(f"/proc/{client.process.pid}/task/{client.process.pid}/children") as children:
        assert children.read() == "", "zombies"


def test_an_end_in_the_middle_ends_the_process_too(client: Client) -> None:
    client.may_lose = True
    _start(client)
    started = client.folder / "started"
    client.api.add(Event(body=f"open({os.fspath(started)!r}, 'w'); time.sleep(60)".encode()))
    client.api.wait(started.exists, "the process")
    assert client.terminate() == 0
    client.may_tell()
