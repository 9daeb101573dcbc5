"""What `next` may look like on the wire, and how it may end: facts of HTTP, not of any worker."""

from __future__ import annotations

import json

import pytest

from tests.client.running import ECHO, Client, sampled
from tests.support.runtime_api import Event, Reply

_BODY = json.dumps({"text": "Zoë, 日本語 🎉", "list": list(range(900))}).encode()


@pytest.mark.parametrize(
    "reply",
    sampled(
        [
            pytest.param(Reply(), id="content-length"),
            pytest.param(Reply(chunks=(1,)), id="chunks of 1"),
            pytest.param(Reply(chunks=(2048,)), id="chunks of 2048"),
            pytest.param(Reply(chunks=(7, 1, 4096, 33)), id="uneven chunks"),
            pytest.param(Reply(chunks=(100,), trailers={"X-Sum": "1", "x-more": ""}), id="trailers"),
            pytest.param(Reply(interim=1), id="100 Continue"),
            pytest.param(Reply(interim=3, chunks=(50,)), id="100 Continue thrice, chunks"),
            pytest.param(Reply(spelled=str.upper), id="UPPER"),
            pytest.param(Reply(spelled=str.lower, chunks=(1000,)), id="lower"),
            pytest.param(Reply(padding=1 << 20), id="1 MiB of head"),
            pytest.param(Reply(piece=1), id="a byte a segment"),
            pytest.param(Reply(piece=1, chunks=(5,)), id="a byte a segment, chunks"),
            pytest.param(Reply(piece=4096, padding=70_000), id="head in several segments"),
            pytest.param(Reply(close=True), id="Connection: close"),
            pytest.param(Reply(close=True, chunks=(512,)), id="Connection: close, chunks"),
            pytest.param(Reply(hang_up=True), id="closed without a word"),
            pytest.param(Reply(headers={"Date": "Mon, 23 Nov 2026 10:00:00 GMT", "X-Empty": ""}), id="other headers"),
        ],
        2,
    ),
)
def test_an_event_is_read_however_it_is_framed(client: Client, reply: Reply) -> None:
    body = _BODY[:300] if reply.piece == 1 else _BODY
    client.script(ECHO)
    assert client.ask(body, next=reply).body == body
    assert client.serves(b"2").body == b"2"


@pytest.mark.parametrize("chunked", [(), (3000,)], ids=["content-length", "chunks"])
@pytest.mark.parametrize("size", sampled([0, 1, 65_535, 65_536, 65_537, 6 << 20], 5))
def test_an_event_of_any_size_comes_back(client: Client, size: int, chunked: tuple[int, ...]) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    client.script(ECHO)
    assert client.ask(body[:size], next=Reply(chunks=chunked)).body == body[:size]
    client.serves()


def test_one_connection_serves_all_events(client: Client) -> None:
    client.script(ECHO)
    for number in range(50):
        assert client.ask(b"%d" % number).body == b"%d" % number
    client.api.wait_idle()
    assert {request.connection for request in client.api.requests} == {0}
    assert len(client.api.of_kind("next")) == 51


def test_next_is_asked_with_nothing_but_what_it_needs(client: Client) -> None:
    client.script(ECHO)
    client.serves()
    first = client.api.wait_for("next")
    assert first.size == 0
    assert first.header("Content-Length") is None
    assert first.header("Expect") is None
    answer = client.api.wait_for("response")
    assert answer.header("Expect") is None
    assert answer.header("Content-Type") == "application/json"


@pytest.mark.parametrize(
    "chunked", sampled([pytest.param((), id="content-length"), pytest.param((16,), id="chunks")], 2)
)
def test_an_answer_that_ends_at_any_byte_never_reaches_the_handler_in_part(
    client: Client, chunked: tuple[int, ...]
) -> None:
    """Every byte of the head and the body: whole events are answered, parts of them are not served as events."""
    client.may_lose = True
    client.script(ECHO)
    whole = Event(body=b'{"whole": "event"}', next=Reply(chunks=chunked)).message
    for cut in range(len(whole)):
        broken = Event(body=b'{"whole": "event"}', next=Reply(chunks=chunked, cut=cut))
        client.api.add(broken)
        assert client.serves(b"%d" % cut).body == b"%d" % cut
        assert [post.kind for post in client.api.posts(broken)] in ([], ["error"]), f"cut after {cut} bytes"
    # Before the first byte nothing is lost; after it, each is told once.
    client.told(count=len(whole) - 1)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_connection_that_ends_while_next_waits_is_made_again(client: Client, reset: bool) -> None:
    """Environments are frozen and thawed: connections end and nobody did anything wrong."""
    client.script(ECHO)
    for number in range(3):
        client.api.add(Reply(cut=0, reset=reset))
        client.serves(b"%d" % number)
    assert len({request.connection for request in client.api.requests}) == 4


@pytest.mark.parametrize("status", sampled([204, 301, 400, 403, 404, 418, 500, 502, 503], 3))
def test_any_other_status_of_next_ends_the_client(client: Client, status: int) -> None:
    client.script(ECHO)
    client.serves()
    client.api.add(Reply(status=status))
    assert client.wait() == 1
    client.told(str(status))


@pytest.mark.parametrize(
    "raw",
    sampled(
        [
            pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", id="another protocol"),
            pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="no length"),
            pytest.param(b"HTTP/1.1 twohundred OK\r\nContent-Length: 0\r\n\r\n", id="status in words"),
            pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", id="no request id"),
            pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", id="negative length"),
            pytest.param(
                b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", id="length beyond 64 bits"
            ),
            pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", id="two lengths"),
            pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", id="chunk size in letters"),
            pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", id="huge chunk"),
            pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabX", id="chunk without its end"),
            pytest.param(b"HTTP/1.1 200 OK\r\n" + b"A: " + b"a" * (5 << 20), id="a head of 5 MiB"),
            pytest.param(b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n", id="a line without a colon"),
            pytest.param(b"\x00" * 100_000 + b"\r\n\r\n", id="zeros"),
        ],
        2,
    ),
)
def test_what_is_no_answer_to_next_ends_the_client_with_one_line(client: Client, raw: bytes) -> None:
    client.script(ECHO)
    client.api.add(Reply(raw=raw, hang_up=True))
    assert client.wait() == 1
    client.told()


@pytest.mark.parametrize("id", sampled(["a/../b", "a b", "a\tb", "a?b", ""], 2))
def test_a_request_id_that_fits_into_no_path_ends_the_client(client: Client, id: str) -> None:
    client.may_lose = True
    client.script(ECHO)
    client.api.add(Event(id=id))
    assert client.wait() == 1
    client.told()


def test_an_api_that_is_gone_ends_the_client(client: Client) -> None:
    client.script(ECHO)
    client.serves()
    client.api.wait_idle()
    client.api.vanish()
    assert client.wait() == 1
    client.told()


def test_answers_are_one_segment_each(client: Client) -> None:
    """Head and body in two writes would cost 40 ms: Nagle's algorithm and delayed acknowledgements."""
    client.script(ECHO)
    client.serves()
    took = []
    for _ in range(20):
        answer = client.serves(b"x" * 1000)
        took.append(answer.ended - answer.began)
    assert sorted(took)[10] < 0.03
