"""A log whose reader is slow or late: all of it arrives, before the answer where that is a matter of moments."""

from __future__ import annotations

import fcntl
import os
import termios
import threading
import time
from array import array
from collections.abc import Iterator

import pytest

from tests.client.running import Client
from tests.support.runtime_api import Event

_EVENT = b"for _ in range(%d): os.write(2, b'k' * 999 + b'\\n')"
_modes = pytest.mark.parametrize("mode", ["worker", "per_event"])


class Reader:
    """Reads the client's stderr from when it is told to, with a pause after each read."""

    def __init__(self, descriptor: int) -> None:
        self.got = 0
        self.pause = 0.0
        self.begin = threading.Event()
        self._descriptor = descriptor
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        self.begin.wait()
        while piece := os.read(self._descriptor, 1 << 16):
            self.got += len(piece)
            time.sleep(self.pause)

    def written(self) -> int:
        """At least so much was written by now."""
        waiting = array("i", [0])
        fcntl.ioctl(self._descriptor, termios.FIONREAD, waiting)
        return self.got + waiting[0]

    def end(self) -> int:
        """What came until the end of file."""
        self.begin.set()
        self._thread.join(20)
        os.close(self._descriptor)
        return self.got


@pytest.fixture
def reader(client: Client) -> Iterator[Reader]:
    descriptor, client.stderr = os.pipe()
    yield (made := Reader(descriptor))
    made.begin.set()


def _start(client: Client, mode: str) -> None:
    if mode == "worker":
        client.script("ready()\nfor event in frames():\n    exec(event.body)\n    answer(event)")
    else:
        client.start(client.program("exec(sys.stdin.buffer.read())"), mode=mode)


@_modes
def test_a_slow_reader_has_all_of_it_before_the_answer(client: Client, reader: Reader, mode: str) -> None:
    reader.pause = 0.01
    reader.begin.set()
    _start(client, mode)
    client.serves(_EVENT % 1000)
    assert reader.written() >= 1_000_000 - (1 << 16), "what is between the pipe and the count"
    client.terminate()
    assert reader.end() == 1_000_000


@_modes
def test_a_late_reader_loses_nothing_and_delays_the_answer_by_moments(
    client: Client, reader: Reader, mode: str
) -> None:
    _start(client, mode)
    for _ in range(2):
        client.serves(_EVENT % 50)
    threading.Timer(0.3, reader.begin.set).start()
    client.serves(_EVENT % 50)
    client.serves(b"1")
    reader.begin.wait()
    client.api.wait(lambda: reader.got == 150_000, "the rest of the log")
    client.terminate()
    assert reader.end() == 150_000


def test_no_memory_is_filled_with_a_log_that_nobody_reads(client: Client, reader: Reader) -> None:
    """Processes end, and what they wrote is kept: the next event waits before that is more than a little."""
    _start(client, "per_event")
    client.serves(b"1")
    events = [Event(body=_EVENT % 60) for _ in range(60)]
    client.api.add(*events)
    client.api.wait(lambda: len(client.api.posts(events[10])) == 1, "the first events")
    time.sleep(2)
    assert not client.api.posts(events[-1])
    assert client.holds_less_than(4000)
    reader.begin.set()
    client.api.answer(events[-1])
    client.terminate()
    assert reader.end() == 60 * 60_000
