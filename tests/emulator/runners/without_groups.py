"""Where no control group can be made: test_control_group.py runs this where the kernel shows none."""

from __future__ import annotations

import signal

import pytest

from tests.emulator.runners.running import eventually


@pytest.mark.parametrize("words", [("bomb", "4000", "4"), ("threads", "4000")], ids=["processes", "threads"])
def test_a_crowd_without_end_is_ended(open_sandbox, words):
    """The kernel does not bind root by a number of processes."""
    sandbox = open_sandbox(memory=4096)
    assert "no control group" in sandbox.sandbox.keeps_memory
    other, crowd = sandbox.start("wait"), sandbox.start(*words)
    assert crowd.process.wait(60) == -signal.SIGKILL
    assert other.process.wait(60) == -signal.SIGKILL
    assert eventually(lambda: sandbox.says("processes") == "2", 60)


def test_as_many_as_on_lambda_go_on(open_sandbox):
    sandbox = open_sandbox(memory=2048)
    crowd = sandbox.start("forks", "1000")
    assert crowd.line() == "1000"
    assert crowd.process.wait(0.2) is None
    crowd.process.kill()
    assert crowd.process.wait(60) == -signal.SIGKILL
