"""A large event goes from the Runtime API's socket into the worker's pipe; whatever ends on the way, nothing hangs."""

from __future__ import annotations

import time

import pytest

from tests.client.running import ECHO, Client
from tests.support.runtime_api import Event, Reply

_TYPE = "lambda-runtime-function-error-type"
_BODY = bytes(range(256)) * 12_000
#: Reads a header, does what the test says, then answers with the rest.
_STEPS = """
import time
ready()
while True:
    header = b""
    while not header.endswith(b"\\n"):
        byte = os.read(READ, 1)
        if not byte:
            sys.exit(0)
        header += byte
    kind, length, id, *_ = header.decode().split()
    length, body = int(length), b""
    {step}
    while len(body) < length:
        body += os.read(READ, length - len(body))
    frame("OK", body, id)
"""


def _soon(milliseconds: int) -> int:
    return int(time.time() * 1000) + milliseconds


@pytest.mark.parametrize("piece", [1000, 60_000])
def test_it_may_come_in_segments(client: Client, piece: int) -> None:
    client.script(ECHO)
    body = _BODY[: piece * 40]
    assert client.ask(body, next=Reply(piece=piece)).body == body
    assert client.serves(_BODY).body == _BODY


def test_a_worker_may_take_it_slowly(client: Client) -> None:
    step = "for _ in range(8 if length > 9 else 0): body += os.read(READ, 50_000); time.sleep(0.03)"
    client.script(_STEPS.format(step=step))
    for _ in range(2):
        assert client.serves(_BODY).body == _BODY
        assert client.serves(b"small").body == b"small"


@pytest.mark.parametrize("cut", [100_000, 2_000_000])
def test_a_connection_that_ends_within_it_is_told(client: Client, cut: int) -> None:
    client.script(ECHO)
    client.serves()
    event = Event(body=_BODY, next=Reply(cut=cut))
    client.api.add(event)
    assert client.api.answer(event).header(_TYPE) == "Runtime.TruncatedEvent"
    client.told(event.id)
    assert client.serves(_BODY).body == _BODY


@pytest.mark.parametrize("read", [0, 200_000, 2_900_000])
def test_a_worker_that_ends_within_it_is_reported(client: Client, read: int) -> None:
    step = f"while length > 9 and len(body) < {read}: body += os.read(READ, {read} - len(body))\n"
    client.script(_STEPS.format(step=f"{step}    if length == {len(_BODY)}: os._exit(3)"))
    client.serves()
    event = Event(body=_BODY)
    client.api.add(event)
    assert client.api.answer(event).header(_TYPE) == "Runtime.ExitError"
    client.told("exit status 3", event.id)
    assert client.serves(_BODY[:-1]).body == _BODY[:-1]


def test_a_worker_may_answer_before_it_has_read_it(client: Client) -> None:
    step = "length > 9 and frame('OK', b'early', id)\n    early = length > 9"
    client.script(_STEPS.format(step=step).replace('frame("OK", body, id)', 'early or frame("OK", body, id)'))
    for _ in range(3):
        assert client.serves(_BODY).body == b"early"
        assert client.serves(b"small").body == b"small"


@pytest.mark.parametrize("size", [400_000, len(_BODY)])
def test_a_worker_that_does_not_read_it_is_given_up(client: Client, size: int) -> None:
    client.script(_STEPS.format(step=f"length == {size} and time.sleep(60)"), deadline_margin="100")
    client.serves()
    event = Event(body=_BODY[:size], deadline=_soon(400))
    client.api.add(event)
    assert client.api.answer(event).header(_TYPE) == "Function.Timeout"
    client.told("timed out", event.id)
    assert client.serves(_BODY[:-1]).body == _BODY[:-1]
