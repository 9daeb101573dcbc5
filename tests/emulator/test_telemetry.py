"""The Telemetry API: an extension subscribes, listens, and gets what happens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulator.conftest import Local

#: An extension that subscribes, and notes every portion as it came, with how.
SUBSCRIBER = """
    import json
    import threading
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    def listen():
        while True:
            connection, _ = listener.accept()
            file = connection.makefile("rb")
            if PROTOCOL == "TCP":
                for line in file:
                    note(json.dumps(["TCP", [json.loads(line)]]))
                continue
            head, length = file.readline().decode().strip(), 0
            while (line := file.readline().strip()):
                if line.lower().startswith(b"content-length"):
                    length = int(line.split(b":")[1])
            body = json.loads(file.read(length))
            time.sleep(0 if STAYS else 0.05)
            note(json.dumps([head, body]))
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
            connection.close()
    threading.Thread(target=listen, daemon=True).start()
    id, _ = register("telemetry", "INVOKE", "SHUTDOWN")
    if PROTOCOL == "TCP":
        destination = {"protocol": "TCP", "port": port}
    else:
        destination = {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{port}/in"}
    body = {"schemaVersion": "2022-12-13", "types": TYPES, "destination": destination}
    body["buffering"] = {"timeoutMs": TIMEOUT}
    answer = api.call("PUT", "/2022-07-01/telemetry", json.dumps(body).encode(), {"Lambda-Extension-Identifier": id})
    assert (answer.status, answer.body) == (200, b"OK"), answer.body
    while b"SHUTDOWN" not in event_next(id).body:
        pass
    time.sleep(STAYS)
"""


def subscribe(local: Local, *types: str, protocol: str = "HTTP", milliseconds: int = 25, stays: float = 0.3) -> None:
    import textwrap

    settings = f"TYPES, PROTOCOL, TIMEOUT, STAYS = {list(types)!r}, {protocol!r}, {milliseconds}, {stays}\n"
    local.extension("telemetry", settings + textwrap.dedent(SUBSCRIBER))


def events(local: Local) -> list[dict[str, Any]]:
    return [event for line in local.notes for event in json.loads(line)[1]]


@pytest.mark.parametrize("protocol", ["HTTP", "TCP"])
def test_a_subscriber_gets_platform_events_in_their_order_and_form(local: Local, protocol: str) -> None:
    subscribe(local, "platform", protocol=protocol)
    local.script("echo()", name="f")
    outcome = local.invoke(1, trace="Root=1-2-3")
    local.until(lambda: any(item["type"] == "platform.report" for item in events(local)))
    assert {json.loads(line)[0] for line in local.notes} == {"TCP" if protocol == "TCP" else "POST /in HTTP/1.1"}
    found = {item["type"]: item["record"] for item in events(local)}
    names = ("initStart", "extension", "telemetrySubscription", "initRuntimeDone", "initReport")
    names += ("start", "runtimeDone", "report")
    assert list(found) == [f"platform.{name}" for name in names]
    tracing = {"type": "X-Amzn-Trace-Id", "value": "Root=1-2-3"}
    assert found["platform.start"] == {"requestId": outcome.request_id, "version": "$LATEST", "tracing": tracing}
    done = found["platform.runtimeDone"]
    assert (done["requestId"], done["status"], done["metrics"]["producedBytes"]) == (outcome.request_id, "success", 1)
    assert [item["name"] for item in done["spans"]] == ["responseLatency", "responseDuration"]
    metrics = found["platform.report"]["metrics"]
    assert metrics["billedDurationMs"] == outcome.report.billed
    assert metrics["maxMemoryUsedMB"] == 20
    assert metrics["initDurationMs"] > 0
    assert found["platform.initStart"]["initializationType"] == "on-demand"
    assert found["platform.extension"] == {"name": "telemetry", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]}
    assert found["platform.telemetrySubscription"]["types"] == ["platform"]


def test_what_is_buffered_arrives_before_the_shutdown(local: Local) -> None:
    subscribe(local, "platform", milliseconds=20_000, stays=0)
    local.script("echo()", name="f")
    local.invoke(1)
    local.function.close()
    assert "platform.report" in [item["type"] for item in events(local)]


def test_logs_of_function_and_extensions_are_delivered(local: Local) -> None:
    subscribe(local, "function", "extension")
    local.extension("other", "say('outside\\n'); id, _ = register('other'); event_next(id)")
    local.script("""
        say("loading\\n")
        while True:
            event = take()
            say("handling\\n")
            respond(event, event.body)
    """)
    local.answer(1)
    local.until(lambda: len(events(local)) >= 3)
    assert {(item["type"], item["record"]) for item in events(local)} == {
        ("extension", "outside\n"),
        ("function", "loading\n"),
        ("function", "handling\n"),
    }


def test_a_failed_event_is_told_with_its_error(local: Local) -> None:
    subscribe(local, "platform")
    local.script("""
        event = take()
        fail(event)
        take()
    """)
    local.error()
    local.until(lambda: any(item["type"] == "platform.report" for item in events(local)))
    found = {item["type"]: item["record"] for item in events(local)}
    for name in ("platform.runtimeDone", "platform.report"):
        assert (found[name]["status"], found[name]["errorType"]) == ("error", "Function.Oops")


def test_a_subscriber_that_does_not_listen_harms_nobody(local: Local) -> None:
    local.extension(
        "telemetry",
        """
        id, _ = register("telemetry", "INVOKE")
        body = b'{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"HTTP",'
        body += b'"URI":"http://sandbox.localdomain:1"},"buffering":{"timeoutMs":25}}'
        note(api.call("PUT", "/2022-07-01/telemetry", body, {"Lambda-Extension-Identifier": id}).status)
        while True:
            event_next(id)
        """,
    )
    local.script("echo()")
    assert [local.answer(number) for number in range(3)] == [0, 1, 2]
    assert local.notes == ["200"]


def test_subscriptions_that_are_wrong_are_refused(local: Local) -> None:
    local.extension(
        "telemetry",
        """
        import json
        id, _ = register("telemetry")
        good = {"schemaVersion": "2022-07-01", "types": ["platform"],
                "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080"}}
        def ask(identifier=id, **changes):
            body = json.dumps({**good, **changes}).encode()
            headers = {"Lambda-Extension-Identifier": identifier} if identifier else {}
            return api.call("PUT", "/2022-07-01/telemetry", body, headers).status
        found = [
            ask(None), ask("nobody"), ask(schemaVersion="1999"), ask(types=["moon"]), ask(types=[]), ask(types=7),
            ask(destination=None), ask(destination={"protocol": "HTTP", "URI": "http://example.com:80"}),
            ask(destination={"protocol": "HTTP", "URI": "http://sandbox.localdomain:99999"}),
            ask(buffering={"maxItems": 1}), ask(buffering={"timeoutMs": "x"}), ask(buffering=[1]),
        ]
        note(*found)
        event_next(id)
        """,
    )
    local.script("""
        event = take()
        respond(event, str(api.call("PUT", "/2022-07-01/telemetry", b"{}").status).encode())
        take()
    """)
    assert local.answer() == 403
    assert local.notes == [" ".join(["403", "403", *["400"] * 10])]
