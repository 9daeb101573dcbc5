"""Workers that die, hang, or leave something behind: reported with what is known, replaced, nothing lost silently."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.client.running import ECHO, Client

_TYPE = "Lambda-Runtime-Function-Error-Type"
#: Says its process id for every event that is no command.
_COMMANDS = """
import time
ready()
for event in frames():
    exec(event.body)
    answer(event, str(os.getpid()).encode())
"""


def _soon(milliseconds: int) -> int:
    return int(time.time() * 1000) + milliseconds


# In the initialisation.


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param('sys.stderr.write("first\\ncannot go on\\n")\nsys.exit(3)', ["3", "cannot go on"], id="exit 3"),
        pytest.param("sys.exit(0)", ["ended before READY (exit status 0)"], id="exit 0"),
        pytest.param('raise ValueError("no such thing")', ["1", "ValueError: no such thing"], id="throws"),
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", ["killed"], id="SIGKILL"),
        pytest.param("os.kill(os.getpid(), signal.SIGSEGV)", ["segmentation fault"], id="SIGSEGV"),
        pytest.param('sys.stderr.write("without an end")\nsys.exit(4)', ["4", "without an end"], id="no newline"),
        pytest.param('sys.stderr.write("said\\n\\n  \\n")\nsys.exit(5)', ["5", "said"], id="empty lines after it"),
    ],
)
def test_a_worker_that_dies_before_ready_is_reported(client: Client, script: str, words: list[str]) -> None:
    client.script(script)
    assert client.wait() == 1
    report = client.api.wait_for("init_error")
    assert report.header(_TYPE) == "Runtime.ExitError"
    assert report.json["errorType"] == "Runtime.ExitError"
    for word in words:
        assert word in report.json["errorMessage"].lower() or word in report.json["errorMessage"]
    assert client.api.of_kind("next") == []
    client.told()


@pytest.mark.parametrize("mode", ["worker", "per_event", "command"])
def test_a_program_whose_interpreter_is_missing_is_not_called_missing(client: Client, mode: str) -> None:
    client.may_lose = True
    program = client.folder / "program"
    program.write_text("#!/nothing/there\n")
    program.chmod(0o755)
    client.start([str(program)], mode=mode)
    if mode == "per_event":
        assert "interpreter" in client.ask().json["errorMessage"]
    else:
        assert client.wait() == 1
    client.told(str(program), "its interpreter (the #! line) or its loader is missing")


@pytest.mark.parametrize("command", ["/nothing/there", "/etc/passwd", "/etc"])
def test_a_command_that_cannot_be_started_is_reported_by_name(client: Client, command: str) -> None:
    client.start([command])
    assert client.wait() == 1
    assert command in client.api.wait_for("init_error").json["errorMessage"]
    client.told(command)


def test_a_directory_that_is_not_there_is_reported_by_name(client: Client) -> None:
    client.script(ECHO, directory="/nothing/there")
    assert client.wait() == 1
    assert "/nothing/there" in client.api.wait_for("init_error").json["errorMessage"]
    client.told("/nothing/there")


def test_the_last_line_of_stderr_is_bounded(client: Client) -> None:
    client.script('sys.stderr.write("y" * 1_000_000)\nsys.stderr.flush()\nsys.exit(1)')
    assert client.wait() == 1
    assert 100 < client.api.wait_for("init_error").size < 20_000
    assert client.err.count("y") >= 1_000_000
    client.told()


def test_a_last_line_that_is_no_utf_8_is_still_json(client: Client) -> None:
    client.script('os.write(2, b"caf\\xe9 \\"\\\\ \\x1b[0m\\x00 end\\n")\nsys.exit(1)')
    assert client.wait() == 1
    message = client.api.wait_for("init_error").json["errorMessage"]
    assert "caf" in message
    assert "end" in message
    client.told()


# In an event.


@pytest.mark.parametrize(
    ("command", "words"),
    [
        pytest.param('sys.stderr.write("why\\n"); sys.stderr.flush(); os._exit(7)', ["7", "why"], id="exit 7"),
        pytest.param("os._exit(0)", ["0"], id="exit 0"),
        pytest.param("os.kill(os.getpid(), signal.SIGKILL); time.sleep(9)", ["killed"], id="SIGKILL"),
        pytest.param("os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", ["terminated"], id="SIGTERM"),
        pytest.param("raise ValueError('no')", ["1", "ValueError: no"], id="throws"),
    ],
)
def test_a_worker_that_dies_in_an_event_is_reported_and_replaced(
    client: Client, command: str, words: list[str]
) -> None:
    client.script(_COMMANDS)
    first = client.serves(b"1").body
    report = client.ask(command.encode())
    assert report.kind == "error"
    assert report.header(_TYPE) == "Runtime.ExitError"
    assert report.json["errorType"] == "Runtime.ExitError"
    for word in words:
        assert word in report.json["errorMessage"].lower() or word in report.json["errorMessage"]
    client.told(report.id)
    assert client.serves(b"1").body != first


def test_a_worker_may_die_in_every_event(client: Client) -> None:
    client.script(_COMMANDS)
    client.serves(b"1")
    before = client.descriptors()
    for _ in range(10):
        assert client.ask(b"os._exit(1)").kind == "error"
    client.serves(b"1")
    client.told(count=10)
    assert client.descriptors() <= before
    assert len(_children(client)) == 1, "zombies"


def test_a_worker_that_dies_between_events_is_replaced(client: Client) -> None:
    client.script(_COMMANDS + "    event.body == b'2' and os._exit(9)")
    client.serves(b"1")
    assert client.ask(b"2").kind == "response"
    client.told("9")
    client.serves(b"1")


def test_a_worker_that_does_not_start_again_ends_the_client(client: Client) -> None:
    """Two starts in a row that fail: Lambda starts the environment anew."""
    started = client.folder / "started"
    client.script(
        f"""
        if os.path.exists({str(started)!r}):
            sys.exit("not again")
        open({str(started)!r}, "w").close()
        ready()
        take()
        os._exit(1)
        """
    )
    assert client.ask().kind == "error"
    assert client.wait() == 1
    assert client.api.of_kind("init_error") == []
    assert "not again" in client.err
    client.may_tell()
    assert 2 <= len(client.lines) <= 4


def test_a_start_that_fails_once_is_tried_again(client: Client) -> None:
    started = client.folder / "started"
    client.script(
        f"""
        with open({str(started)!r}, "ab") as file:
            file.write(b"x")
            starts = file.tell()
        if starts == 2:
            sys.exit("not yet")
        ready()
        for event in frames():
            event.body == b"die" and os._exit(1)
            answer(event)
        """
    )
    client.serves()
    assert client.ask(b"die").kind == "error"
    client.serves()
    client.told("not yet", count=2)


def test_a_grandchild_with_the_descriptors_hides_no_death(client: Client) -> None:
    """End of file never comes: the worker's own end has to be noticed."""
    client.may_leave_processes = True
    client.script(_COMMANDS)
    first = client.serves(b"1").body
    began = time.monotonic()
    report = client.ask(b"if os.fork() == 0: time.sleep(60)\nelse: os._exit(5)")
    assert report.json["errorType"] == "Runtime.ExitError"
    assert "5" in report.json["errorMessage"]
    assert time.monotonic() - began < 30
    client.told(report.id)
    assert client.serves(b"1").body != first


def test_what_outlives_a_worker_reaches_nobody(client: Client) -> None:
    """It has the channel of a worker that is gone: frames and nonsense that it writes there are nobody's."""
    client.may_leave_processes = True
    told = client.folder / "told"
    client.script(_COMMANDS)
    program = f"""
parent = os.getpid()
if os.fork() == 0:
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    while os.getppid() == parent: time.sleep(0.01)
    for _ in range(100):
        time.sleep(0.01)
        try: os.write(WRITE, b"OK 5 " + event.id.encode() + b"\\nwrongnonsense\\n")
        except OSError as error: open({str(told)!r}, "w").write(error.strerror)
    os._exit(0)
os._exit(5)
"""
    report = client.ask(program.encode())
    assert report.json["errorType"] == "Runtime.ExitError"
    client.told(report.id)
    client.serves(b"1")
    client.api.wait(lambda: told.exists() and told.read_text() == "Broken pipe", "its channel's end")
    client.serves(b"1")


def test_a_grandchild_delays_no_answer(client: Client) -> None:
    client.may_leave_processes = True
    client.script(_COMMANDS)
    began = time.monotonic()
    client.serves(b"if os.fork() == 0: time.sleep(60); os._exit(0)")
    client.serves(b"1")
    assert time.monotonic() - began < 30


# Deadlines.


def test_an_event_that_takes_too_long_is_given_up(client: Client) -> None:
    client.script(_COMMANDS, deadline_margin="500")
    first = client.serves(b"1").body
    began = time.monotonic()
    report = client.ask(b"time.sleep(60)", deadline=_soon(1000))
    assert 0.3 < time.monotonic() - began < 30
    assert report.kind == "error"
    assert "timed out" in report.json["errorMessage"]
    client.told(report.id)
    assert client.serves(b"1").body != first


def test_a_worker_is_asked_before_it_is_ended(client: Client) -> None:
    client.script(
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which follows soon
        ready()
        for event in frames():
            if event.body == b"slow":
                cancelled = take()
                sys.stderr.write(f"cancelled {cancelled.kind} {cancelled.fields == [event.id]}\\n")
                sys.stderr.flush()
                answer(event, b"too late")
                continue
            answer(event)
        """,
        deadline_margin="400",
    )
    client.serves()
    report = client.ask(b"slow", deadline=_soon(600))
    assert report.kind == "error"
    client.serves()
    assert "cancelled CANCEL True" in client.err
    client.may_tell()


def test_a_worker_that_ignores_all_of_it_is_killed(client: Client) -> None:
    client.script("signal.signal(signal.SIGTERM, signal.SIG_IGN)" + _COMMANDS, deadline_margin="500")
    first = client.serves(b"1").body
    began = time.monotonic()
    assert client.ask(b"while True: pass", deadline=_soon(700)).kind == "error"
    client.told()
    assert client.serves(b"1").body != first
    assert time.monotonic() - began < 30


def test_without_a_margin_an_event_may_take_longer_than_its_deadline(client: Client) -> None:
    """Lambda ends the environment; before that, who knows the clock of whom."""
    client.script(_COMMANDS)
    assert client.ask(b"time.sleep(0.3)", deadline=_soon(50)).kind == "response"


@pytest.mark.parametrize("deadline", ["0", "soon", "-5", "99999999999999999999", ""])
def test_a_deadline_that_is_none_gives_up_nothing_by_surprise(client: Client, deadline: str) -> None:
    client.script(ECHO, deadline_margin="100")
    client.ask(b"1", deadline=deadline)
    client.may_tell()


# Logs.


def test_logs_are_there_before_the_answer(client: Client) -> None:
    client.script(
        """
        ready()
        for event in frames():
            os.write(1, b"out of " + event.body + b"\\n")
            os.write(2, b"err of " + event.body + b"\\n")
            answer(event)
        """
    )
    for number in range(50):
        client.serves(b"%d" % number)
        assert client.out.endswith(f"out of {number}\n")
        assert client.err.endswith(f"err of {number}\n")


def test_logs_pass_byte_by_byte(client: Client) -> None:
    client.script(
        """
        ready()
        for event in frames():
            os.write(1, bytes(range(256)))
            os.write(2, bytes(range(256)) * 10)
            answer(event)
        """
    )
    client.serves()
    assert (client.folder / "out").read_bytes() == bytes(range(256))
    assert (client.folder / "err").read_bytes() == bytes(range(256)) * 10


@pytest.mark.parametrize("size", [5_000_000, pytest.param(100_000_000, marks=pytest.mark.real)])
def test_a_flood_of_logs_is_passed_on_and_held_nowhere(client: Client, size: int) -> None:
    client.script(
        f"""
        ready()
        for event in frames():
            for _ in range({size} // 100_000):
                os.write(2, b"l" * 99_999 + b"\\n")
            answer(event)
        """
    )
    client.serves()
    assert os.path.getsize(client.folder / "err") == size
    assert client.holds_less_than(2000)


def test_a_log_that_nobody_reads_blocks_no_event(client: Client) -> None:
    reads, client.stderr = os.pipe()
    try:
        client.script(
            """
            ready()
            for event in frames():
                event.body == b"log" and sys.stderr.write("l" * 50_000)
                sys.stderr.flush()
                answer(event)
            """
        )
        for _ in range(2):
            client.serves(b"log")
        client.serves()
    finally:
        os.close(reads)


def test_a_log_that_was_closed_ends_no_event(client: Client) -> None:
    reads, client.stderr = os.pipe()
    os.close(reads)
    client.script(
        """
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        ready()
        for event in frames():
            os.write(2, b"to nobody\\n")
            answer(event)
        """
    )
    client.serves()
    client.serves()


def _children(client: Client) -> list[str]:
    """Processes whose parent is the client, zombies too."""
    return Path(f"/proc/{client.process.pid}/task/{client.process.pid}/children").read_text().split()
