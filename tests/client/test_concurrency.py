"""Several events at once: AWS_LAMBDA_MAX_CONCURRENCY, `max_workers`, `READY 0 n`."""

from __future__ import annotations

import json

import pytest

from tests.client.running import Client
from tests.support.runtime_api import Event

_TYPE = "Lambda-Runtime-Function-Error-Type"
#: Answers with its process id once as many events have begun as the event says.
_TOGETHER = """
import time
ready()
for event in frames():
    wanted = int(event.body)
    open(f"{os.environ['FOLDER']}/{event.id}", "w").close()
    while len(os.listdir(os.environ["FOLDER"])) < wanted:
        time.sleep(0.005)
    answer(event, str(os.getpid()).encode())
"""


def _several(client: Client, concurrency: int | str, script: str, **settings: str) -> None:
    begun = client.folder / "begun"
    begun.mkdir()
    client.environment |= {
        "AWS_LAMBDA_MAX_CONCURRENCY": str(concurrency),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "4096",
        "FOLDER": str(begun),
    }
    client.script(script, **settings)


def test_as_many_events_at_once_as_lambda_sends(client: Client) -> None:
    _several(client, 4, _TOGETHER)
    events = [Event(body=b"4") for _ in range(4)]
    client.api.add(*events)
    answers = [client.api.answer(event) for event in events]
    assert len({answer.body for answer in answers}) == 4, "four workers"
    assert {answer.status for answer in answers} == {202}
    for _ in range(20):
        assert client.ask(b"1").kind == "response"


def test_no_more_workers_than_configured(client: Client) -> None:
    _several(client, 4, _TOGETHER, max_workers="2")
    events = [Event(body=b"1") for _ in range(20)]
    client.api.add(*events)
    assert 1 <= len({client.api.answer(event).body for event in events}) <= 2
    client.api.wait_idle(2)
    assert client.api.waiting == 2
    assert len(client.processes()) <= 2


def test_one_worker_takes_several_where_it_says_so(client: Client) -> None:
    _several(
        client,
        4,
        """
        ready("4")
        open_ = []
        for event in frames():
            open_.append(event)
            if len(open_) == 4:
                for each in reversed(open_):
                    answer(each, each.body)
                open_.clear()
        """,
        max_workers="1",
    )
    for turn in range(5):
        events = [Event(body=b"%d %d" % (turn, number)) for number in range(4)]
        client.api.add(*events)
        assert [client.api.answer(event).body for event in events] == [event.body for event in events]
    assert len(client.processes()) == 1


def test_streams_of_one_worker_may_be_mixed(client: Client) -> None:
    _several(
        client,
        3,
        """
        ready("3")
        got = [take() for _ in range(3)]
        for each in got:
            frame("STREAM", b"", each.id)
        for piece in range(200):
            for each in got:
                frame("DATA", each.body * 100, each.id)
        for each in got:
            frame("END", b"", each.id)
        take()
        """,
        max_workers="1",
    )
    events = [Event(body=b"%d" % number) for number in range(3)]
    client.api.add(*events)
    assert [client.api.answer(event).body for event in events] == [event.body * 20_000 for event in events]


def test_a_worker_that_dies_with_several_events_open_loses_none_silently(client: Client) -> None:
    _several(
        client,
        3,
        """
        ready("3")
        got = []
        for event in frames():
            if event.body == b"1":
                answer(event)
                continue
            got.append(event)
            if len(got) == 3:
                sys.exit("all at once")
        """,
        max_workers="1",
    )
    events = [Event(body=b"die") for _ in range(3)]
    client.api.add(*events)
    for event in events:
        report = client.api.answer(event)
        assert report.kind == "error"
        assert report.header(_TYPE) == "Runtime.ExitError"
        assert "all at once" in report.json["errorMessage"]
    client.ask(b"1")
    client.may_tell()
    assert 1 <= len(client.lines) <= 3


def test_a_worker_that_dies_takes_no_other_with_it(client: Client) -> None:
    _several(client, 2, _TOGETHER.replace("answer(", "event.body == b'02' and os._exit(3)\n    answer("))
    dies, lives = Event(body=b"02"), Event(body=b"2")
    client.api.add(dies, lives)
    assert client.api.answer(dies).kind == "error"
    assert client.api.answer(lives).kind == "response"
    client.told("3")
    assert client.ask(b"1").kind == "response"


def test_lines_of_the_client_are_json_there(client: Client) -> None:
    _several(client, 2, _TOGETHER.replace("answer(", "os._exit(3)\n    answer("))
    event = Event(body=b"1")
    client.api.add(event)
    assert client.api.answer(event).kind == "error"
    line = json.loads(client.told(event.id))
    assert set(line) >= {"timestamp", "level", "message", "requestId"}
    assert line["requestId"] == event.id


@pytest.mark.parametrize("log_format", ["JSON", "Text"])
def test_the_format_of_the_log_is_lambdas(client: Client, log_format: str) -> None:
    client.environment["AWS_LAMBDA_LOG_FORMAT"] = log_format
    client.script('ready()\ntake()\nsys.exit("say \\"this\\" \\\\ é")')
    event = Event()
    client.api.add(event)
    client.api.answer(event)
    line = client.told()
    if log_format == "JSON":
        assert json.loads(line)["requestId"] == event.id
    else:
        assert line.startswith("imagekit: ")


@pytest.mark.parametrize("concurrency", ["1", "", "0", "-3", "many", "99999999999999999999"])
def test_a_number_that_is_none_means_one(client: Client, concurrency: str) -> None:
    _several(client, concurrency, _TOGETHER, max_workers="1")
    assert client.ask(b"1").kind == "response"
    client.api.wait_idle()
    assert client.api.waiting == 1
    client.may_tell()


def test_hundreds_at_once(client: Client) -> None:
    """One worker, 300 open events, 300 connections."""
    _several(client, 300, 'ready("300")\nfor event in frames():\n    answer(event, event.body)', max_workers="1")
    events = [Event(body=b"%d" % number) for number in range(900)]
    client.api.add(*events)
    assert all(client.api.answer(event).body == event.body for event in events)
    client.api.wait_idle(300)
    assert len({request.connection for request in client.api.requests}) <= 320
