"""A shell in a sandbox, on the terminal of the one who asks for it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from imagekit.emulator.ports import Process, Sandbox, Start

#: Opening the terminal anew, instead of using a copy of the descriptor, makes it the shell's own: Ctrl-C works.
_SHELL: Final = 'exec "$(command -v bash || command -v sh)" -i </proc/self/fd/1'
_PIECE: Final = 65536


def shell(sandbox: Sandbox, what: Start, terminal: int) -> int:
    """Run a shell with this environment and directory until it ends; its exit code. Raises BuildFailed without one."""
    master, slave = pty.openpty()
    try:
        _copy_size(terminal, master)
        try:
            started = Start(command=("/bin/sh", "-c", _SHELL), environment=what.environment, directory=what.directory)
            process = sandbox.start(started, slave, slave)
        finally:
            os.close(slave)
        with _raw(terminal), _following_size(terminal, master):
            return _passed_on(process, terminal, master)
    finally:
        os.close(master)


def _passed_on(process: Process, terminal: int, master: int) -> int:
    """Bytes go both ways until the shell has ended and all that it wrote was shown."""
    sources = [master, terminal]
    while sources:
        ready, _, _ = select.select(sources, [], [], 0.2)
        if not ready and (code := process.wait(0)) is not None:
            return code
        if master in ready:
            try:
                data = os.read(master, _PIECE)
            except OSError:  # how Linux says that nobody has the other side open
                break
            os.write(terminal, data)
        if terminal in ready:
            typed = os.read(terminal, _PIECE)
            if typed:
                os.write(master, typed)
            else:
                sources.remove(terminal)
    return process.wait() or 0


@contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Every key goes to the shell as it is."""
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def _following_size(terminal: int, master: int) -> Iterator[None]:
    before = signal.signal(signal.SIGWINCH, lambda *_: _copy_size(terminal, master))
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _copy_size(terminal: int, master: int) -> None:
    fcntl.ioctl(master, termios.TIOCSWINSZ, fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8)))
