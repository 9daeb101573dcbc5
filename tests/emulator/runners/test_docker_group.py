"""A user who may speak to the engine, but not send signals to its processes: who is in the group `docker`."""

import ctypes
import os
import signal
from contextlib import contextmanager

import pytest

from imagekit.emulator.ports import Confines
from imagekit.emulator.runners import runner as runner_of
from tests.emulator.runners.running import opened
from tests.support.tools import need_root

pytestmark = pytest.mark.real
_VERSION, _KILL = 0x20080522, 1 << 5


@contextmanager
def without_kill():
    """This thread, and those that it starts, may signal its own user's processes only (CAP_KILL, capabilities(7))."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    before = sets[0]
    sets[0] = before & ~_KILL
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = before
        assert libc.capset(header, sets) == 0


@pytest.mark.parametrize("name", ["docker"])
def test_signals_are_sent_by_a_program_inside(name, means, make_image, native):
    need_root()
    with without_kill():
        sandbox = opened(runner_of(name, means), make_image(native).filesystem, Confines(memory=64))
        polite, daemon, other = sandbox.start("wait"), sandbox.start("daemon"), sandbox.start("wait")
        lines = [ran.line() for ran in (polite, daemon, other)]
        assert all(lines)
        inside = sandbox.sandbox.inspect(polite.process.number)["Pid"]
        with pytest.raises(PermissionError):
            os.kill(inside, 0)
        polite.process.terminate()
        assert polite.process.wait(10) == -signal.SIGTERM
        daemon.process.kill()
        assert daemon.process.wait(10) == -signal.SIGKILL
        assert daemon.all() == ""
        assert other.process.wait(0) is None
        hungry = sandbox.start("eat", "200")
        assert hungry.process.wait(20) == -signal.SIGKILL
        assert other.process.wait(10) == -signal.SIGKILL
        sandbox.close()
    assert os.listdir(f"{means.folder}/tools") == [f"holder-{native}"]
