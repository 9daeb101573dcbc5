"""What a worker may and may not say, and what the client makes of it (docs/frames.md)."""

from __future__ import annotations

import json
import time

import pytest

from tests.client.running import ECHO, Client, sampled
from tests.support.runtime_api import LARGEST_ANSWER, Event, Reply

_TYPE = "Lambda-Runtime-Function-Error-Type"
_NONSENSE = [
    pytest.param(b"Traceback (most recent call last):\n", id="text"),
    pytest.param(b"\n", id="an empty line"),
    pytest.param(b"OK\n", id="no length"),
    pytest.param(b"OK x id\n", id="length in letters"),
    pytest.param(b"OK 00 id\n", id="leading zeros"),
    pytest.param(b"OK +1 id\nx", id="plus sign"),
    pytest.param(b"OK -1 id\n", id="minus sign"),
    pytest.param(b"OK 0x1 id\nx", id="hexadecimal"),
    pytest.param(b"OK 99999999999999999999 id\n", id="length beyond 64 bits"),
    pytest.param(b"ok 0 id\n", id="lower case"),
    pytest.param(b" OK 0 id\n", id="a space first"),
    pytest.param(b"OK  0 id\n", id="two spaces"),
    pytest.param(b"OK 0 id \n", id="a space at the end"),
    pytest.param(b"OK 0 id\r\n", id="CR LF"),
    pytest.param(b"OK\t0 id\n", id="a tab"),
    pytest.param(b"OK 0 i\x00d\n", id="a NUL"),
    pytest.param("OK 0 ïd\n".encode(), id="beyond ASCII"),
    pytest.param(b"OK 0\n", id="an answer without an id"),
    pytest.param(b"OK 0 -\n", id="an answer to the absent id"),
    pytest.param(b"OK 0 id %\n", id="a percent sign alone"),
    pytest.param(b"OK 0 id %4\n", id="half a percent-encoding"),
    pytest.param(b"OK 0 id %zz\n", id="no percent-encoding"),
    pytest.param(b"x" * 70_000 + b"\n", id="a header of 70,000 bytes"),
    pytest.param(b"X" * 1_000_000, id="a header without an end"),
    pytest.param(bytes(range(256)) * 10, id="all bytes"),
]


# What a worker is told.


def test_the_worker_sees_the_event_and_all_that_comes_with_it(client: Client) -> None:
    client.script(
        """
        import json
        ready()
        for event in frames():
            answer(event, json.dumps([event.kind, *event.fields]).encode())
        """
    )
    event = Event(
        deadline=1_234_567_890_123,
        arn="arn:aws:lambda:eu-west-1:123456789012:function:größe:1",
        trace="Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
        tenant="-",
        cognito='{"cognitoIdentityId": "eu-west-1:1", "note": "100%"}',
        client_context="",
        content_type="text/plain; charset=utf-8",
    )
    client.api.add(event)
    assert client.api.answer(event).json == [
        *("INVOKE", event.id, "1234567890123", "arn:aws:lambda:eu-west-1:123456789012:function:gr%C3%B6%C3%9Fe:1"),
        *(event.trace, "%2D", '{"cognitoIdentityId":%20"eu-west-1:1",%20"note":%20"100%25"}', "-"),
        "text/plain;%20charset=utf-8",
    ]


def test_the_worker_has_its_descriptors_and_no_others(client: Client) -> None:
    client.settings["directory"] = str(client.folder)
    client.script(
        """
        import json
        ready()
        for event in frames():
            listed = sorted(int(name) for name in os.listdir("/proc/self/fd"))
            seen = {"fds": os.environ["IMAGEKIT_FDS"], "open": listed, "stdin": os.readlink("/proc/self/fd/0")}
            answer(event, json.dumps({**seen, "cwd": os.getcwd(), "handler": os.environ["_HANDLER"]}).encode())
        """
    )
    seen = client.ask().json
    assert seen["fds"] == "3,4"
    # One more: the folder that is being listed.
    assert len(seen["open"]) == 6
    assert set(seen["open"]) >= {0, 1, 2, 3, 4}
    assert (seen["stdin"], seen["cwd"], seen["handler"]) == ("/dev/null", str(client.folder), "main.handler")


def test_a_worker_may_ask_for_a_socket(client: Client) -> None:
    client.script(
        """
        import stat
        ready()
        for event in frames():
            kind = stat.S_ISSOCK(os.fstat(READ).st_mode)
            answer(event, f'["{os.environ["IMAGEKIT_FDS"]}", {int(kind)}]'.encode())
        """,
        channel="socket",
    )
    assert client.ask().json == ["3,3", 1]
    client.serves(b"x" * 6_000_000)


#: Reads header lines in blocks and answers each event with how many blocks its line had.
_BLOCKS = """
size = int(os.environ["IMAGEKIT_HEADER_BLOCK"])
ready("2")  # one that gives up an event is not ended for it
line = b""
while block := os.read(READ, size):
    assert len(block) == size, block
    line += block
    if not block.endswith(b"\\n"):
        continue
    kind, length, *fields = line.decode().split()
    os.write(2, line.rstrip() + b"|\\n")
    if kind == "RESTORE":
        ready("2")
    elif kind == "INVOKE":
        event = Frame(kind, fields, os.read(READ, int(length)))
        if event.body != b"slow":
            answer(event, b"%d" % (len(line) // size))
    line = b""
"""


@pytest.mark.parametrize("size", [1, 2, 64, 320, 4096])
def test_header_lines_may_be_padded_to_blocks(client: Client, size: int) -> None:
    client.script(_BLOCKS, header_block=str(size))
    for arn in ("", *("x" * length for length in range(1, 70)), "y" * 5000):
        event = Event(body=b"1", arn=arn)
        client.api.add(event)
        line = int(client.api.answer(event).body) * size
        assert 60 + len(arn) < line < 200 + len(arn) + size


def test_a_block_says_restore_and_cancel_too(client: Client) -> None:
    client.environment["AWS_LAMBDA_INITIALIZATION_TYPE"] = "snap-start"
    client.script(_BLOCKS, header_block="512", deadline_margin="400")
    client.serves(b"1")
    slow = Event(body=b"slow", deadline=int(time.time() * 1000) + 600)
    client.api.add(slow)
    assert client.api.answer(slow).kind == "error"
    client.serves(b"1")
    assert "RESTORE 0|" in client.err
    client.api.wait(lambda: f"CANCEL 0 {slow.id}|" in client.err, "CANCEL")
    client.may_tell()


def test_without_a_block_nothing_is_padded_and_no_variable_says_so(client: Client) -> None:
    client.environment["IMAGEKIT_HEADER_BLOCK"] = "64"
    client.script(
        """
        ready()
        for event in frames():
            answer(event, repr(["IMAGEKIT_HEADER_BLOCK" in os.environ, "" in event.fields]).encode())
        """
    )
    assert client.serves(b"1").body == b"[False, False]"


# READY and INITERR.


def test_next_is_asked_after_ready_and_not_before(client: Client) -> None:
    go = client.folder / "go"
    client.script(
        f"""
        while not os.path.exists({str(go)!r}):
            pass
        {ECHO.replace(chr(10), chr(10) + " " * 8)}
        """
    )
    time.sleep(0.2)
    assert client.api.requests == []
    go.touch()
    client.serves()


def test_an_initialisation_that_failed_is_reported(client: Client) -> None:
    client.script(
        """
        frame("INITERR", b'{"errorType": "ImportError", "errorMessage": "no main", "stackTrace": ["a"]}', "Runtime.Bad")
        take()
        """
    )
    assert client.wait() == 1
    report = client.api.wait_for("init_error")
    assert report.json == {"errorType": "ImportError", "errorMessage": "no main", "stackTrace": ["a"]}
    assert report.header(_TYPE) == "Runtime.Bad"
    assert client.api.of_kind("next") == []
    client.told("no main")


@pytest.mark.parametrize("after", ["0 1 future", "0", "0 4", "0 -"])
def test_ready_may_say_more(client: Client, after: str) -> None:
    client.script(f'write(b"READY {after}\\n")\nfor event in frames():\n    answer(event, event.body)')
    client.serves()
    client.api.wait_idle()
    assert client.api.waiting == 1


@pytest.mark.parametrize("count", sampled(["0", "-1", "x", "99999999999999999999", "1.5", "%31"], 3))
def test_ready_for_no_number_of_events_is_nonsense(client: Client, count: str) -> None:
    client.script(f'ready("{count}")\ntake()')
    assert client.wait() == 1
    assert client.api.wait_for("init_error").json["errorType"] == "Runtime.WorkerProtocolError"
    client.told()


@pytest.mark.parametrize("nonsense", sampled(_NONSENSE[::4], 3))
def test_nonsense_instead_of_ready_is_reported_as_failed_initialisation(client: Client, nonsense: bytes) -> None:
    client.script(f"write({nonsense!r})\ntake()")
    assert client.wait() == 1
    report = client.api.wait_for("init_error")
    assert report.header(_TYPE) == "Runtime.WorkerProtocolError"
    assert report.json["errorType"] == "Runtime.WorkerProtocolError"
    assert len(report.body) < 4000
    client.told()


# Answers.


@pytest.mark.parametrize("nonsense", sampled(_NONSENSE, 3))
def test_nonsense_instead_of_an_answer_ends_the_worker_and_not_the_client(client: Client, nonsense: bytes) -> None:
    client.script(
        f"""
        ready()
        for event in frames():
            if event.body == b"bad":
                write({nonsense!r})
                take()
            answer(event, str(os.getpid()).encode())
        """
    )
    first = client.serves().body
    report = client.ask(b"bad")
    assert report.kind == "error"
    assert report.header(_TYPE) == "Runtime.WorkerProtocolError"
    assert report.json["errorType"] == "Runtime.WorkerProtocolError"
    client.told(report.id)
    assert client.serves().body != first


def test_the_report_shows_how_the_nonsense_began_without_its_control_characters(client: Client) -> None:
    client.script('ready()\ntake()\nwrite(b"\\x1b[31mprint in a worker \\"%s\\"\\x07\\n")\ntake()')
    report = client.ask()
    assert "print in a worker" in report.json["errorMessage"]
    line = client.told("print in a worker")
    assert line.isprintable()


def test_a_type_that_is_not_known_is_skipped(client: Client) -> None:
    client.script(
        """
        write(b"HELLO 5 a b c\\nworld")
        ready()
        for event in frames():
            write(b"METRIC 12 %s\\nOK 0 id\\nEND\\n" % event.id.encode())
            answer(event, event.body)
            write(b"ZEBRA 0\\nA 100000\\n" + b"z" * 100_000)
        """
    )
    assert client.serves(b"1").body == b"1"
    assert client.serves(b"2").body == b"2"


def test_fields_that_are_not_known_are_ignored(client: Client) -> None:
    client.script('ready()\nfor event in frames():\n    answer(event, b"1", "text/plain", "future", "-", "%20")')
    answer = client.serves()
    assert (answer.body, answer.header("Content-Type")) == (b"1", "text/plain")


@pytest.mark.parametrize(
    ("field", "wanted"),
    [("text/plain;%20charset=utf-8", "text/plain; charset=utf-8"), ("-", "text/csv"), ("image%2Fpng", "image/png")],
)
def test_the_content_type_is_the_workers_or_the_configured_one(client: Client, field: str, wanted: str) -> None:
    client.script(f"ready()\nfor event in frames():\n    answer(event, b'1', '{field}')", content_type="text/csv")
    assert client.serves().header("Content-Type") == wanted


@pytest.mark.parametrize("evil", ["a%0D%0AX-Evil:%20yes", "a%0AX-Evil:yes", "%00", "a%0D%0A%0D%0AGET%20/%20HTTP/1.1"])
@pytest.mark.parametrize("kind", ["OK", "STREAM"])
def test_a_content_type_makes_no_header_of_its_own(client: Client, kind: str, evil: str) -> None:
    client.script(
        f"""
        ready()
        for event in frames():
            frame("{kind}", b"", event.id, "{evil}" if event.body == b"evil" else "text/plain")
            "{kind}" == "STREAM" and frame("END", b"", event.id)
        """
    )
    answer = client.ask(b"evil")
    assert answer.header("X-Evil") is None
    assert not any(ord(char) < 32 for _, value in answer.headers for char in value)
    client.serves()
    client.api.wait_idle()
    client.may_tell()


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("Function.ValueError", "Function.ValueError"),
        ("Runtime.HandlerNotFound", "Runtime.HandlerNotFound"),
        ("-", "Function.Unknown"),
        ("", "Function.Unknown"),
        ("ValueError", "Function.Unknown"),
        ("Function.value", "Function.Unknown"),
        ("Sandbox.Timeout", "Function.Unknown"),
        ("Function.A%0D%0AX-Evil:1", "Function.Unknown"),
        ("Function." + "A" * 10_000, "Function.Unknown"),
    ],
)
def test_an_error_has_a_type_that_lambda_counts(client: Client, field: str, wanted: str) -> None:
    error = b'{"errorType": "ValueError", "errorMessage": "no", "stackTrace": ["a", "b"]}'
    fields = f", {field!r}" if field else ""
    client.script(f'ready()\nfor event in frames():\n    frame("ERR", {error!r}, event.id{fields})')
    report = client.ask()
    assert report.kind == "error"
    assert report.header(_TYPE) == wanted
    assert report.body == error
    if cause := report.header("Lambda-Runtime-Function-XRay-Error-Cause"):
        assert len(cause) < 1 << 20
        json.loads(cause)


def test_an_error_that_is_too_large_is_still_an_error(client: Client) -> None:
    client.script(
        """
        ready()
        for event in frames():
            if event.body == b"bad":
                frame("ERR", b'{"errorMessage": "' + b"x" * 20_000_000 + b'"}', event.id)
            else:
                answer(event)
        """
    )
    report = client.ask(b"bad")
    assert report.kind == "error"
    assert report.size <= LARGEST_ANSWER
    client.serves()
    client.may_tell()


@pytest.mark.parametrize("body", [b"", b"no JSON", b'"\xff\xfe"', b"null", b"{" * 10_000])
def test_an_error_that_is_no_error_is_still_posted(client: Client, body: bytes) -> None:
    client.script(f'ready()\nfor event in frames():\n    frame("ERR", {body!r}, event.id)')
    assert client.ask().kind == "error"
    assert client.ask().kind == "error"


# Ids.


@pytest.mark.parametrize(
    "stray",
    [
        'frame("OK", b"stray", "another")',
        'frame("ERR", b"{}", "another")',
        'frame("STREAM", b"", "another")',
        'frame("DATA", b"stray", "another")',
        'frame("END", b"", "another")',
        'frame("FAIL", b"{}", "another")',
        'frame("OK", b"x" * 7_000_000, "another")',
        'frame("OK", b"", "x" * 60_000)',
    ],
)
def test_an_answer_to_another_id_is_dropped_with_one_line(client: Client, stray: str) -> None:
    client.script(f"ready()\nfor event in frames():\n    {stray}\n    answer(event, event.body)")
    assert client.serves(b"1").body == b"1"
    client.told("dropped")
    assert client.serves(b"2").body == b"2"
    client.may_tell()


@pytest.mark.parametrize(
    "again",
    [
        'frame("OK", b"2", event.id)',
        'frame("ERR", b"{}", event.id)',
        'frame("STREAM", b"", event.id)',
        'frame("DATA", b"2", event.id)',
    ],
)
def test_a_second_answer_is_dropped_with_one_line(client: Client, again: str) -> None:
    client.script(f"ready()\nfor event in frames():\n    answer(event, event.body)\n    {again}")
    first = Event(body=b"1")
    client.api.add(first)
    assert client.api.answer(first).body == b"1"
    client.told(first.id)
    assert client.serves(b"2").body == b"2"
    client.may_tell()
    assert len(client.api.posts(first)) == 1


def test_a_flood_of_second_answers_does_not_flood_the_log(client: Client) -> None:
    client.script(
        """
        ready()
        for event in frames():
            answer(event, event.body)
            write(b"OK 1 another\\nx" * 20_000)
        """
    )
    client.serves(b"1")
    client.serves(b"2")
    client.api.wait_idle()
    assert 1 <= len(client.lines) <= 20
    client.may_tell()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param('frame("DATA", b"1", event.id)', id="DATA before STREAM"),
        pytest.param('frame("END", b"", event.id)', id="END before STREAM"),
        pytest.param('frame("FAIL", b"{}", event.id)', id="FAIL before STREAM"),
    ],
)
def test_a_stream_that_was_not_begun_is_nonsense(client: Client, wrong: str) -> None:
    client.script(f"ready()\nfor event in frames():\n    {wrong} if event.body == b'bad' else answer(event)")
    assert client.ask(b"bad").json["errorType"] == "Runtime.WorkerProtocolError"
    client.told()
    client.serves()


# Lengths that lie, descriptors that close.


def test_a_body_that_ends_early_is_the_end_of_a_worker(client: Client) -> None:
    client.script(
        """
        ready()
        for event in frames():
            if event.body == b"bad":
                write(b"OK 1000 %s\\nhalf" % event.id.encode())
                sys.exit(0)
            answer(event)
        """
    )
    report = client.ask(b"bad")
    assert report.kind == "error"
    assert report.json["errorType"] == "Runtime.ExitError"
    client.told()
    client.serves()


def test_a_body_that_is_longer_than_told_ends_the_worker_after_its_answer(client: Client) -> None:
    client.script(
        """
        ready()
        for event in frames():
            write(b"OK 4 %s\\nfine and more than that\\n" % event.id.encode())
        """
    )
    assert client.serves().body == b"fine"
    client.told()
    assert client.serves().body == b"fine"
    client.told()


@pytest.mark.parametrize("closes", ["os.close(WRITE)", "os.close(WRITE); os.close(READ)"])
def test_a_worker_that_closes_its_descriptors_and_stays_is_ended(client: Client, closes: str) -> None:
    client.script(
        f"""
        import time
        ready()
        for event in frames():
            if event.body == b"bad":
                {closes}
                time.sleep(60)
            answer(event)
        """
    )
    assert client.ask(b"bad").json["errorType"] == "Runtime.WorkerProtocolError"
    client.told()
    client.serves()


def test_a_worker_that_closes_its_descriptors_before_ready_is_ended(client: Client) -> None:
    client.script("import time\nos.close(WRITE)\ntime.sleep(60)")
    assert client.wait() == 1
    assert client.api.wait_for("init_error").json["errorType"] == "Runtime.WorkerProtocolError"
    client.told()


def test_a_worker_that_answers_while_it_still_reads_blocks_nobody(client: Client) -> None:
    """Both pipes are full at once: who writes all of an event before reading hangs here for ever."""
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
            write(f"OK {length} {id}\\n".encode())
            left = int(length)
            while left:
                piece = os.read(READ, min(left, 4096))
                left -= len(piece)
                write(piece)
        """
    )
    body = bytes(range(256)) * 24_000
    assert client.serves(body).body == body
    client.serves(b"2")


def test_a_worker_that_does_not_read_its_event_may_still_answer_it(client: Client) -> None:
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
            write(f"OK 2 {id}\\n42".encode())
            left = int(length)
            while left:
                left -= len(os.read(READ, left))
        """
    )
    assert client.serves(b"x" * 6_000_000).body == b"42"
    assert client.serves(b"x" * 6_000_000).body == b"42"


@pytest.mark.parametrize("chunks", [(), (1000,)], ids=["sized", "chunked"])
@pytest.mark.parametrize("body", [b"\0", b'"\0\0\0"', b"x" * 300_000 + b"\0"], ids=["one", "several", "late"])
def test_a_worker_of_texts_gets_no_event_with_nuls(client: Client, body: bytes, chunks: tuple[int, ...]) -> None:
    client.script(ECHO, events="text")
    client.serves(b"before")
    event = Event(body=body, next=Reply(chunks=chunks), content_type="text/plain")
    client.api.add(event)
    report = client.api.answer(event)
    assert (report.kind, report.header(_TYPE)) == ("error", "Runtime.UnmarshalError")
    assert "NUL" in report.json["errorMessage"]
    client.told(report.id, "NUL")
    for after in (b"", b"x" * 6_000_000, "é".encode()):
        assert client.serves(after).body == after


def test_a_worker_that_takes_bytes_gets_nuls(client: Client) -> None:
    client.script(ECHO, events="bytes")
    assert client.serves(b"\0a\0").body == b"\0a\0"
