"""BYE: a worker that takes no more events, and workers that are of no use."""

from __future__ import annotations

import pytest

from tests.client.running import Client
from tests.support.runtime_api import Event

_LEAVES = """
import time
ready()
for event in frames():
    if event.body == b"leave":
        frame("BYE", b"")
        answer(event, str(os.getpid()).encode())
        time.sleep(float(os.environ.get('LINGERS', '0.02')))
        os._exit(1)
    answer(event, str(os.getpid()).encode())
"""


@pytest.mark.parametrize("lingers", ["0", "0.02"])
def test_an_event_after_bye_goes_to_another_worker_and_the_end_is_no_error(client: Client, lingers: str) -> None:
    client.environment["LINGERS"] = lingers
    client.script(_LEAVES)
    events = [Event(body=body) for body in (b"1", b"leave", b"2", b"leave", b"leave", b"3")]
    client.api.add(*events)
    answers = [client.api.answer(event) for event in events]
    assert [answer.kind for answer in answers] == ["response"] * 6
    pids = [answer.body for answer in answers]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4] != pids[5]


def test_a_worker_that_lingers_after_bye_is_ended(client: Client) -> None:
    client.environment["LINGERS"] = "60"
    client.script(_LEAVES)
    client.serves(b"leave")
    client.serves(b"1")
    client.api.wait(lambda: len(client.processes()) == 1, "the end of the first worker")


def test_what_is_open_at_bye_is_still_answered_while_others_go_elsewhere(client: Client) -> None:
    client.environment["AWS_LAMBDA_MAX_CONCURRENCY"] = "2"
    client.environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] = "64"
    client.script(
        """
        ready("2")
        slow = None
        for event in frames():
            if event.body == b"slow":
                slow = event
                frame("BYE", b"")
            else:
                answer(event)
        if slow is not None:
            answer(slow)
        """
    )
    slow = Event(body=b"slow")
    client.api.add(slow)
    client.api.wait(lambda: len(client.processes()) == 2, "another worker")
    client.serves(b"1")
    client.may_lose = True
    client.may_tell()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("ready()\nos._exit(6)", id="ends"),
        pytest.param("ready()\nframe('BYE', b'')\nos._exit(0)", id="BYE"),
        pytest.param("frame('BYE', b'')\ntake()", id="BYE before READY"),
    ],
)
@pytest.mark.parametrize("channel", ["pipes", "socket"])
def test_a_worker_that_never_takes_an_event_ends_the_client_soon(client: Client, script: str, channel: str) -> None:
    client.may_lose = True
    client.script(script, channel=channel)
    client.api.add(*(Event() for _ in range(8)))
    assert client.wait() == 1
    client.may_tell()
    assert len(client.api.of_kind("error")) <= 2
