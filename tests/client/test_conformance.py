"""Every worker through the real client: the same cases for each row of the table (tests/client/workers.py).

All of them run on this machine's architecture; those that could depend on it run on arm64 too, with client, worker and
interpreter of arm64.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.roots import ClientInRoot
from tests.client.running import NATIVE, Client, sampled
from tests.client.workers import Worker, on_both, rows
from tests.support.runtime_api import LARGEST_ANSWER, Event, Request, RuntimeApi

_TYPE = "Lambda-Runtime-Function-Error-Type"
Start = Callable[..., Client]
#: For cases that could depend on the architecture.
wherever = pytest.mark.parametrize(("worker", "architecture"), on_both())
#: The same without rows that take long to be emulated.
wherever_quick = pytest.mark.parametrize(("worker", "architecture"), on_both(slow=False))


@pytest.fixture
def architecture() -> str:
    """This machine's, where a case does not say otherwise."""
    return NATIVE


@pytest.fixture
def client(architecture: str, api: RuntimeApi, tmp_path: Path) -> Iterator[Client]:
    """The client, not started yet."""
    made = Client(tmp_path, NATIVE, api) if architecture == NATIVE else ClientInRoot(tmp_path, api)
    yield made
    made.finish()


@pytest.fixture(params=rows())
def worker(request: pytest.FixtureRequest) -> Worker:
    row: Worker = request.param
    return row


@pytest.fixture
def start(client: Client, worker: Worker) -> Start:
    """Start the client before the worker, with a function of `cases` as the handler."""

    def begin(handler: str, **settings: str) -> Client:
        command = client.install(worker)
        client.environment |= {"_HANDLER": handler, "PYTHONDONTWRITEBYTECODE": "1"}
        client.variables |= worker.environment
        client.settings |= {**worker.settings, **settings}
        client.start(command)
        return client

    return begin


def _ask(client: Client, event: Any, **fields: Any) -> Request:
    return client.ask(json.dumps(event, ensure_ascii=False).encode(), **fields)


def _value(answer: Request, worker: Worker) -> Any:
    """What the handler returned."""
    assert answer.kind == "response", answer
    return answer.json if worker.json else answer.body.decode()


def _is_error(report: Request, *words: str) -> dict[str, Any]:
    """An error as Lambda wants it, with these words in its message."""
    assert report.kind in ("error", "init_error"), report
    error: dict[str, Any] = report.json
    assert isinstance(error["errorType"], str)
    assert error["errorType"]
    for word in words:
        assert word in error["errorMessage"]
    assert all(isinstance(line, str) for line in error.get("stackTrace", []))
    counted = report.header(_TYPE)
    assert counted is None or counted.split(".")[0] in ("Function", "Runtime")
    return error


@wherever
def test_an_event_comes_back(start: Start, worker: Worker) -> None:
    client = start("cases.same")
    event = {
        "text": 'Zoë, 日本語, 🎉, "quoted", back\\slash, tab\t, line\nend, \u2028, <html>&amp;',
        "numbers": [0, 1, -1, 9007199254740991, -9007199254740991, 0.5, 1e100, -2.5e-10],
        "others": [True, False, None, "", " ", "null", "1"],
        "nested": [[[[["deep"]]]], {"a": {"b": [{"c": 1}]}}],
        "ключ": "a key",
    }
    assert _ask(client, event).json == event
    for single in ("text", 12, -0.25, True, None, [], ["one"], [[]], {"a": 1}):
        assert _ask(client, single).json == single


def test_the_answer_is_json_by_its_content_type(start: Start, worker: Worker) -> None:
    assert _ask(start("cases.same"), {"a": 1}).header("Content-Type") == "application/json"


@wherever_quick
def test_the_handler_knows_its_context(start: Start, worker: Worker) -> None:
    client = start("cases.context")
    _ask(client, {})  # from now on no start takes of the time that is left
    event = Event(
        body=b"{}",
        deadline=int(time.time() * 1000) + 30_000,
        arn="arn:aws:lambda:eu-west-1:123456789012:function:größe:live",
        trace="Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
        tenant="tenant-é 1",
        client_context='{"custom": {"key": "100% ü"}}',
        cognito='{"cognitoIdentityId": "eu-west-1:1"}',
    )
    client.api.add(event)
    seen = client.api.answer(event).json
    assert 20_000 < float(seen.pop("remaining")) <= 30_000
    assert str(seen.pop("memory")) == "128"
    assert seen.pop("client_context")["custom"] == {"key": "100% ü"}
    assert "eu-west-1:1" in seen.pop("cognito").values()
    assert seen == {
        "id": event.id,
        "arn": event.arn,
        "trace": event.trace,
        "tenant": event.tenant,
        "function": "f",
        "version": "$LATEST",
    }


def test_what_an_event_brings_does_not_stay_for_the_next_one(start: Start, worker: Worker) -> None:
    client = start("cases.context")
    _ask(client, {}, trace="Root=1", tenant="t", client_context='{"custom": {}}', cognito='{"cognitoIdentityId": "x"}')
    second = _ask(client, {}, trace="Root=2").json
    assert second["trace"] == "Root=2"
    third = _ask(client, {}).json
    assert not third["trace"]
    assert not third["tenant"]
    assert not third["client_context"]
    assert not third["cognito"]


@wherever_quick
def test_an_error_is_the_languages_own(start: Start, worker: Worker) -> None:
    client = start("cases.fail")
    error = _is_error(_ask(client, {"message": 'it broke: é "quoted"'}), 'it broke: é "quoted"')
    assert isinstance(error["stackTrace"], list)
    assert not any("worker." in line for line in error["stackTrace"]), "frames of the worker itself"
    assert _value(_ask(client, {}), worker) == "fine"
    _is_error(_ask(client, {"message": "again"}), "again")
    assert _value(_ask(client, {}), worker) == "fine"


@pytest.mark.parametrize(
    ("handler", "words"),
    sampled(
        [
            pytest.param("nothing.same", ["nothing"], id="no such file"),
            pytest.param("no_dot", ["no_dot"], id="no dot"),
            pytest.param("cases.nothing", ["nothing"], id="no such function"),
            pytest.param("/etc/passwd.same", [], id="an absolute path"),
            pytest.param("broken.same", ["broken at load"], id="throws at load"),
            pytest.param("../cases.same", [], id="outside"),
        ],
        2,
    ),
)
def test_a_handler_that_cannot_be_loaded_is_a_failed_initialisation(
    start: Start, worker: Worker, handler: str, words: list[str]
) -> None:
    client = start(handler)
    assert client.wait() == 1
    _is_error(client.api.wait_for("init_error"), *words)
    assert client.api.of_kind("next") == []
    client.told()


def test_a_syntax_error_is_a_failed_initialisation(start: Start, worker: Worker, client: Client) -> None:
    (client.task / f"syntax.{worker.suffix}").write_text(worker.nonsense)
    start("syntax.same")
    assert client.wait() == 1
    _is_error(client.api.wait_for("init_error"))
    client.told()


def test_a_handler_that_exits_at_load_is_reported_with_its_last_words(start: Start, worker: Worker) -> None:
    client = start("exits.same")
    assert client.wait() == 1
    assert _is_error(client.api.wait_for("init_error"), "3", "exits at load")["errorType"] == "Runtime.ExitError"
    client.told()


@wherever
def test_a_handler_that_exits_is_reported_with_its_last_words(start: Start, worker: Worker) -> None:
    client = start("cases.leave")
    assert _value(_ask(client, {}), worker) == "here"
    report = _ask(client, {"code": 7})
    assert _is_error(report, "7", "leaving on purpose")["errorType"] == "Runtime.ExitError"
    client.told(report.id)
    assert _value(_ask(client, {}), worker) == "here"


def test_a_handler_that_is_killed_is_reported(start: Start, worker: Worker) -> None:
    client = start("cases.killed")
    report = _ask(client, {"kill": True})
    assert _is_error(report, "killed")["errorType"] == "Runtime.ExitError"
    client.told(report.id)
    assert _value(_ask(client, {}), worker) == "alive"


def test_a_handler_that_forks_and_exits_hides_nothing(start: Start, worker: Worker) -> None:
    client = start("cases.forks")
    client.may_leave_processes = True
    began = time.monotonic()
    report = _ask(client, {"code": 5})
    assert _is_error(report, "5")["errorType"] == "Runtime.ExitError"
    client.told(report.id)
    assert _value(_ask(client, {}), worker) == "here"
    assert time.monotonic() - began < 45


def test_a_handler_that_never_returns_is_given_up(start: Start, worker: Worker) -> None:
    client = start("cases.hang", deadline_margin="500")
    assert _value(_ask(client, {}), worker) == "quick"
    report = _ask(client, {"hang": True}, deadline=int(time.time() * 1000) + 800)
    _is_error(report, "timed out")
    client.told(report.id)
    assert _value(_ask(client, {}), worker) == "quick"


@wherever_quick
def test_a_large_answer_is_sent_and_one_that_is_too_large_is_an_error(start: Start, worker: Worker) -> None:
    client = start("cases.big")
    quotes = 2 if worker.json else 0
    answer = _ask(client, {"size": LARGEST_ANSWER - quotes})
    assert (answer.kind, answer.size, answer.status) == ("response", LARGEST_ANSWER, 202)
    report = _ask(client, {"size": 7_000_000})
    assert report.header(_TYPE) == "Function.ResponseSizeTooLarge"
    client.told(report.id)
    assert _value(_ask(client, {"size": 3}), worker) == "xxx"


@pytest.mark.parametrize("letters", [300_000, pytest.param(4_000_000, marks=pytest.mark.real)])
def test_a_large_event_comes_back(start: Start, worker: Worker, letters: int) -> None:
    """The real run has all of 6 MB; a JSON that is written in its own language needs seconds for them."""
    client = start("cases.same")
    event = {"text": "é" * (letters // 4) + "x" * letters, "more": ["y" * 100] * 1000}
    assert _ask(client, event).json == event
    assert _ask(client, "small").json == "small"


def test_an_event_that_is_no_json_is_an_error_and_no_more(start: Start, worker: Worker) -> None:
    client = start("cases.same")
    for body in (b"no JSON", b"{", b'{"a": }', b"\x00", b'"\0a\0\0"', b'"\xff\xfe"', b"[" * 5000):
        answer = client.ask(body)
        if worker.json:
            # Invalid UTF-8 within JSON is refused or replaced, as the language has it.
            assert answer.kind == "error" or (body == b'"\xff\xfe"' and answer.json), body
        elif b"\x00" in body:
            # Not every language's texts hold NULs.
            assert answer.kind == "error" or answer.body == body
        else:
            assert (answer.kind, answer.body) == ("response", body)
    assert _ask(client, "fine").json == "fine"
    client.may_tell()


def test_an_empty_event_is_nothing(start: Start, worker: Worker) -> None:
    client = start("cases.same")
    answer = client.ask(b"")
    assert answer.kind == "response"
    assert answer.body == (b"null" if worker.json else b"")
    assert _ask(client, "fine").json == "fine"


@pytest.mark.parametrize("worker", rows("invalid"))
def test_an_answer_that_cannot_be_encoded_is_an_error_and_no_more(start: Start, worker: Worker) -> None:
    client = start("cases.invalid")
    _is_error(_ask(client, {}))
    _is_error(_ask(client, {}))


@pytest.mark.parametrize(("worker", "architecture"), on_both("binary"))
def test_bytes_are_sent_as_they_are(start: Start, worker: Worker) -> None:
    answer = _ask(start("cases.whole_range"), {})
    assert answer.body == bytes(range(256))
    assert answer.header("Content-Type") == ("application/octet-stream" if worker.json else "application/json")


@wherever_quick
def test_both_outputs_are_the_log(start: Start, worker: Worker) -> None:
    client = start("cases.logs")
    for turn in range(3):
        assert _value(_ask(client, {"out": f"out é {turn}", "err": f"err é {turn}"}), worker) == "logged"
        # stderr passes through the client, which empties it before it answers; stdout is the worker's own.
        assert client.err.splitlines() == [f"err é {number}" for number in range(turn + 1)]
        assert client.out.splitlines() == [f"out é {number}" for number in range(turn + 1)]


@pytest.mark.parametrize("lines", [2_000, pytest.param(100_000, marks=pytest.mark.real)])
def test_a_flood_of_logs_is_passed_on(start: Start, worker: Worker, lines: int) -> None:
    client = start("cases.logs")
    event = Event(body=json.dumps({"out": "o", "err": "e", "lines": lines}).encode())
    client.api.add(event)
    assert client.api.answer(event, 120).kind == "response"
    assert os.path.getsize(client.folder / "err") == lines * 1000 + 2


def test_two_hundred_events_in_a_row(start: Start, worker: Worker) -> None:
    client = start("cases.same")
    events = [Event(body=json.dumps({"n": number}).encode()) for number in range(200)]
    client.api.add(*events)
    assert [client.api.answer(event, 60).json for event in events] == [{"n": number} for number in range(200)]
    assert len({request.connection for request in client.api.requests}) == 1


@pytest.mark.parametrize(("worker", "architecture"), on_both("stream", slow=False))
def test_pieces_are_streamed(start: Start, worker: Worker) -> None:
    client = start("cases.stream")
    for _ in range(3):
        answer = _ask(client, {})
        assert answer.body == b"onetwothree"
        assert answer.header("Lambda-Runtime-Function-Response-Mode") == "streaming"


@pytest.mark.parametrize("worker", rows("stream"))
def test_an_error_in_the_middle_of_a_stream_is_told_at_its_end(start: Start, worker: Worker) -> None:
    client = start("cases.stream")
    answer = _ask(client, {"fail": True})
    assert (answer.kind, answer.body) == ("response", b"one")
    error = json.loads(base64.b64decode(answer.trailers["lambda-runtime-function-error-body"]))
    assert "half way" in error["errorMessage"]
    assert answer.trailers["lambda-runtime-function-error-type"].startswith("Function.")
    assert _ask(client, {}).body == b"onetwothree"


@pytest.mark.parametrize("worker", rows("web"))
def test_a_stream_for_http_begins_with_its_status(start: Start, worker: Worker) -> None:
    answer = _ask(start("cases.web"), {})
    assert answer.header("Content-Type") == "application/vnd.awslambda.http-integration-response"
    prelude, _, body = answer.body.partition(bytes(8))
    assert json.loads(prelude)["statusCode"] == 201
    assert json.loads(prelude)["headers"] == {"x-test": "yes"}
    assert body == b"made"


@pytest.mark.parametrize("worker", rows("late"))
def test_an_error_after_the_answer_is_no_error_of_the_event(start: Start, worker: Worker) -> None:
    client = start("cases.late")
    assert _value(_ask(client, {"late": True}), worker) == "first"
    end = time.monotonic() + 30
    while "too late" not in client.err and time.monotonic() < end:
        time.sleep(0.02)
    assert "too late" in client.err
    assert _value(_ask(client, {}), worker) == "first"
    client.may_tell()


@pytest.mark.parametrize("worker", rows("twice"))
def test_an_event_is_answered_once(start: Start, worker: Worker) -> None:
    client = start("cases.twice")
    for _ in range(3):
        assert _value(_ask(client, {}), worker) == "first"
    client.may_tell()


@pytest.mark.parametrize(("worker", "architecture"), on_both("splits"))
def test_a_forked_child_that_returns_too_answers_nothing(start: Start, worker: Worker) -> None:
    """Nor does it take an event of its parent's."""
    client = start("cases.splits")
    for _ in range(4):
        assert _value(_ask(client, {}), worker) == "parent"


def test_a_handler_may_lie_in_a_folder(start: Start, worker: Worker, client: Client) -> None:
    folder = client.task / "src" / "inner"
    folder.mkdir(parents=True)
    worker.handlers(folder)
    assert _ask(start("src/inner/cases.same"), [1]).json == [1]


def test_it_ends_when_it_is_asked_to(start: Start, worker: Worker) -> None:
    client = start("cases.same")
    _ask(client, 1)
    client.api.wait_idle()
    assert client.terminate() == 0
    assert client.is_alone()
    assert client.err == ""
