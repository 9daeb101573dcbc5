"""The warden's first process: it waits, imports done, and becomes a sandbox's stage by fork(2) in a millisecond."""

from __future__ import annotations

import _socket
import os

from imagekit.emulator.runners.warden import stage, wire

TYPE_CHECKING = False  # importing `typing` and `enum` would cost a start more than all else here
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal


def main(descriptor: int) -> None:
    """Serve imagekit on an inherited socket until it goes away."""
    end = _socket.socket(fileno=descriptor)
    os.set_inheritable(descriptor, False)
    os.closerange(descriptor + 1, os.sysconf("SC_OPEN_MAX"))  # what imagekit itself inherited
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is imagekit's; it closes the socket
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a stage
    os.chdir("/")
    while True:
        message, descriptors = wire.receive(end)
        if not message:
            return
        if os.fork() == 0:
            end.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _run(message, descriptors)
        for one in descriptors:
            os.close(one)


def _run(message: wire.Message, descriptors: list[int]) -> None:
    """Be a stage; never returns."""
    code = 1
    try:
        stage.serve(message, descriptors)
        code = 0
    finally:
        os._exit(code)
