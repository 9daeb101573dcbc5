"""What can go wrong with an answer once it is sent: one line in the log, no second POST, the next event is served."""

from __future__ import annotations

import pytest

from tests.client.running import ECHO, Client, sampled
from tests.support.runtime_api import LARGEST_ANSWER, Event, Reply

#: Answers with the text of the event, or with an error where it is `"fail"`.
_EITHER = """
ready()
for event in frames():
    if event.body == b'"fail"':
        frame("ERR", b'{"errorType": "E", "errorMessage": "m", "stackTrace": []}', event.id)
    else:
        answer(event, event.body)
"""
_KINDS = pytest.mark.parametrize("kind", ["response", "error"])


def _event(kind: str, reply: Reply) -> Event:
    return Event(body=b'"fail"' if kind == "error" else b'"fine"', response=reply, error=reply)


@_KINDS
@pytest.mark.parametrize("status", sampled([413, 400, 429, 403, 404], 3))
def test_a_refused_answer_is_told_and_the_next_event_is_served(client: Client, kind: str, status: int) -> None:
    client.script(_EITHER)
    client.serves()
    refused = _event(kind, Reply(status=status))
    client.api.add(refused)
    client.serves()
    client.told(str(status), refused.id)
    assert [post.kind for post in client.api.posts(refused)] == [kind]


@_KINDS
@pytest.mark.parametrize("status", sampled([500, 502, 503], 3))
def test_a_failure_of_the_environment_ends_the_client(client: Client, kind: str, status: int) -> None:
    """ "Container error. Non-recoverable state. Runtime should exit promptly.\""""
    client.script(_EITHER)
    client.serves()
    client.api.add(_event(kind, Reply(status=status)))
    assert client.wait() == 1
    client.told(str(status))


@pytest.mark.parametrize("kind", sampled(["response", "error"], 2))
@pytest.mark.parametrize(
    "reply",
    sampled(
        [
            pytest.param(Reply(hang_up=True), id="closed"),
            pytest.param(Reply(close=True), id="Connection: close"),
            pytest.param(Reply(chunks=(5,)), id="chunked"),
            pytest.param(Reply(chunks=(5,), close=True), id="chunked, Connection: close"),
            pytest.param(Reply(interim=2), id="100 Continue"),
            pytest.param(Reply(spelled=str.upper), id="UPPER"),
            pytest.param(Reply(body=b""), id="no body"),
            pytest.param(Reply(body=b"x" * 300_000), id="a long body"),
            pytest.param(Reply(piece=1), id="a byte a segment"),
            pytest.param(Reply(status=200), id="200"),
        ],
        2,
    ),
)
def test_an_accepted_answer_is_no_reason_for_a_line(client: Client, kind: str, reply: Reply) -> None:
    client.script(_EITHER)
    accepted = _event(kind, reply)
    client.api.add(accepted)
    client.serves()
    assert len(client.api.posts(accepted)) == 1


@_KINDS
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("cut", sampled([0, 1, 12, 40], 2))
def test_a_connection_that_ends_instead_of_an_answer_is_told(client: Client, kind: str, cut: int, reset: bool) -> None:
    client.script(_EITHER)
    client.serves()
    dropped = _event(kind, Reply(cut=cut, reset=reset))
    client.api.add(dropped)
    client.serves()
    client.told(dropped.id)
    assert len(client.api.posts(dropped)) == 1


@pytest.mark.parametrize("read", sampled([0, 1, 100_000, 3_000_000], 2))
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_connection_that_ends_in_the_middle_of_a_large_answer_is_told(client: Client, read: int, reset: bool) -> None:
    client.script(ECHO)
    dropped = Event(body=b"x" * 5_000_000, response=Reply(read=read, cut=0, reset=reset))
    client.api.add(dropped)
    client.serves()
    client.told(dropped.id)
    assert len(client.api.posts(dropped)) == 1


@pytest.mark.parametrize("read", [0, 100_000])
@pytest.mark.parametrize("close", [False, True], ids=["reads on", "closes"])
def test_an_answer_that_is_refused_before_it_was_read_blocks_nothing(client: Client, read: int, close: bool) -> None:
    """Servers refuse a body by its Content-Length; who writes all of it before looking at the answer hangs or dies."""
    client.script(ECHO)
    refused = Event(body=b"x" * 6_000_000, response=Reply(status=413, read=read, close=close))
    client.api.add(refused)
    client.serves()
    client.told(refused.id)
    assert [post.kind for post in client.api.posts(refused)] == ["response"]


def test_an_answer_that_is_too_large_is_never_sent(client: Client) -> None:
    client.script(
        f"""
        ready()
        for event in frames():
            answer(event, b"x" * {LARGEST_ANSWER + 1} if event.body == b"large" else b"x" * {LARGEST_ANSWER})
        """
    )
    refused = client.ask(b"large")
    assert refused.kind == "error"
    assert refused.header("Lambda-Runtime-Function-Error-Type") == "Function.ResponseSizeTooLarge"
    assert refused.json["errorType"] == "Function.ResponseSizeTooLarge"
    assert f"{LARGEST_ANSWER + 1}" in refused.json["errorMessage"]
    assert f"{LARGEST_ANSWER}" in refused.json["errorMessage"]
    client.told(refused.id)
    assert client.serves(b"small").size == LARGEST_ANSWER


def test_an_answer_that_is_far_too_large_is_read_and_dropped(client: Client) -> None:
    """100 MB without holding them: the worker has to get rid of its frame before it can go on."""
    client.script(
        """
        ready()
        for event in frames():
            if event.body == b"small":
                answer(event)
                continue
            write(b"OK %d %s\\n" % (100_000_000, event.id.encode()))
            for _ in range(100):
                write(b"x" * 1_000_000)
        """
    )
    assert client.ask(b"large").json["errorType"] == "Function.ResponseSizeTooLarge"
    client.told()
    client.serves(b"small")


def test_an_answer_to_the_answer_that_is_late_is_waited_for(client: Client) -> None:
    client.script(ECHO)
    slow = Event(body=b"1", response=Reply(delay=0.4))
    client.api.add(slow)
    client.serves()
    assert len(client.api.posts(slow)) == 1


def test_a_slow_reader_gets_the_whole_answer(client: Client) -> None:
    client.script(ECHO)
    slow = Event(body=b"y" * 6_000_000, response=Reply(stall=200_000))
    client.api.add(slow)
    client.api.wait(lambda: any(post.size >= 200_000 for post in client.api.posts(slow)), "nothing comes")
    client.api.resume.set()
    assert client.api.answer(slow).body == slow.body
    client.serves()


def test_an_event_that_is_delivered_twice_is_answered_twice_by_id(client: Client) -> None:
    """Its second answer is refused; that is told and nothing breaks."""
    client.script(ECHO)
    first = Event(body=b"1")
    client.api.add(first, first)
    client.serves()
    client.told("403", first.id)
    assert [post.status for post in client.api.posts(first)] == [202, 403]
