"""A worker that is not read for a while: whatever happens meanwhile ends, and the next event is served."""

from __future__ import annotations

import base64
import json
import os
import signal
import time

import pytest

from tests.client.running import Client
from tests.support.runtime_api import Event, Reply

_TYPE = "lambda-runtime-function-error-type"
_BODY = "lambda-runtime-function-error-body"
#: Streams without an end for `flood`, and says its process id otherwise.
_FLOOD = """
ready()
for event in frames():
    if event.body != b"flood":
        answer(event, str(os.getpid()).encode())
        continue
    frame("STREAM", b"", event.id)
    while True:
        frame("DATA", b"x" * 50_000, event.id)
"""
#: Takes four events at once; answers `slow` only when it is cancelled, then late.
_SEVERAL = """
ready("4")
slow = set()
for event in frames():
    if event.kind == "CANCEL":
        answer(event, b"late")
    elif event.body == b"slow":
        slow.add(event.id)
    else:
        answer(event, str(os.getpid()).encode())
"""


def _soon(milliseconds: int) -> int:
    return int(time.time() * 1000) + milliseconds


def _stalled(client: Client, **fields: int) -> Event:
    """An event whose streamed answer is read to its 100,000th byte and no further."""
    event = Event(body=b"flood", response=Reply(stall=100_000), **fields)
    client.api.add(event)
    client.api.wait(lambda: any(post.size >= 100_000 for post in client.api.posts(event)), "no stream")
    return event


def test_a_stream_that_nobody_takes_is_given_up_at_its_deadline(client: Client) -> None:
    client.script(_FLOOD, deadline_margin="200")
    first = client.serves(b"who").body
    event = _stalled(client, deadline=_soon(1000))
    client.told("timed out", event.id)
    client.api.resume.set()
    answer = client.api.answer(event)
    assert answer.trailers[_TYPE] == "Function.Timeout"
    assert "timed out" in json.loads(base64.b64decode(answer.trailers[_BODY]))["errorMessage"]
    assert client.serves(b"who").body != first


def test_a_worker_that_dies_while_nobody_takes_its_stream_is_reported(client: Client) -> None:
    client.script(_FLOOD)
    first = int(client.serves(b"who").body)
    event = _stalled(client)
    os.kill(first, signal.SIGKILL)
    client.api.resume.set()
    answer = client.api.answer(event)
    assert answer.trailers[_TYPE] == "Runtime.ExitError"
    client.told("killed", event.id)
    assert int(client.serves(b"who").body) != first


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_stream_may_begin_before_the_event_is_read(client: Client, size: int) -> None:
    client.script(
        """
        ready()
        while True:
            header = b""
            while not header.endswith(b"\\n"):
                byte = os.read(READ, 1)
                if not byte:
                    sys.exit(0)
                header += byte
            _, length, id, *_ = header.decode().split()
            frame("STREAM", b"", id)
            frame("DATA", b"before", id)
            left = int(length)
            while left:
                left -= len(os.read(READ, left))
            frame("DATA", b" and after", id)
            frame("END", b"", id)
        """
    )
    for _ in range(2):
        assert client.serves(b"y" * size).body == b"before and after"


@pytest.mark.parametrize(
    ("does", "kind"),
    [("os._exit(3)", "Runtime.ExitError"), ("time.sleep(60)", "Function.Timeout")],
    ids=["dies", "takes too long"],
)
def test_an_event_that_comes_slowly_may_outlive_its_worker(client: Client, does: str, kind: str) -> None:
    """What went wrong is reported when the event has come: it and its answer share a connection."""
    client.script(
        f"""
        import time
        ready()
        while True:
            header = b""
            while not header.endswith(b"\\n"):
                byte = os.read(READ, 1)
                if not byte:
                    sys.exit(0)
                header += byte
            _, length, id, *_ = header.decode().split()
            if length != "1":
                {does}
            os.read(READ, 1)
            frame("OK", b"", id)
        """,
        deadline_margin="100",
    )
    client.serves(b"1")
    slow = Event(body=b"s" * 20_000, next=Reply(piece=1), deadline=_soon(150))
    client.api.add(slow)
    assert client.api.answer(slow).header(_TYPE) == kind
    client.told(slow.id)
    client.serves(b"1")
    client.serves(b"1")


def test_one_event_that_takes_too_long_costs_the_others_nothing(client: Client) -> None:
    client.environment["AWS_LAMBDA_MAX_CONCURRENCY"] = "4"
    client.script(_SEVERAL, max_workers="1", deadline_margin="100")
    first = client.serves(b"who").body
    for _ in range(6):
        slow = Event(body=b"slow", deadline=_soon(300))
        client.api.add(slow)
        assert client.serves(b"who").body == first
        assert client.api.answer(slow).header(_TYPE) == "Function.Timeout"
        assert client.serves(b"who").body == first
    # Its place is free again after each late answer, which is told as what it is.
    client.told("timed out", count=12)


def test_a_worker_whose_places_are_all_lost_is_replaced(client: Client) -> None:
    client.environment["AWS_LAMBDA_MAX_CONCURRENCY"] = "2"
    client.script(
        """
        ready("2")
        for event in frames():
            event.body == b"who" and answer(event, str(os.getpid()).encode())
        """,
        max_workers="1",
        deadline_margin="100",
    )
    first = client.serves(b"who").body
    for _ in range(2):
        slow = Event(body=b"slow", deadline=_soon(300))
        client.api.add(slow)
        assert client.api.answer(slow).header(_TYPE) == "Function.Timeout"
    assert client.serves(b"who").body != first
    client.told("timed out", count=2)
