"""Streamed answers: as fast as the caller takes them, with errors in the trailers, in constant memory."""

from __future__ import annotations

import base64
import json
import time

import pytest

from tests.client.running import Client
from tests.support.runtime_api import LARGEST_ANSWER, Event, Reply

_TYPE = "lambda-runtime-function-error-type"
_BODY = "lambda-runtime-function-error-body"
#: Runs the event as a program between STREAM and END; `data` sends a piece.
_STREAM = """
import time
ready()
for event in frames():
    def data(piece):
        frame("DATA", piece, event.id)
    frame("STREAM", b"", event.id, "text/plain")
    exec(event.body)
    frame("END", b"", event.id)
"""


def test_a_stream_is_announced_as_lambda_wants_it(client: Client) -> None:
    client.script(_STREAM)
    answer = client.ask(b"data(b'one'); data(b'two')")
    assert answer.kind == "response"
    assert answer.body == b"onetwo"
    assert answer.header("Lambda-Runtime-Function-Response-Mode") == "streaming"
    assert answer.header("Transfer-Encoding") == "chunked"
    assert answer.header("Content-Length") is None
    assert answer.header("Content-Type") == "text/plain"
    declared = {name.strip().lower() for name in (answer.header("Trailer") or "").split(",")}
    assert declared == {_TYPE, _BODY}
    assert answer.trailers.get(_TYPE, "") == ""


def test_a_piece_is_there_before_the_next_one_is_made(client: Client) -> None:
    go = client.folder / "go"
    client.script(_STREAM)
    event = Event(body=f"data(b'one')\nwhile not os.path.exists({str(go)!r}): pass\ndata(b'two')".encode())
    client.api.add(event)
    client.api.wait(lambda: any(post.body == b"one" for post in client.api.posts(event)), "the first piece")
    go.touch()
    assert client.api.answer(event).body == b"onetwo"


@pytest.mark.parametrize("program", [b"", b"data(b'')", b"data(b''); data(b''); data(b'')"])
def test_a_stream_may_be_empty(client: Client, program: bytes) -> None:
    client.script(_STREAM)
    assert client.ask(program).body == b""
    assert client.ask(b"data(b'1'); data(b''); data(b'2')").body == b"12"


def test_many_small_and_a_few_large_pieces(client: Client) -> None:
    client.script(_STREAM)
    answer = client.ask(b"for n in range(3000): data(b'%d,' % n)")
    assert answer.body == b"".join(b"%d," % number for number in range(3000))
    answer = client.ask(b"data(bytes(range(256)) * 20_000); data(b'z' * 3_000_000)")
    assert answer.body == bytes(range(256)) * 20_000 + b"z" * 3_000_000


def test_a_stream_may_be_larger_than_an_answer(client: Client) -> None:
    client.script(_STREAM)
    answer = client.ask(b"for _ in range(300): data(b's' * 60_000)")
    assert answer.size == 18_000_000 > LARGEST_ANSWER
    assert answer.status == 202


def test_a_prelude_for_http_passes_as_it_is(client: Client) -> None:
    kind = "application/vnd.awslambda.http-integration-response"
    client.script(_STREAM.replace("text/plain", kind))
    answer = client.ask(b"""data(b'{"statusCode":201}' + bytes(8) + b'body')""")
    assert answer.header("Content-Type") == kind
    assert answer.body == b'{"statusCode":201}' + bytes(8) + b"body"


@pytest.mark.parametrize("field", ["Function.TooSad", "-", ""])
def test_an_error_in_a_stream_is_in_its_trailers(client: Client, field: str) -> None:
    error = {"errorType": "Sad", "errorMessage": "half way", "stackTrace": []}
    fields = f", {field!r}" if field else ""
    client.script(
        f"""
        ready()
        for event in frames():
            frame("STREAM", b"", event.id)
            frame("DATA", b"half", event.id)
            if event.body == b"sad":
                frame("FAIL", {json.dumps(error).encode()!r}, event.id{fields})
            else:
                frame("END", b"", event.id)
        """
    )
    answer = client.ask(b"sad")
    assert (answer.kind, answer.body) == ("response", b"half")
    assert answer.trailers[_TYPE] == (field if field.startswith("Function") else "Function.Unknown")
    assert json.loads(base64.b64decode(answer.trailers[_BODY], validate=True)) == error
    following = client.serves()
    assert following.connection != answer.connection, "Lambda wants that connection closed"


def test_an_error_of_a_stream_makes_no_header_of_its_own(client: Client) -> None:
    client.script(
        """
        ready()
        for event in frames():
            frame("STREAM", b"", event.id)
            frame("FAIL", b'{"x": "' + b"y" * 100_000 + b'"}', event.id, "Function.A%0D%0AX-Evil:%201")
        """
    )
    answer = client.ask()
    assert set(answer.trailers) <= {_TYPE, _BODY}
    assert answer.trailers[_TYPE] == "Function.Unknown"


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        pytest.param(b"data(b'half'); os._exit(7)", "Runtime.ExitError", id="exits"),
        pytest.param(b"data(b'half'); os.kill(os.getpid(), 9)", "Runtime.ExitError", id="killed"),
        pytest.param(b"data(b'half'); write(b'nonsense\\n'); take()", "Runtime.WorkerProtocolError", id="nonsense"),
        pytest.param(b"data(b'half'); frame('OK', b'', event.id); take()", "Runtime.WorkerProtocolError", id="OK"),
        pytest.param(
            b"data(b'half'); frame('STREAM', b'', event.id); take()", "Runtime.WorkerProtocolError", id="twice"
        ),
        pytest.param(b"data(b'half'); os.close(WRITE); time.sleep(60)", "Runtime.WorkerProtocolError", id="closes"),
    ],
)
def test_a_stream_whose_worker_fails_ends_with_an_error(client: Client, program: bytes, kind: str) -> None:
    client.script(_STREAM)
    answer = client.ask(program)
    assert answer.body == b"half"
    assert answer.trailers[_TYPE] == kind
    assert json.loads(base64.b64decode(answer.trailers[_BODY]))["errorType"] == kind
    client.told()
    assert client.ask(b"data(b'1')").body == b"1"


def test_a_stream_that_takes_too_long_ends_with_an_error(client: Client) -> None:
    client.script(_STREAM, deadline_margin="400")
    answer = client.ask(b"data(b'half'); time.sleep(60)", deadline=int(time.time() * 1000) + 800)
    assert answer.body == b"half"
    assert "timed out" in json.loads(base64.b64decode(answer.trailers[_BODY]))["errorMessage"]
    client.told()
    assert client.ask(b"data(b'1')").body == b"1"


def test_frames_after_the_end_are_dropped_with_one_line(client: Client) -> None:
    client.script(_STREAM + "    data(b'late')\n")
    assert client.ask(b"data(b'1')").body == b"1"
    client.told()
    assert client.ask(b"data(b'2')").body == b"2"
    client.may_tell()


def test_a_caller_that_takes_nothing_stops_the_worker(client: Client) -> None:
    """Back-pressure: what the worker has written is bounded by pipes and sockets, not by the client's memory."""
    progress = client.folder / "progress"
    client.script(_STREAM)
    program = (
        f"told = os.open({str(progress)!r}, os.O_CREAT | os.O_WRONLY)\n"
        "for n in range(2000):\n data(b'p' * 10_000); os.pwrite(told, b'%04d' % n, 0)"
    )
    event = Event(body=program.encode(), response=Reply(stall=100_000))
    client.api.add(event)
    client.api.wait(lambda: any(post.size >= 100_000 for post in client.api.posts(event)), "the beginning")
    seen, end = "", time.monotonic() + 60
    while (now := progress.read_text()) != seen or not now:
        assert time.monotonic() < end, "the worker is never stopped"
        seen = now
        time.sleep(0.1)
    assert int(seen) < 1500
    assert client.holds_less_than(3000)
    client.api.resume.set()
    assert client.api.answer(event).size == 20_000_000


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(read=200_000, cut=0), id="closed"),
        pytest.param(Reply(read=200_000, cut=0, reset=True), id="reset"),
        pytest.param(Reply(read=200_000, status=413, close=True), id="413, closed"),
        pytest.param(Reply(read=200_000, status=413), id="413, reads on"),
        pytest.param(Reply(status=403), id="403 at the end"),
    ],
)
def test_a_caller_that_goes_away_is_told_and_the_next_event_is_served(client: Client, reply: Reply) -> None:
    client.script(_STREAM)
    event = Event(body=b"for _ in range(100): data(b'g' * 50_000)", response=reply)
    client.api.add(event)
    assert client.ask(b"data(b'1')").body == b"1"
    client.told(event.id)
    assert len(client.api.posts(event)) == 1


@pytest.mark.parametrize("megabytes", [30, pytest.param(1000, marks=pytest.mark.real)])
def test_memory_is_flat_however_long_a_stream_is(client: Client, megabytes: int) -> None:
    client.script(_STREAM)
    client.ask(b"data(b'1')")
    before = client.resident()
    event = Event(body=f"for _ in range({megabytes * 10}): data(b'm' * 100_000)".encode())
    client.api.add(event)
    most = before
    end = time.monotonic() + 120
    while not any(post.complete for post in client.api.posts(event)):
        most = max(most, client.resident())
        assert time.monotonic() < end
        time.sleep(0.01)
    assert client.api.answer(event).size == megabytes * 1_000_000
    assert most - before < 1024
