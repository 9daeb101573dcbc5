"""A shell in a sandbox, on the terminal of the one who asks for it."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from imagekit.emulator.ports import Sandbox, Start, Terminal

#: The better one of the two that an image has.
_SHELL: Final = ("/bin/sh", "-c", 'exec "$(command -v bash || command -v sh)" -i')
_PIECE: Final = 65536


def shell(sandbox: Sandbox, what: Start, terminal: int) -> int:
    """Run a shell with this environment and directory until it ends; its exit code. Raises BuildFailed without one."""
    inside = sandbox.terminal(Start(command=_SHELL, environment=what.environment, directory=what.directory))
    try:
        _copy_size(terminal, inside)
        with _raw(terminal), _following_size(terminal, inside):
            return _passed_on(inside, terminal)
    finally:
        inside.close()


def _passed_on(inside: Terminal, terminal: int) -> int:
    """Bytes go both ways until the shell has ended and all that it wrote was shown."""
    sources = [inside.fileno(), terminal]
    while True:
        ready, _, _ = select.select(sources, [], [], 0.2)
        if not ready and (code := inside.wait(0)) is not None:
            return code
        if inside.fileno() in ready:
            data = inside.read()
            if not data:
                return inside.wait() or 0
            _write(terminal, data)
        if terminal in ready:
            typed = os.read(terminal, _PIECE)
            if typed:
                inside.write(typed)
            else:
                sources.remove(terminal)


def _write(terminal: int, data: bytes) -> None:
    while data:
        data = data[os.write(terminal, data) :]


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
def _following_size(terminal: int, inside: Terminal) -> Iterator[None]:
    before = signal.signal(signal.SIGWINCH, lambda *_: _copy_size(terminal, inside))
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _copy_size(terminal: int, inside: Terminal) -> None:
    rows, columns, _, _ = struct.unpack("4H", fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8)))
    inside.resize(rows, columns)
