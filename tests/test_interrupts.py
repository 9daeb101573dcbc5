"""An interrupt while a process is being started waits until the process can be ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading

import pytest

from imagekit import interrupts


@pytest.fixture
def interruptible():
    """Ctrl-C as Python has it, whatever started the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_comes_at_the_end_of_the_block(interruptible):
    done = []

    def start() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.append("all of it")

    with pytest.raises(KeyboardInterrupt), interrupts.held():
        start()
    assert done == ["all of it"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_failure_in_the_block_is_told_and_handlers_are_back(interruptible):
    with pytest.raises(ValueError, match="own"), interrupts.held():
        raise ValueError("own")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_ignored_stays_ignored_also_in_what_is_started(interruptible):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts.held():
        os.kill(os.getpid(), signal.SIGINT)
        shell = subprocess.run(["sh", "-c", "kill -INT $$; echo on"], capture_output=True, check=True)
    assert shell.stdout == b"on\n"


def test_a_process_that_is_started_can_be_interrupted(interruptible):
    with interrupts.held():
        shell = subprocess.run(["sh", "-c", "kill -INT $$; echo on"], capture_output=True, check=False)
    assert shell.returncode == -signal.SIGINT


def test_another_thread_holds_nothing():
    seen = []

    def look() -> None:
        with interrupts.held():
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]
