"""The event stream encoding, as botocore's decoder reads it."""

from __future__ import annotations

from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from imagekit.emulator.eventstream import invoke_complete, message, payload_chunk

_NAMES = st.text(min_size=1, max_size=60).filter(lambda name: len(name.encode()) <= 255)
_MESSAGES = st.lists(st.tuples(st.dictionaries(_NAMES, st.text(max_size=200), max_size=5), st.binary()), max_size=5)


@given(_MESSAGES, st.integers(1, 64))
def test_messages_come_back_as_they_were(messages, step) -> None:
    data = b"".join(message(headers, payload) for headers, payload in messages)
    buffer = EventStreamBuffer()
    found = []
    for start in range(0, len(data), step):
        buffer.add_data(data[start : start + step])
        found += [(read.headers, read.payload) for read in buffer]
    assert found == messages


def test_the_events_of_lambda_have_their_headers() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(payload_chunk(b"abc") + invoke_complete(b"{}"))
    chunk, complete = buffer
    assert chunk.payload == b"abc"
    assert chunk.headers == {
        ":message-type": "event",
        ":event-type": "PayloadChunk",
        ":content-type": "application/octet-stream",
    }
    assert complete.headers[":event-type"] == "InvokeComplete"
    assert complete.headers[":content-type"] == "application/json"
