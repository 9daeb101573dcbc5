"""Several execution environments, several events in one, and events that wait."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagekit.emulator.happenings import EnvironmentStarted, InvocationBegun
from tests.emulator.conftest import Local

SLOW = """
    while True:
        event = take()
        time.sleep(0.15)
        respond(event, str(os.getpid()).encode())
"""
PATH = "/2015-03-31/functions/f/invocations"


def ask(url: str, body: bytes = b"{}") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    try:
        connection.request("POST", PATH, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ask_at_once(url: str, count: int) -> list[tuple[int, bytes]]:
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda _: ask(url), range(count)))


def test_events_at_once_have_an_environment_each(local: Local) -> None:
    local.script(SLOW, environments=4)
    url = local.serve()
    answers = ask_at_once(url, 4)
    assert [status for status, _ in answers] == [200] * 4
    assert len({pid for _, pid in answers}) == 4
    assert len(local.heard.of(EnvironmentStarted)) == 4
    assert len({item.environment for item in local.heard.of(InvocationBegun)}) == 4


def test_events_one_after_the_other_share_the_first(local: Local) -> None:
    local.script("echo()", environments=4)
    url = local.serve()
    for _ in range(5):
        ask(url)
    assert len(local.heard.of(EnvironmentStarted)) == 1


def test_events_beyond_the_environments_wait_their_turn(local: Local) -> None:
    local.script(SLOW, environments=2)
    url = local.serve()
    answers = ask_at_once(url, 6)
    assert Counter(status for status, _ in answers) == {200: 6}
    assert len({pid for _, pid in answers}) == 2
    assert len(local.heard.of(EnvironmentStarted)) == 2


def test_more_events_than_may_wait_are_refused(local: Local) -> None:
    local.script(SLOW, environments=1, waiting=2)
    url = local.serve()
    counts = Counter(status for status, _ in ask_at_once(url, 8))
    assert counts[200] >= 2
    assert counts[429] >= 8 - 2 - 2
    assert counts[200] + counts[429] == 8


def test_one_environment_that_crashes_leaves_the_others_alone(local: Local) -> None:
    local.script(
        """
        while True:
            event = take()
            if event.body == b'"crash"':
                os._exit(1)
            time.sleep(0.3)
            respond(event, event.body)
        """,
        environments=3,
    )
    url = local.serve()
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(lambda body: ask(url, body), [b"1", b'"crash"', b"2"]))
    assert [answers[0][1], answers[2][1]] == [b"1", b"2"]
    assert b"Runtime.ExitError" in answers[1][1]


CONCURRENT = """
    import threading
    note(os.environ["AWS_LAMBDA_MAX_CONCURRENCY"], os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"])
    def serve():
        own = Api()
        while True:
            event = own.call("GET", f"{RUNTIME}/invocation/next")
            if event.body == b'"slow"':
                time.sleep(2)
            time.sleep(0.2)
            own.call("POST", f"{RUNTIME}/invocation/{event.id}/response", event.body)
    for _ in range(int(os.environ["AWS_LAMBDA_MAX_CONCURRENCY"])):
        threading.Thread(target=serve).start()
"""


def test_one_environment_takes_several_events_at_once(local: Local) -> None:
    local.script(CONCURRENT, concurrency=8)
    url = local.serve()
    ask(url)
    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: ask(url, b"%d" % number), range(8)))
    assert answers == [(200, b"%d" % number) for number in range(8)]
    assert time.monotonic() - began < 1.2
    assert len(local.heard.of(EnvironmentStarted)) == 1
    assert local.notes == ["8 lambda-managed-instances"]


def test_a_timeout_among_several_events_leaves_the_others_alone(local: Local) -> None:
    local.script(CONCURRENT, concurrency=4, timeout=0.8)
    url = local.serve()
    answers: dict[bytes, bytes] = {}

    def one(body: bytes) -> None:
        answers[body] = ask(url, body)[1]

    threads = [threading.Thread(target=one, args=(body,)) for body in (b'"slow"', b"1", b"2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers[b"1"], answers[b"2"]) == (b"1", b"2")
    assert b"Task timed out after 0.80 seconds" in answers[b'"slow"']
    assert ask(url, b"3") == (200, b"3")
    assert len(local.notes) == 1


def test_an_init_that_never_ends_is_no_end_for_several_events(local: Local) -> None:
    local.script("time.sleep(60)", concurrency=4, init_timeout=0.2, timeout=0.4)
    url = local.serve()
    for _, body in (*ask_at_once(url, 3), ask(url)):
        assert b"Sandbox.Timedout" in body


def test_events_that_wait_when_all_is_closed_are_answered(local: Local) -> None:
    local.script("take(); time.sleep(60)", timeout=60)
    url = local.serve()
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(ask, url) for _ in range(2)]
        local.until(lambda: local.heard.of(InvocationBegun))
        time.sleep(0.1)
        local.close()
        statuses = sorted(item.result()[0] for item in asked)
    assert statuses == [200, 500]


@pytest.mark.parametrize("environments", [1, 3])
def test_the_first_environment_can_be_made_before_any_event(local: Local, environments: int) -> None:
    local.script("echo()", environments=environments)
    local.function.warm()
    url = local.serve()
    local.until(lambda: local.heard.of(EnvironmentStarted))
    assert ask(url, b"1") == (200, b"1")
    assert len(local.heard.of(EnvironmentStarted)) == 1
