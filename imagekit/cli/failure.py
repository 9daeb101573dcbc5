"""Whatever ends a command early, as one of imagekit's own errors, told once, with an exit code."""

from __future__ import annotations

import errno
import os
import select
import sys
import traceback
from pathlib import Path
from typing import Final

import click

from imagekit.cli.report import show_error
from imagekit.cli.session import Session
from imagekit.errors import Bug, ImagekitError, Interrupted, InvalidFile, Missing, UsageError

#: As a shell reports a program that nobody listened to any more: 128 and SIGPIPE.
_NOBODY_LISTENS: Final = 141
#: What the machine lacks when the system says no, and what to do about it.
_LACKS: Final = {
    errno.ENOSPC: "make room there, or name another folder with IMAGEKIT_CACHE_DIR, TMPDIR or --output",
    errno.EDQUOT: "raise the quota, make room there, or name another folder",
    errno.EROFS: "name a folder that can be written",
    errno.EACCES: "give yourself the permission, or name another path",
    errno.EPERM: "give yourself the permission, or name another path",
    errno.EMFILE: "raise the limit with `ulimit -n 4096`",
    errno.ENFILE: "end programs that hold many files, or raise the system's limit",
    errno.EIO: "look at the disk's state; the system could not read or write it",
}
#: What of the disk is not as a path says, and what to do about it.
_IN_THE_WAY: Final = {
    errno.ENOENT: "correct the path, or make what is missing there",
    errno.EEXIST: "remove or rename it, or name another path",
    errno.ENOTDIR: "a file is where a folder has to be: remove or rename it, or name another path",
    errno.EISDIR: "a folder is where a file has to be: remove or rename it, or name another path",
    errno.ELOOP: "a symlink leads to itself: remove it, or name another path",
    errno.ENAMETOOLONG: "name a shorter path",
}


def end(error: BaseException, session: Session) -> int:
    """Tell the user, and say how to exit."""
    if isinstance(error, BrokenPipeError) and _nobody_listens():
        _listen_to_nobody()
        return _NOBODY_LISTENS
    known = as_known(error)
    try:
        if session.options.verbose:
            session.console.say(_redacted("".join(traceback.format_exception(error)).rstrip()))
        show_error(known, session.console, session.environment)
        sys.stdout.flush()
    except OSError:  # stderr or stdout is gone or full: the exit code is all that can still be told
        _listen_to_nobody()
    return known.exit_code


def as_known(error: BaseException) -> ImagekitError:
    """The error as a situation that has a message, a hint and an exit code."""
    if isinstance(error, ImagekitError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("interrupted")
    if isinstance(error, click.ClickException):
        return _usage(error)
    if isinstance(error, OSError) and (refusal := _of_the_system(error)):
        return refusal
    if isinstance(error, MemoryError):
        return Missing("out of memory", hint="end other programs, or run this on a machine with more memory")
    return Bug(f"imagekit failed where it should not: {_redacted(f'{type(error).__name__}: {error}')}{_origin(error)}")


def _of_the_system(error: OSError) -> ImagekitError | None:
    """What the system's no means for the user; None for one that imagekit should have seen coming."""
    number = error.errno or 0
    where = f": {os.fsdecode(error.filename)}" if isinstance(error.filename, str | bytes) else ""
    message = f"{(error.strerror or 'the system refuses').lower()}{where}"
    if number in _LACKS:
        return Missing(message, hint=_LACKS[number])
    if where and number in _IN_THE_WAY:
        return InvalidFile(message, hint=_IN_THE_WAY[number])
    if number == errno.ENOENT and _is_nowhere():
        return InvalidFile("the current folder is gone", hint="change into one that is there, and run it again")
    return None


def _is_nowhere() -> bool:
    """True when the current folder was removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _usage(error: click.ClickException) -> UsageError:
    """click's words in the form that all errors have."""
    message = error.format_message().strip().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else "imagekit"
    hint = f"`{path} --help` lists what it takes"
    if isinstance(error, click.NoSuchOption):
        message = f"no such option: {error.option_name}"
        if error.possibilities:
            hint = f"did you mean {' or '.join(error.possibilities)}? {hint}"
    return UsageError(message[:1].lower() + message[1:], hint=hint)


def _origin(error: BaseException) -> str:
    """The line of imagekit that was at work, with the path inside the package: no other part says who to ask."""
    package = Path(__file__).resolve().parent.parent
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(f"{package}/")]
    if not frames:
        return ""
    return f" ({os.path.relpath(frames[-1].filename, package.parent)}, line {frames[-1].lineno})"


def _redacted(text: str) -> str:
    """Without credentials in URLs: a traceback is made to be pasted."""
    from imagekit.spec.secret import redact

    return redact(text)


def _nobody_listens() -> bool:
    """True when the reader of stdout or stderr has gone; another broken pipe is no reason to be quiet."""
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _listen_to_nobody() -> None:
    """Let the interpreter's last flush go nowhere instead of failing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
