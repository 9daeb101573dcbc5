"""Extensions: external and internal ones, their events, their end, and what goes wrong with them."""

from __future__ import annotations

import json
import textwrap
import time

import pytest

from imagekit.emulator.happenings import EnvironmentReset
from tests.emulator.conftest import Local

#: An extension that notes its events until the end.
NOTING = """
    import json
    id, answer = register(NAME, "INVOKE", "SHUTDOWN")
    note(NAME, "registered", answer.status, answer.body.decode())
    while True:
        answer = event_next(id)
        event = json.loads(answer.body)
        note(NAME, event["eventType"], event.get("requestId", ""), event.get("shutdownReason", ""))
        if event["eventType"] == "SHUTDOWN":
            break
"""


def noting(local: Local, name: str) -> None:
    local.extension(name, f"NAME = {name!r}\n" + textwrap.dedent(NOTING))


def test_an_extension_sees_events_and_the_end(local: Local) -> None:
    noting(local, "watcher")
    local.script("note('runtime'); echo()", name="f", handler="app.main")
    first, second = local.invoke(1), local.invoke(2)
    local.function.close()
    registered = json.dumps({"functionName": "f", "functionVersion": "$LATEST", "handler": "app.main"})
    assert local.notes == [
        f"watcher registered 200 {registered}",
        "runtime",
        f"watcher INVOKE {first.request_id} ",
        f"watcher INVOKE {second.request_id} ",
        "watcher SHUTDOWN  SPINDOWN",
    ]


def test_events_for_extensions_have_the_form_of_the_api(local: Local) -> None:
    local.extension(
        "watcher",
        """
        id, answer = register("watcher", "INVOKE", "SHUTDOWN")
        for _ in range(2):
            answer = event_next(id)
            note(answer.status, len(answer.headers["lambda-extension-event-identifier"]), answer.body.decode())
        """,
    )
    local.script("echo()")
    outcome = local.invoke(1, trace="Root=1-2-3")
    local.function.close()
    invoke, shutdown = (json.loads(line.split(" ", 2)[2]) for line in local.notes)
    assert all(line.startswith("200 36 ") for line in local.notes)
    assert invoke.pop("deadlineMs") > time.time() * 1000 - 5000
    assert invoke == {
        "eventType": "INVOKE",
        "requestId": outcome.request_id,
        "invokedFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:function",
        "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-2-3"},
    }
    assert 0 < shutdown.pop("deadlineMs") - time.time() * 1000 < 2500
    assert shutdown == {"eventType": "SHUTDOWN", "shutdownReason": "SPINDOWN"}


def test_an_event_lasts_until_extensions_are_done_with_it(local: Local) -> None:
    local.extension(
        "slow",
        """
        id, _ = register("slow", "INVOKE")
        while True:
            event_next(id)
            time.sleep(0.3)
        """,
    )
    local.script("echo()")
    assert local.invoke(1).report.duration > 250


def test_an_internal_extension_gives_the_runtime_a_sigterm(local: Local) -> None:
    local.script("""
        id, answer = register("inside")
        import threading
        def end(*_):
            note("SIGTERM")
            os._exit(0)
        signal.signal(signal.SIGTERM, end)
        inside = Api()
        threading.Thread(target=event_next, args=(id, inside), daemon=True).start()
        time.sleep(0.05)
        echo()
    """)
    assert local.answer(1) == 1
    local.function.close()
    assert local.notes == ["SIGTERM"]


@pytest.mark.parametrize(("external", "least", "most"), [(True, 0.55, 1.5), (False, 0.1, 0.45)])
def test_a_runtime_that_ignores_sigterm_is_killed_at_its_share(
    local: Local, external: bool, least: float, most: float
) -> None:
    """30 % of 2 s with an external extension, of 0.5 s with an internal one alone."""
    if external:
        noting(local, "watcher")
    local.script(
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if not os.path.exists(os.environ["IMAGEKIT_TEST_TMP"] + "/opt/extensions"):
            id, answer = register("inside", "INVOKE")
            import threading
            def serve():
                connection = Api()
                while True:
                    event_next(id, connection)
            threading.Thread(target=serve, daemon=True).start()
            time.sleep(0.05)
        echo()
        """
    )
    assert local.answer(1) == 1
    began = time.monotonic()
    local.function.close()
    assert least < time.monotonic() - began < most


def test_an_extension_that_does_not_want_to_know_of_the_end_is_not_waited_for(local: Local) -> None:
    local.extension("deaf", "id, _ = register('deaf', 'INVOKE')\nwhile True: event_next(id)")
    local.script("echo()")
    assert local.answer(1) == 1
    began = time.monotonic()
    local.function.close()
    assert time.monotonic() - began < 1.5


def test_an_extension_that_does_not_end_is_killed_after_its_time(local: Local) -> None:
    local.extension(
        "stubborn",
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        id, _ = register("stubborn", "SHUTDOWN")
        event_next(id)
        time.sleep(60)
        """,
    )
    local.script("echo()", shutdown=0.6)
    assert local.answer(1) == 1
    began = time.monotonic()
    local.function.close()
    assert 0.5 < time.monotonic() - began < 1.5


def test_extensions_are_told_of_a_timeout_and_start_anew(local: Local) -> None:
    noting(local, "watcher")
    local.script(
        """
        while True:
            event = take()
            if event.body == b'"loop"':
                time.sleep(60)
            respond(event, event.body)
        """,
        timeout=0.5,
    )
    assert local.error("loop")["errorType"] == "Sandbox.Timedout"
    assert local.answer(1) == 1
    words = [line.split()[:2] for line in local.notes]
    assert words == [["watcher", word] for word in ("registered", "INVOKE", "SHUTDOWN", "registered", "INVOKE")]
    assert local.notes[2].endswith("TIMEOUT")


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("sys.exit(5)", "Extension.Crash", "bad ended: exit status 5"),
        (
            """
            id, _ = register("bad", "INVOKE")
            headers = {"Lambda-Extension-Identifier": id, "Lambda-Extension-Function-Error-Type": "Extension.NoKey"}
            note(api.call("POST", f"{EXTENSION}/init/error", b"{}", headers).status)
            time.sleep(60)
            """,
            "Extension.InitError",
            "extension bad: Extension.NoKey",
        ),
    ],
)
def test_an_extension_that_cannot_start_fails_the_event(local: Local, text: str, kind: str, message: str) -> None:
    local.extension("bad", text)
    local.script("echo()")
    document = local.error(1)
    assert document["errorType"] == kind
    assert message in document["errorMessage"]


def test_an_extension_that_is_no_program_fails_the_event(local: Local) -> None:
    local.extension("bad", "")
    (local.folder / "opt/extensions/bad").write_text("#!/no/such/interpreter\n")
    local.script("echo()")
    assert local.error(1)["errorType"] == "Extension.LaunchError"


def test_an_extension_that_says_that_it_ends_ends_all(local: Local) -> None:
    local.extension(
        "bad",
        """
        id, _ = register("bad", "INVOKE")
        event_next(id)
        headers = {"Lambda-Extension-Identifier": id, "Lambda-Extension-Function-Error-Type": "Extension.Gone"}
        api.call("POST", f"{EXTENSION}/exit/error", b"{}", headers)
        time.sleep(60)
        """,
    )
    local.script(
        """
        event = take()
        time.sleep(60)
        """,
        timeout=20,
    )
    assert local.error(1)["errorType"] == "Extension.ExitError"
    assert [item.reason for item in local.heard.of(EnvironmentReset)] == ["FAILURE"]


def test_an_extension_that_never_registers_is_an_init_timeout(local: Local) -> None:
    local.extension("silent", "time.sleep(60)")
    local.script("note('runtime'); echo()", init_timeout=0.2, timeout=0.4)
    assert local.error(1)["errorType"] == "Sandbox.Timedout"
    assert local.notes == []


def test_registrations_that_are_wrong_are_refused(local: Local) -> None:
    local.extension(
        "outside",
        """
        import json
        def kind(answer):
            return answer.status, json.loads(answer.body)["errorType"]
        found = [
            kind(api.call("POST", f"{EXTENSION}/register", b"{}")),
            kind(api.call("POST", f"{EXTENSION}/register", b"nonsense", {"Lambda-Extension-Name": "outside"})),
            kind(register("outside", "FULL_MOON")[1]),
            kind(register("inside", "SHUTDOWN")[1]),
            kind(api.call("GET", f"{EXTENSION}/event/next")),
            kind(api.call("GET", f"{EXTENSION}/event/next", b"", {"Lambda-Extension-Identifier": "nobody"})),
        ]
        id, _ = register("outside", "INVOKE")
        found.append(kind(register("outside", "INVOKE")[1]))
        note(json.dumps(found))
        while True:
            event_next(id)
        """,
    )
    local.script("""
        import json
        event = take()
        late = register("late", "INVOKE")[1]
        respond(event, json.dumps([late.status, json.loads(late.body)["errorType"]]).encode())
        take()
    """)
    assert local.answer() == [403, "Extension.RegistrationClosed"]
    assert json.loads(local.notes[0]) == [
        [403, "Extension.InvalidExtensionName"],
        [403, "InvalidRequestFormat"],
        [403, "Extension.InvalidEventType"],
        [403, "Extension.InvalidEventType"],
        [403, "Extension.MissingExtensionIdentifier"],
        [403, "Extension.UnknownExtensionIdentifier"],
        [403, "Extension.InvalidExtensionState"],
    ]


def test_there_are_at_most_ten(local: Local) -> None:
    local.script("""
        for number in range(11):
            note(register(f"inside-{number}")[1].status)
        os._exit(0)
    """)
    local.invoke()
    assert local.notes[:11] == ["200"] * 10 + ["403"]


def test_extensions_lack_what_is_the_runtimes_alone(local: Local) -> None:
    local.extension(
        "watcher",
        """
        import json
        note(json.dumps(dict(os.environ)))
        id, _ = register("watcher")
        event_next(id)
        """,
    )
    local.script("echo()", handler="app.main", environment={"OWN": "x"})
    local.answer(1)
    found = json.loads(local.notes[0])
    assert found["OWN"] == "x"
    assert found["AWS_LAMBDA_FUNCTION_NAME"] == "function"
    assert "AWS_LAMBDA_RUNTIME_API" in found
    assert not {"_HANDLER", "AWS_EXECUTION_ENV", "LAMBDA_TASK_ROOT", "AWS_LAMBDA_LOG_STREAM_NAME"} & set(found)


def test_the_log_of_an_extension_is_its_own(local: Local) -> None:
    local.extension(
        "watcher",
        """
        say("from outside\\n")
        id, _ = register("watcher")
        event_next(id)
        """,
    )
    local.script(r"say('from inside\n'); echo()")
    local.answer(1)
    assert local.heard.lines("extension") == ["from outside"]
    assert local.heard.lines("function") == ["from inside"]
