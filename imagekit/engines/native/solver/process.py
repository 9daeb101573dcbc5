"""Asking the process that chooses: one request, at most one question back, one answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any, Final

from imagekit.errors import BuildFailed

_PROGRAM: Final = (
    "import sys; sys.path[:] = sys.argv[1:]; from imagekit.engines.native.solver.child import main; main()"
)
#: Seconds that a process gets to end by itself once it has closed its end.
_GRACE: Final = 10.0
#: Bytes of an answer: thousands of packages with their reasons.
_MAX_ANSWER: Final = 64 << 20


def ask(request: Mapping[str, Any], filelists: Callable[[], Mapping[str, tuple[str, int | None]]]) -> Mapping[str, Any]:
    """The answer to a request; `filelists` gives the paths of complete file lists, and their unpacked sizes,
    when they are needed.

    Raises BuildFailed when the process ends without an answer: libsolv is a C library, and may crash.
    """
    with tempfile.TemporaryFile() as errors, _started(errors) as process:
        answer = _exchange(process, request)
        if answer and "need" in answer:
            answer = _exchange(process, {"filelists": filelists()})
        if not answer:
            raise _ended(_code(process), errors)
    return answer


@contextmanager
def _started(errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The process; it ends when the block does, however that is."""
    words = [sys.executable, "-I", "-c", _PROGRAM, *filter(None, sys.path)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    try:
        yield process
    except BaseException:
        process.kill()
        raise
    finally:
        for pipe in filter(None, (process.stdin, process.stdout)):
            with suppress(BrokenPipeError):  # what it did not read any more
                pipe.close()
        process.wait()


def _exchange(process: subprocess.Popen[bytes], message: Mapping[str, Any]) -> dict[str, Any] | None:
    """The next line of the process; None when it ended."""
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(json.dumps(message).encode("ascii") + b"\n")
        process.stdin.flush()
        line = process.stdout.readline(_MAX_ANSWER)
        answer = json.loads(line) if line.endswith(b"\n") else None
    except (BrokenPipeError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def _code(process: subprocess.Popen[bytes]) -> int:
    """How a process ended that says nothing more; one that goes on without a word is killed."""
    try:
        return process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _ended(code: int, errors: IO[bytes]) -> BuildFailed:
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - 2000))
    said = errors.read().decode("utf-8", "replace").strip().splitlines()
    return BuildFailed(
        f"the process that chooses packages ended {how}{f': {said[-1][:300]}' if said else ''}",
        hint="try again; if it stays so, leave packages out one by one to find the one that it cannot read",
    )
