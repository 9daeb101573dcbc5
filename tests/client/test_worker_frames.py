"""Workers without the client: what it would never let them see in a test with it (docs/frames.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.client.workers import Worker, rows
from tests.support.frames import Driven, Frame
from tests.support.runtime_api import lambda_environment


@pytest.fixture(params=rows())
def worker(request: pytest.FixtureRequest) -> Worker:
    row: Worker = request.param
    return row


@pytest.fixture
def drive(worker: Worker, tmp_path: Path) -> Iterator[Callable[[str], Driven]]:
    """Start the worker with a function of `cases` as the handler; it has said READY."""
    with ExitStack() as stack:

        def begin(handler: str) -> Driven:
            runtime, task = tmp_path / "runtime", tmp_path / "task"
            runtime.mkdir()
            task.mkdir()
            worker.handlers(task)
            settings = {"LAMBDA_TASK_ROOT": str(task), "_HANDLER": handler, "PYTHONDONTWRITEBYTECODE": "1"}
            environment = {**lambda_environment("127.0.0.1:1"), **settings, **worker.environment}
            driven = stack.enter_context(Driven(worker.install(runtime), environment, channel=worker.channel))
            assert driven.frame().type == "READY"
            return driven

        yield begin


Drive = Callable[[str], Driven]


def test_an_id_is_given_back_as_it_came(drive: Drive) -> None:
    """It is opaque; who decodes and encodes it again may write it differently."""
    driven = drive("cases.same")
    for id in ("plain", "%41%20b", "%2d", "%2D", "a=b&c/d", "x" * 1000):
        answer = driven.ask(id, b"1")
        assert (answer.type, answer.id, answer.body) == ("OK", id, b"1")


def test_frames_of_an_unknown_type_are_skipped(drive: Drive) -> None:
    driven = drive("cases.same")
    driven.send(Frame(type="FUTURE", fields=("a", "b"), body=b"INVOKE 0 x\n" * 1000), Frame(type="Z"))
    assert driven.ask("1", b"2").body == b"2"
    driven.send(Frame(type="PING", body=b"\n"))
    assert driven.ask("2", b"3").body == b"3"


def test_fields_that_are_left_out_are_absent_and_those_unknown_ignored(drive: Drive) -> None:
    driven = drive("cases.same")
    assert driven.ask("1", b"2").body == b"2"
    assert driven.ask("2", b"3", *["1"] * 40).body == b"3"


def test_a_cancel_for_an_event_that_is_over_changes_nothing(drive: Drive) -> None:
    driven = drive("cases.same")
    driven.ask("1", b"2")
    driven.send(Frame(type="CANCEL", fields=("1",)))
    assert driven.ask("2", b"3").body == b"3"


def test_it_is_ready_again_after_a_restore(drive: Drive) -> None:
    driven = drive("cases.same")
    driven.send(Frame(type="RESTORE"))
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"2").body == b"2"


def test_the_end_of_file_is_its_end(drive: Drive) -> None:
    driven = drive("cases.same")
    driven.ask("1", b"2")
    driven.close()
    assert driven.process.wait(30) == 0


def test_events_that_come_at_once_are_all_answered(drive: Drive) -> None:
    driven = drive("cases.same")
    driven.send(*(Frame(type="INVOKE", fields=(str(number),), body=b"%d" % number) for number in range(50)))
    answers = {answer.id: answer.body for answer in (driven.frame() for _ in range(50))}
    assert answers == {str(number): b"%d" % number for number in range(50)}


def test_nothing_is_said_unasked(drive: Drive) -> None:
    driven = drive("cases.same")
    assert driven.silent()
    driven.ask("1", b"2")
    assert driven.silent()
