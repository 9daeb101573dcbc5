"""How an environment begins and ends: SIGTERM, the internal extension, snapshots."""

from __future__ import annotations

import signal
import time

import pytest

from tests.client.running import ECHO, Client
from tests.support.runtime_api import Event, Reply

_SLEEPS = "import time\nready()\nfor event in frames():\n    time.sleep(60)"


def test_sigterm_is_the_end_of_file_for_a_worker(client: Client) -> None:
    client.script(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
        + ECHO
        + 'sys.stderr.write("the end of file\\n")\nsys.stderr.flush()\n'
    )
    client.serves()
    client.api.wait_idle()
    assert client.terminate() == 0
    assert client.err.count("the end of file") == 1


def test_sigterm_reaches_a_worker_that_listens_to_signals(client: Client) -> None:
    client.script(
        """
        def end(*_):
            os.write(2, b"closing the database\\n")
            os._exit(0)
        signal.signal(signal.SIGTERM, end)
        import time
        ready()
        take()
        answering = take
        time.sleep(60)
        """
    )
    client.may_lose = True
    event = Event()
    client.api.add(event)
    client.api.wait_for("next")
    time.sleep(0.1)
    assert client.terminate() == 0
    assert "closing the database" in client.err


def test_sigterm_waits_no_longer_than_lambda_does(client: Client) -> None:
    """The runtime's share of an internal extension's 500 ms is 150 ms; then the worker is killed."""
    client.script("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nimport time\nready()\ntime.sleep(60)")
    client.api.wait_idle()
    began = time.monotonic()
    assert client.terminate() == 0
    assert 0.1 < time.monotonic() - began < 30
    assert client.is_alone()


def test_sigterm_in_the_initialisation_ends_it(client: Client) -> None:
    client.script("import time\ntime.sleep(60)")
    time.sleep(0.2)
    assert client.terminate() == 0


def test_sigterm_while_an_event_is_open(client: Client) -> None:
    client.may_lose = True
    client.script(_SLEEPS)
    client.api.add(Event())
    client.api.wait_for("next")
    time.sleep(0.1)
    assert client.terminate() == 0


def test_without_being_asked_it_registers_nothing(client: Client) -> None:
    client.script(ECHO)
    client.serves()
    assert client.api.of_kind("register") == []


def test_a_graceful_shutdown_is_registered_before_the_first_next(client: Client) -> None:
    client.script(ECHO, shutdown="graceful")
    client.serves()
    register = client.api.wait_for("register")
    assert register.header("Lambda-Extension-Name") == "imagekit"
    assert register.json == {"events": []}
    waits = client.api.wait_for("extension_next")
    assert waits.header("Lambda-Extension-Identifier") == "b1f6"
    first = client.api.wait_for("next")
    assert client.api.requests.index(register) < client.api.requests.index(first)
    assert waits.connection != first.connection, "it waits for ever, on a connection of its own"
    assert client.terminate() == 0


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(status=403), id="403"),
        pytest.param(Reply(status=500), id="500"),
        pytest.param(Reply(cut=0), id="dropped"),
        pytest.param(Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), id="no identifier"),
    ],
)
def test_an_extension_that_cannot_be_registered_is_told_and_no_more(client: Client, reply: Reply) -> None:
    client.api.replies["register"] = reply
    client.script(ECHO, shutdown="graceful")
    client.serves()
    client.told()
    client.serves()


_RESTORES = """
ready()
for event in frames():
    if event.kind == "RESTORE":
        sys.stderr.write("restored\\n")
        sys.stderr.flush()
        AFTER
    else:
        answer(event, event.kind.encode())
"""


def _restores(client: Client, after: str) -> None:
    client.environment["AWS_LAMBDA_INITIALIZATION_TYPE"] = "snap-start"
    client.script(_RESTORES.replace("AFTER", after))


def test_a_snapshot_is_taken_after_ready_and_before_next(client: Client) -> None:
    client.api.restored.clear()
    _restores(client, "ready()")
    client.api.wait(lambda: client.api.of_kind("restore_next"), "no restore/next")
    time.sleep(0.1)
    assert client.api.of_kind("next") == []
    assert "restored" not in client.err
    client.api.restored.set()
    assert client.serves().body == b"INVOKE"
    assert client.err == "restored\n"
    assert len(client.api.of_kind("restore_next")) == 1


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (
            'frame("INITERR", b\'{"errorType": "E", "errorMessage": "stale", "stackTrace": []}\', "Runtime.Stale")',
            "stale",
        ),
        ('sys.exit("cannot restore")', "cannot restore"),
        ('write(b"nonsense\\n"); take()', "nonsense"),
    ],
)
def test_a_restore_that_fails_is_reported(client: Client, after: str, words: str) -> None:
    _restores(client, after)
    assert client.wait() == 1
    report = client.api.wait_for("restore_error")
    assert words in report.json["errorMessage"]
    assert report.header("Lambda-Runtime-Function-Error-Type")
    assert client.api.of_kind("next") == []
    client.may_tell()


@pytest.mark.parametrize("kind", ["on-demand", "provisioned-concurrency", "lambda-managed-instances", ""])
def test_other_environments_have_no_snapshot(client: Client, kind: str) -> None:
    client.environment["AWS_LAMBDA_INITIALIZATION_TYPE"] = kind
    client.script(ECHO)
    client.serves()
    assert client.api.of_kind("restore_next") == []


@pytest.mark.parametrize("status", [403, 500])
def test_a_report_that_is_refused_still_ends_the_client(client: Client, status: int) -> None:
    client.api.replies["init_error"] = Reply(status=status)
    client.script("sys.exit(3)")
    assert client.wait() == 1
    client.may_tell()
    assert 1 <= len(client.lines) <= 2


def test_a_report_that_nobody_takes_still_ends_the_client(client: Client) -> None:
    client.api.replies["init_error"] = Reply(cut=0)
    client.script("sys.exit(3)")
    assert client.wait() == 1
    client.may_tell()
    assert len(client.api.of_kind("init_error")) == 1


@pytest.mark.parametrize("ended", [False, True], ids=["kept", "ended"])
def test_a_freeze_loses_no_event(client: Client, ended: bool) -> None:
    """Between events nothing runs; the connection may be gone when the environment is thawed."""
    client.script(ECHO)
    for number in range(3):
        client.serves()
        client.api.wait_idle()
        client.process.send_signal(signal.SIGSTOP)
        if ended:
            client.api.add(Reply(cut=0))
        event = Event(body=b"%d" % number)
        client.api.add(event)
        time.sleep(0.1)
        client.process.send_signal(signal.SIGCONT)
        assert client.api.answer(event).body == event.body
