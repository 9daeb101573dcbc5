"""The command line: the only place that prints, reads the environment and exits."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType
from typing import Final, NoReturn

#: How many objects more there have to be before Python looks for cycles. At its own 700 that is a tenth of a short run.
_NEW_OBJECTS: Final = 100_000


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command line (the process's own when None) and exit with the code of its outcome."""
    _open_what_was_closed()
    if arguments is not None:
        sys.exit(_run(arguments))
    if sys.getfilesystemencoding() != "utf-8":
        _begin_again_in_utf8()
    gc.set_threshold(_NEW_OBJECTS)
    code = _run(sys.argv[1:])
    gc.freeze()  # the interpreter's last look through all that there is would take longer than most of its other work
    sys.exit(code)


def _open_what_was_closed() -> None:
    """Put /dev/null where a standard stream was closed (`>&-`), before a file or a socket of ours takes its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  # to the very end


def _begin_again_in_utf8() -> None:
    """Under a locale with another encoding the same files would have other names in the image (PEP 540)."""
    if sys.executable:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def _run(arguments: Sequence[str]) -> int:
    """The one place where errors end: everything that a command raises becomes a text and an exit code."""
    session = None
    try:
        with _ended_as_if_interrupted():
            from imagekit.cli.root import invoke
            from imagekit.cli.session import Session

            _print_all_that_is_named()
            session = Session.of_process(os.environ)
            code = invoke(arguments, session)
            sys.stdout.flush()
            return code
    except (Exception, KeyboardInterrupt) as error:
        from imagekit.cli.failure import end
        from imagekit.cli.session import Session

        return end(error, session or Session.of_process(os.environ))


def _print_all_that_is_named() -> None:
    """A file's name that is no text, or a locale without its letters, must not stop the printing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _ended_as_if_interrupted() -> Iterator[None]:
    """A polite end (SIGTERM, as CI and containers send it, a closed terminal, Ctrl-\\) cleans up as Ctrl-C does.

    A signal that is ignored, as `nohup` asks for, stays ignored.
    """

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
