"""An environment's life: what is right, and every way in which a function can be wrong."""

from __future__ import annotations

import json
import os
import re
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from imagekit.emulator.happenings import (
    EnvironmentEnded,
    EnvironmentReady,
    EnvironmentReset,
    EnvironmentStarted,
    InvocationBegun,
    InvocationEnded,
    LogLine,
    MemorySample,
)
from imagekit.emulator.ports import Confines
from imagekit.emulator.settings import Credentials
from imagekit.errors import InvalidFile, Missing, UsageError
from tests.emulator.conftest import Local
from tests.emulator.unconfined import image


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_runtime_starts_with_the_first_event_and_stays(local: Local) -> None:
    local.script("""
        note("started", os.getpid())
        while True:
            event = take()
            respond(event, str(os.getpid()).encode())
    """)
    assert local.notes == []
    pids = {local.answer() for _ in range(3)}
    assert local.notes == [f"started {pids.pop()}"]
    assert not pids


def test_the_log_has_lambdas_lines_around_the_functions_own(local: Local) -> None:
    local.script("""
        say("loading\\n")
        while True:
            event = take()
            say("one\\ntwo\\r\\nno end")
            respond(event, b"{}")
    """)
    outcome = local.invoke()
    id = outcome.request_id
    assert local.heard.lines() == ["loading", "one", "two", "no end"]
    start, end, report = local.heard.lines("platform")
    assert start == f"START RequestId: {id} Version: $LATEST"
    assert end == f"END RequestId: {id}"
    form = rf"REPORT RequestId: {id}\tDuration: [0-9.]+ ms\tBilled Duration: [0-9]+ ms\tMemory Size: 128 MB\t"
    assert re.fullmatch(form + r"Max Memory Used: 20 MB\tInit Duration: [0-9.]+ ms", report)
    assert local.invoke().report.init_duration is None
    order = [item.text for item in local.heard.all if hasattr(item, "text")]
    assert order[:7] == ["loading", start, "one", "two", "no end", end, report]


def test_what_is_written_while_an_event_ends_stands_before_its_end(local: Local) -> None:
    local.script("""
        begun, told = os.pipe()
        event = take()
        if os.fork() == 0:
            for number in range(1000):
                say(f"{number:07} " + "x" * 16375 + "\\n")
                if number == 10:
                    os.write(told, b"!")
            os._exit(0)
        os.read(begun, 1)
        respond(event, b"{}")
        take()
    """)
    outcome = local.invoke()
    texts = "\n".join(item.text for item in local.heard.of(LogLine)).split("\n")
    assert texts.index(f"END RequestId: {outcome.request_id}") == 1001
    assert [int(line[:7]) for line in texts[1:1001]] == list(range(1000))


def test_what_is_written_as_an_environment_ends_is_kept(local: Local) -> None:
    local.script("""
        event = take()
        respond(event, b"{}")
        api.head("GET", f"{RUNTIME}/invocation/next")
        time.sleep(0.01)
        for number in range(4000):
            say(f"{number:07} " + "x" * 1015 + "\\n")
        time.sleep(60)
    """)
    local.invoke()
    local.function.close()
    assert [int(line[:7]) for line in local.heard.lines()] == list(range(4000))


def test_a_process_that_writes_for_ever_holds_up_neither_an_event_nor_the_end(local: Local) -> None:
    local.script("""
        import threading
        def write():
            while True:
                say("x" * 99 + "\\n")
        threading.Thread(target=write, daemon=True).start()
        echo()
    """)
    assert local.answer(1) == 1
    local.function.close()
    assert set(local.heard.lines()[:1000]) == {"x" * 99}


def test_a_large_log_is_told_of_in_many_lines_at_once(local: Local) -> None:
    local.script("""
        event = take()
        for number in range(200):
            say("".join(f"{number} {line}\\r\\n" for line in range(1000)))
        respond(event, b"{}")
        take()
    """)
    local.invoke()
    assert local.heard.lines() == [f"{number} {line}" for number in range(200) for line in range(1000)]
    assert len(local.heard.of(LogLine)) < 20_000


def test_whoever_watches_hears_of_all(local: Local) -> None:
    local.script("echo()")
    outcome = local.invoke({"n": 1})
    local.function.close()
    (started,), (ready,), (ended,) = (
        local.heard.of(kind) for kind in (EnvironmentStarted, EnvironmentReady, EnvironmentEnded)
    )
    assert started.environment == ready.environment == ended.environment == 1
    assert ready.error == ""
    assert ready.init > 0
    (begun,), (done,) = local.heard.of(InvocationBegun), local.heard.of(InvocationEnded)
    assert begun.request_id == done.request_id == outcome.request_id
    assert (begun.size, done.size) == (8, 8)
    assert done.report == outcome.report
    assert {item.peak for item in local.heard.of(MemorySample)} == {20 << 20}


def test_memory_is_sampled_while_an_event_takes_long(local: Local) -> None:
    local.script("""
        event = take()
        time.sleep(0.8)
        respond(event, b"{}")
        take()
    """)
    local.invoke()
    assert len(local.heard.of(MemorySample)) >= 3


def test_the_runtimes_environment_is_lambdas(local: Local) -> None:
    text = """
        import json
        while True:
            event = take()
            respond(event, json.dumps(dict(os.environ)).encode())
    """
    root = image(*_python(local, text), folder=local.folder, environment={"OWN": "image", "TZ": "Mars"})
    local.start(
        root,
        name="orders",
        confines=Confines(memory=512),
        environment={"OWN": "function", "_HIDDEN": "x"},
        region="eu-west-1",
    )
    found = local.answer()
    wanted = {
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_Image",
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/orders",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LANG": "en_US.UTF-8",
        "TZ": "Mars",
        "OWN": "function",
    }
    assert {name: found[name] for name in wanted} == wanted
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", found["AWS_LAMBDA_LOG_STREAM_NAME"])
    assert found["_HANDLER"] == "main.handler"  # the image's command
    absent = {"_HIDDEN", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_LAMBDA_MAX_CONCURRENCY", "HOME"}
    assert not absent & set(found)


def test_credentials_and_a_handler_are_passed_on_when_given(local: Local) -> None:
    text = """
        import json
        event = take()
        respond(event, json.dumps(dict(os.environ)).encode())
        take()
    """
    credentials = Credentials(access_key_id="AKIA", secret_access_key="s", session_token="t")
    local.script(text, credentials=credentials, handler="app.main")
    found = local.answer()
    assert (found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"], found["AWS_SESSION_TOKEN"]) == (
        "AKIA",
        "s",
        "t",
    )
    assert found["_HANDLER"] == "app.main"


def test_a_reserved_name_is_refused_before_anything_starts(local: Local) -> None:
    with pytest.raises(UsageError, match="AWS_REGION is reserved"):
        local.script("echo()", environment={"AWS_REGION": "mars"})


def test_an_image_without_a_command_is_refused_before_anything_starts(local: Local) -> None:
    with pytest.raises(InvalidFile, match="neither ENTRYPOINT nor CMD"):
        local.start(image(folder=local.folder))


def test_a_sandbox_that_cannot_be_made_is_told(local: Local) -> None:
    local.runner.error = Missing("there is no bwrap")
    local.script("echo()")
    with pytest.raises(Missing, match="there is no bwrap"):
        local.invoke()
    local.runner.error = None
    assert local.answer(1) == 1


# Wrong functions.


def test_a_bootstrap_that_is_missing(local: Local) -> None:
    local.start(image("/no/such/bootstrap", folder=local.folder))
    outcome = local.invoke()
    text = f"RequestId: {outcome.request_id} Error: fork/exec /no/such/bootstrap: no such file or directory"
    assert json.loads(outcome.payload) == {"errorType": "Runtime.InvalidEntrypoint", "errorMessage": text}
    assert outcome.report.error_type == "Runtime.InvalidEntrypoint"


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("sys.exit(3)", "Runtime exited with error: exit status 3"),
        ("sys.exit(0)", "Runtime exited without providing a reason"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_a_bootstrap_that_ends_while_it_starts(local: Local, how: str, what: str) -> None:
    """Started in the init phase, and once more with the event."""
    local.script(f"note('started'); {how}")
    outcome = local.invoke()
    text = f"RequestId: {outcome.request_id} Error: {what}"
    assert json.loads(outcome.payload) == {"errorType": "Runtime.ExitError", "errorMessage": text}
    assert local.notes == ["started"] * 2
    lines = local.heard.lines("platform")
    assert re.fullmatch(
        r"INIT_REPORT Init Duration: .* ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError", lines[0]
    )
    assert "Phase: invoke" in lines[2]
    assert lines[-1].endswith("Status: error\tError Type: Runtime.ExitError")


def test_an_init_error_is_the_callers(local: Local) -> None:
    local.script("""
        headers = {"Lambda-Runtime-Function-Error-Type": "Runtime.NoHandler"}
        answer = api.call("POST", f"{RUNTIME}/init/error", b'{"errorType":"NoHandler","errorMessage":"m"}', headers)
        note(answer.status, take().status)
        sys.exit(1)
    """)
    outcome = local.invoke()
    assert json.loads(outcome.payload) == {"errorType": "NoHandler", "errorMessage": "m"}
    assert outcome.report.error_type == "Runtime.NoHandler"
    assert local.notes == ["202 403"] * 2


def test_an_init_phase_that_takes_too_long_is_run_again_with_the_event(local: Local) -> None:
    local.script(
        """
        note("started", time.monotonic())
        if len(open(os.environ["IMAGEKIT_TEST_TMP"] + "/notes").readlines()) == 1:
            time.sleep(60)
        echo()
        """,
        init_timeout=0.3,
        timeout=20,
    )
    outcome = local.invoke(1)
    assert outcome.payload == b"1"
    first, second = (float(line.split()[1]) for line in local.notes)
    assert 0.2 < second - first < 5
    assert "Phase: init\tStatus: timeout" in local.heard.lines("platform")[0]
    assert [item.error for item in local.heard.of(EnvironmentReady)] == ["Sandbox.Timedout"]
    assert outcome.report.init_duration is None


def test_a_suppressed_init_that_takes_too_long_is_a_timeout(local: Local) -> None:
    local.script("time.sleep(60)", init_timeout=0.1, timeout=0.3)
    assert "Task timed out after 0.30 seconds" in local.error()["errorMessage"]


def test_a_runtime_that_loops_is_timed_out_and_started_anew(local: Local) -> None:
    local.script(
        """
        note("started")
        while True:
            event = take()
            while event.body == b'"loop"':
                pass
            respond(event, event.body)
        """,
        timeout=0.5,
    )
    assert local.answer(1) == 1
    began = time.monotonic()
    outcome = local.invoke("loop")
    assert 0.4 < time.monotonic() - began < 3
    text = f"RequestId: {outcome.request_id} Error: Task timed out after 0.50 seconds"
    assert json.loads(outcome.payload) == {"errorType": "Sandbox.Timedout", "errorMessage": text}
    assert outcome.report.status == "timeout"
    assert 500 <= outcome.report.duration < 2000
    lines = local.heard.lines("platform")
    assert re.fullmatch(rf"\S+Z {outcome.request_id} Task timed out after 0.50 seconds", lines[-3])
    assert lines[-1].endswith("Status: timeout")
    assert local.answer(2) == 2
    assert local.notes == ["started"] * 2
    assert [item.reason for item in local.heard.of(EnvironmentReset)] == ["TIMEOUT"]
    assert len(local.runner.sandboxes) == 1  # /tmp survives


def test_a_runtime_that_crashes_is_started_anew(local: Local) -> None:
    local.script("""
        note("started")
        while True:
            event = take()
            if event.body == b'"crash"':
                say("last words\\n")
                os.kill(os.getpid(), signal.SIGKILL)
            respond(event, event.body)
    """)
    outcome = local.invoke("crash")
    document = json.loads(outcome.payload)
    assert document["errorType"] == "Runtime.ExitError"
    assert document["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert "last words" in local.heard.lines()
    assert local.answer(2) == 2
    assert local.notes == ["started"] * 2
    assert len(local.runner.sandboxes) == 1


def test_an_error_that_is_posted_right_before_the_end_counts(local: Local) -> None:
    local.script("""
        event = take()
        body = b'{"errorType":"Mine","errorMessage":"' + b"x" * 200_000 + b'"}'
        api.send(f"POST {RUNTIME}/invocation/{event.id}/error HTTP/1.1\\r\\nHost: h\\r\\n".encode())
        api.send(b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
        os._exit(1)
    """)
    assert local.error()["errorType"] == "Mine"


def test_a_runtime_that_ends_after_its_answer_has_answered(local: Local) -> None:
    local.script("""
        event = take()
        respond(event, event.body)
        sys.exit(1)
    """)
    outcome = local.invoke(1)
    assert (outcome.error, outcome.payload) == (None, b"1")
    assert outcome.report.status == "failure"
    assert local.invoke(2).payload == b"2"


def test_a_runtime_that_ends_between_events_is_started_with_the_next(local: Local) -> None:
    local.script("""
        note("started")
        event = take()
        respond(event, event.body)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        take()
    """)
    local.function.warm()
    local.serve()
    local.until(lambda: local.heard.of(EnvironmentReady))
    url = local.serve() + "/2015-03-31/functions/f/invocations"
    for number in (b"1", b"2"):
        with urllib.request.urlopen(url, number) as answer:
            assert answer.read() == number
        resets = int(number)
        local.until(lambda resets=resets: len(local.heard.of(EnvironmentReset)) == resets)
    assert local.notes == ["started"] * 2


def test_an_answer_to_a_wrong_id_leaves_the_event_to_its_timeout(local: Local) -> None:
    local.script(
        """
        take()
        api.call("POST", f"{RUNTIME}/invocation/wrong/response", b"{}")
        time.sleep(60)
        """,
        timeout=0.3,
    )
    assert local.error()["errorType"] == "Sandbox.Timedout"


def test_children_that_are_left_behind_are_ended(local: Local) -> None:
    """Of a crash, and of the end of all."""
    local.script("""
        while True:
            event = take()
            child = os.fork()
            if child == 0:
                time.sleep(600)
            note(child)
            if event.body == b'"crash"':
                os._exit(1)
            respond(event, event.body)
    """)
    local.error("crash")
    local.until(lambda: not alive(int(local.notes[0])))
    local.answer(1)
    assert alive(int(local.notes[1]))
    local.function.close()
    local.until(lambda: not alive(int(local.notes[1])))


def test_without_extensions_the_end_is_sigkill_at_once(local: Local) -> None:
    local.script("""
        signal.signal(signal.SIGTERM, lambda *_: note("SIGTERM"))
        echo()
    """)
    local.answer(1)
    began = time.monotonic()
    local.function.close()
    assert time.monotonic() - began < 0.5
    assert local.notes == []


def test_a_log_without_end_does_not_stop_anything(local: Local) -> None:
    local.script(
        """
        event = take()
        if os.fork() == 0:
            while True:
                say("x" * 1000 + "\\n")
        respond(event, event.body)
        echo()
        """
    )
    assert local.answer(1) == 1
    assert local.answer(2) == 2
    assert len(local.heard.lines()) > 0


def test_a_line_of_the_log_has_a_largest_size(local: Local) -> None:
    local.script("""
        event = take()
        for _ in range(10):
            say("x" * 60_000)
        respond(event, event.body)
        take()
    """)
    local.answer(1)
    assert [len(line) for line in local.heard.lines()] == [262_144, 262_144, 600_000 - 2 * 262_144]


def test_bytes_that_are_no_text_are_logged_all_the_same(local: Local) -> None:
    local.script("""
        event = take()
        os.write(2, b"\\xff\\xfe\\n")
        respond(event, event.body)
        take()
    """)
    local.answer(1)
    assert local.heard.lines() == ["\ufffd\ufffd"]


def test_closing_in_the_middle_of_an_event_answers_it_and_leaves_nothing(local: Local) -> None:
    local.script("take(); time.sleep(600)", timeout=600)
    url = local.serve() + "/2015-03-31/functions/f/invocations"
    answers: list[bytes] = []

    def ask() -> None:
        with urllib.request.urlopen(url, b"{}") as answer:
            answers.append(answer.read())

    asking = threading.Thread(target=ask)
    asking.start()
    local.until(lambda: local.heard.of(InvocationBegun))
    local.close()
    asking.join(5)
    assert b"the environment was closed" in answers[0]


def test_descriptors_and_threads_are_given_back(local: Local) -> None:
    before = len(os.listdir("/proc/self/fd"))
    local.script("echo()")
    local.answer(1)
    local.function.close()
    local.until(lambda: threading.active_count() == 1)
    assert len(os.listdir("/proc/self/fd")) <= before


def _python(local: Local, text: str) -> tuple[str, ...]:
    return local.image(text).config.entrypoint + local.image(text).config.command
