"""The Runtime API, as a runtime sees it: orders, statuses, headers, sizes."""

from __future__ import annotations

import json
import re

import pytest

from imagekit.emulator.settings import LARGEST_ANSWER
from tests.emulator.conftest import Local

ARN = "arn:aws:lambda:us-east-1:123456789012:function:function"


def test_an_event_comes_with_all_that_is_known_of_it(local: Local) -> None:
    local.script("""
        while True:
            event = take()
            note(*(f"{name}={value}" for name, value in sorted(event.headers.items()) if name.startswith("lambda")))
            respond(event, event.body)
    """)
    given = {"client_context": '{"a":1}', "cognito_identity": '{"b":2}', "tenant": "blue", "qualifier": "live"}
    outcome = local.invoke({"n": 1}, trace="Root=1-2-3", **given)
    assert outcome.payload == b'{"n": 1}'
    seen = dict(word.split("=", 1) for word in local.notes[0].replace(" =", "=").split(" lambda-"))
    assert local.notes[0].count("lambda-runtime-") == 7
    assert f"lambda-runtime-aws-request-id={outcome.request_id}" in local.notes[0]
    assert seen["runtime-trace-id"] == "Root=1-2-3"
    assert seen["runtime-client-context"] == '{"a":1}'
    assert seen["runtime-cognito-identity"] == '{"b":2}'
    assert seen["runtime-aws-tenant-id"] == "blue"
    assert seen["runtime-invoked-function-arn"] == f"{ARN}:live"


def test_ids_deadlines_and_traces_are_made_as_lambda_makes_them(local: Local) -> None:
    local.script(
        """
        import json
        while True:
            event = take()
            names = ("aws-request-id", "deadline-ms", "trace-id", "invoked-function-arn")
            found = {name: event.headers["lambda-runtime-" + name] for name in names}
            respond(event, json.dumps(found | {"now": time.time() * 1000}).encode())
        """,
        timeout=7,
    )
    first, second = local.answer(), local.answer()
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", first["aws-request-id"])
    assert first["aws-request-id"] != second["aws-request-id"]
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", first["trace-id"])
    assert 6000 < int(first["deadline-ms"]) - first["now"] <= 7000
    assert first["invoked-function-arn"] == ARN


def test_answers_to_wrong_ids_and_in_wrong_states_are_refused(local: Local) -> None:
    local.script("""
        import json
        def kind(answer):
            return answer.status, json.loads(answer.body)["errorType"]
        first = take()
        unknown = api.call("POST", f"{RUNTIME}/invocation/nobody/response", b"{}")
        unknown_error = api.call("POST", f"{RUNTIME}/invocation/nobody/error", b"{}")
        late_init = api.call("POST", f"{RUNTIME}/init/error", b"{}")
        good = respond(first, b"{}")
        again = respond(first, b"{}")
        error_after = fail(first)
        second = take()
        old = respond(first, b"{}")
        found = [kind(unknown), kind(unknown_error), kind(late_init), kind(again), kind(error_after), kind(old)]
        respond(second, json.dumps([good.status, good.body.decode(), found]).encode())
        take()
    """)
    local.answer()
    status, body, found = local.answer()
    assert (status, json.loads(body)) == (202, {"status": "OK"})
    unknown, state = [400, "InvalidRequestID"], [403, "InvalidStateTransition"]
    assert found == [unknown, unknown, state, state, state, unknown]


def test_asking_again_before_answering_gives_the_same_event(local: Local) -> None:
    local.script("""
        first, second = take(), take()
        respond(second, b'"same"' if (first.id, first.body) == (second.id, second.body) else b'"another"')
        take()
    """)
    assert local.answer({"n": 1}) == "same"


def test_a_runtime_that_lost_its_connection_while_waiting_asks_anew(local: Local) -> None:
    local.script("""
        first = take()
        respond(first, b"1")
        api.head("GET", f"{RUNTIME}/invocation/next")
        time.sleep(0.05)
        api.close()
        echo()
    """)
    local.answer()
    assert local.answer({"n": 2}) == {"n": 2}


@pytest.mark.parametrize(("size", "status"), [(LARGEST_ANSWER, 202), (LARGEST_ANSWER + 1, 413)])
def test_an_answer_has_a_largest_size(local: Local, size: int, status: int) -> None:
    local.script(f"""
        event = take()
        answer = respond(event, b"x" * {size})
        note(answer.status, answer.body.decode().strip())
        echo()
    """)
    outcome = local.invoke()
    if status == 202:
        assert len(outcome.payload) == size
    else:
        document = json.loads(outcome.payload)
        assert document["errorType"] == "Function.ResponseSizeTooLarge"
        assert f"({size} bytes) exceeded maximum allowed payload size ({LARGEST_ANSWER} bytes)" in str(document)
        assert outcome.report.status == "error"
    assert local.answer({"n": 2}) == {"n": 2}
    assert local.notes[0].startswith(str(status))
    assert ("Exceeded maximum allowed payload size (6291556 bytes)." in local.notes[0]) == (status == 413)


def test_a_chunked_answer_is_one_answer(local: Local) -> None:
    local.script("""
        event = take()
        api.head("POST", f"{RUNTIME}/invocation/{event.id}/response", {"Transfer-Encoding": "chunked"})
        for piece in (b'{"a"', b':', b'1}'):
            api.send(b"%x\\r\\n%b\\r\\n" % (len(piece), piece))
        api.send(b"0\\r\\n\\r\\n")
        api.answer()
        take()
    """)
    assert local.answer() == {"a": 1}


def test_an_answer_that_is_cut_is_the_callers_error(local: Local) -> None:
    local.script("""
        event = take()
        api.head("POST", f"{RUNTIME}/invocation/{event.id}/response", {"Content-Length": 100})
        api.send(b"half")
        api.close()
        echo()
    """)
    assert local.error()["errorType"] == "Runtime.TruncatedResponse"
    assert local.answer(3) == 3


def test_a_response_mode_that_lambda_does_not_know_is_refused(local: Local) -> None:
    local.script("""
        event = take()
        answer = respond(event, b"{}", Lambda_Runtime_Function_Response_Mode="sometimes")
        note(answer.status, answer.body.decode())
        echo()
    """)
    assert local.error()["errorType"] == "Runtime.InvalidResponseModeHeader"
    assert local.answer(1) == 1
    assert local.notes[0].startswith("400 ")
    assert "InvalidFunctionResponseMode" in local.notes[0]


def test_a_streamed_answer_comes_whole_and_its_type_with_it(local: Local) -> None:
    local.script("""
        event = take()
        note(stream(event, [b"one ", b"two"]).status)
        take()
    """)
    pieces: list[bytes] = []
    outcome = local.function.invoke(_event(), pieces.append)
    assert b"".join(pieces) == b"one two"
    assert outcome.streamed
    assert outcome.content_type == "text/plain"
    local.until(lambda: local.notes == ["202"])


def test_an_error_in_the_middle_of_a_stream_comes_in_the_trailers(local: Local) -> None:
    local.script("""
        import base64
        event = take()
        body = base64.b64encode(b'{"errorMessage":"late"}').decode()
        trailers = {"Lambda-Runtime-Function-Error-Type": "Late", "Lambda-Runtime-Function-Error-Body": body}
        stream(event, [b"one"], trailers)
        take()
    """)
    outcome = local.invoke()
    assert outcome.error is not None
    assert outcome.error.type == "Late"
    assert outcome.payload == b'{"errorMessage":"late"}'


def test_a_stream_has_a_largest_size_and_the_runtime_learns_of_it(local: Local) -> None:
    local.script(
        """
        event = take()
        note(stream(event, [b"x" * 1000] * 20).status)
        echo()
        """,
        largest_stream=10_000,
    )
    assert local.error()["errorType"] == "Function.ResponseSizeTooLarge"
    assert local.answer(1) == 1
    assert local.notes == ["413"]


@pytest.mark.parametrize(
    ("header", "kept"),
    [("Function.Oops", "Function.Oops"), ("Oops", "Function.Unknown"), ("Runtime.bad", "Function.Unknown")],
)
def test_an_error_is_the_callers_with_its_document_untouched(local: Local, header: str, kept: str) -> None:
    local.script(f"""
        event = take()
        fail(event, b'{{"errorMessage":"no","errorType":"X","stackTrace":["a"]}}', "{header}")
        take()
    """)
    outcome = local.invoke()
    assert outcome.payload == b'{"errorMessage":"no","errorType":"X","stackTrace":["a"]}'
    assert outcome.error is not None
    assert outcome.error.type == kept
    assert outcome.report.error_type == kept


def test_unknown_paths_and_methods_are_answered(local: Local) -> None:
    local.script("""
        found = [api.call(method, path).status for method, path in (
            ("GET", "/2018-06-01/nowhere"), ("POST", f"{RUNTIME}/invocation/next"), ("GET", "/"),
            ("GET", "/2018-06-01/ping"), ("GET", f"{RUNTIME}/restore/next"))]
        note(*found)
        echo()
    """)
    assert local.answer(1) == 1
    assert local.notes == ["404 404 404 200 403"]


def test_a_header_of_almost_a_mebibyte_is_taken(local: Local) -> None:
    """The X-Ray cause of an error is a header."""
    local.script("""
        event = take()
        path = f"{RUNTIME}/invocation/{event.id}/error"
        answer = api.call("POST", path, b"{}", {"Lambda-Runtime-Function-XRay-Error-Cause": "x" * 1_000_000})
        note(answer.status)
        take()
    """)
    local.invoke()
    local.until(lambda: local.notes == ["202"])


def test_snap_start_holds_a_runtime_until_its_first_event(local: Local) -> None:
    local.script(
        """
        note(os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"])
        note("restored", api.call("GET", f"{RUNTIME}/restore/next").status)
        echo()
        """,
        initialization_type="snap-start",
    )
    assert local.answer(1) == 1
    assert local.answer(2) == 2
    assert local.notes == ["snap-start", "restored 200"]


def test_a_restore_that_fails_fails_the_event(local: Local) -> None:
    local.script(
        """
        api.call("GET", f"{RUNTIME}/restore/next")
        api.call("POST", f"{RUNTIME}/restore/error", b'{"errorType":"Hook","errorMessage":"no"}')
        """,
        initialization_type="snap-start",
    )
    assert local.error() == {"errorType": "Hook", "errorMessage": "no"}


def test_where_the_environment_runs_can_be_asked(local: Local) -> None:
    local.script("""
        token = os.environ["AWS_LAMBDA_METADATA_TOKEN"]
        path = "/2026-01-15/metadata/execution-environment"
        note(api.call("GET", path).status)
        answer = api.call("GET", path, b"", {"Authorization": f"Bearer {token}"})
        note(answer.status, answer.body.decode())
        echo()
    """)
    local.answer(1)
    assert local.notes == ["403", '200 {"AvailabilityZoneID": "use1-az1"}']


def _event():  # type: ignore[no-untyped-def]
    from imagekit.emulator.invocation import Event

    return Event(payload=b"{}")
