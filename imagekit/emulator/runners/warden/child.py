"""Starting a process inside a sandbox, and ending one with all that it started."""

from __future__ import annotations

import os
import resource
import time

from imagekit.emulator.runners.warden import calls

TYPE_CHECKING = False  # importing `typing` would cost a start more than all else here
if TYPE_CHECKING:
    import signal
    from collections.abc import Collection, Mapping
    from typing import Any, Final
else:
    import _signal as signal

#: What Python ignores, and programs expect to be as the kernel gives it.
_SIGNALS: Final = (signal.SIGPIPE, signal.SIGINT, signal.SIGXFSZ, signal.SIGCHLD)
#: Of a tree that is killed beside others: seconds for telling who is whose; between two looks.
_PATIENCE: Final = 1.0
_PAUSE: Final = 0.001
_FIRST: Final = 1
_DEAD: Final = frozenset("ZX")


def start(
    message: dict[str, Any], limits: Mapping[str, int], descriptors: list[int], groups: list[int]
) -> tuple[int, int]:
    """Fork and execute; the process's number outside and inside. Raises OSError with what could not be done.

    `descriptors` are its stdout and stderr, `groups` are those of `cgroup.procs` of its control groups.
    """
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        _execute(message, limits, descriptors, groups, tell)
    os.close(tell)
    inside = os.read(told, 16)
    problem = os.read(told, 4096)
    os.close(told)
    if problem or not inside:
        os.waitpid(child, 0)
        number, _, what = problem.decode("utf-8", "replace").partition(" ")
        raise OSError(int(number or 5), os.strerror(int(number or 5)), what)
    return child, int(inside)


def kill_tree(top: int, others: Collection[int]) -> None:
    """SIGKILL for a process, what it started, and what belongs to none of `others`; all numbers as inside.

    Who leaves a tree by fork and exit cannot be told from whom: with nobody else alive, everything goes. So it does
    where processes come faster than they can be told apart. Raises OSError where not even the killer can be started.
    """
    child = os.fork()
    if child == 0:
        try:
            _kill_all(top, frozenset(others))
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _execute(
    message: dict[str, Any], limits: Mapping[str, int], streams: list[int], groups: list[int], tell: int
) -> None:
    """In the child: never returns."""
    what = "start"
    try:
        os.write(tell, str(os.getpid()).encode().ljust(16))
        for group in groups:
            os.write(group, b"0")
        os.setsid()
        os.umask(0o022)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        for place, stream in enumerate(streams, 1):
            os.dup2(stream, place)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for name, limit in limits.items():
            resource.setrlimit(getattr(resource, name), (limit, limit))
        calls.drop_privileges()
        what = "change into " + message["directory"]
        os.chdir(message["directory"])
        what = "execute " + message["command"][0]
        _become(message["command"], message["environment"])
    except OSError as error:
        os.write(tell, f"{error.errno or 5} {what}".encode("utf-8", "replace")[:4000])
    finally:
        os._exit(127)


def _become(command: list[str], environment: dict[str, str]) -> None:
    """execve(2), with a search where the name has no slash; `os.execvpe` would import, and nothing can be."""
    name = command[0]
    folders = [""] if "/" in name else environment.get("PATH", os.defpath).split(":")
    problem: OSError = FileNotFoundError(2, os.strerror(2))
    for folder in folders:
        try:
            os.execve(f"{folder}/{name}" if folder else name, command, environment)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            problem = error
    raise problem


def _kill_all(top: int, others: frozenset[int]) -> None:
    """A signal to all is sent at one moment, in which nothing can be forked (kill(2))."""
    end = time.monotonic() + (_PATIENCE if others else 0)
    while time.monotonic() < end:
        doomed = belonging(top, others, [one for one in processes() if one not in {_FIRST, os.getpid()}])
        if not doomed:
            return
        for one in doomed:
            _kill(one)
        time.sleep(_PAUSE)
    _kill(-1)  # all but the first process and this one
    while any(one not in {_FIRST, os.getpid()} and _status(one) for one in processes()):
        time.sleep(_PAUSE)


def _kill(whom: int) -> None:
    try:
        os.kill(whom, signal.SIGKILL)
    except OSError:
        return  # gone by itself


def belonging(top: int, others: Collection[int], among: Collection[int]) -> list[int]:
    """Those of the processes `among` that are `top`, come from it, or come from none of `others`, as far as is seen."""
    found = {one: status for one in among if (status := _status(one))}
    return [one for one in found if one == top or not _belongs(one, found, others)]


def _belongs(one: int, found: Mapping[int, tuple[int, int]], others: Collection[int]) -> bool:
    """True when a process is one of the others, descends from one, or is in the session that one leads."""
    for _ in range(len(found) + 1):
        if one in others:
            return True
        if one not in found:
            return False
        parent, session = found[one]
        if session in others:
            return True
        one = parent
    return False


def processes() -> list[int]:
    """The processes inside, by their numbers there."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _status(one: int) -> tuple[int, int] | None:
    """Parent and session of a process that lives (proc_pid_stat(5)); None for one that does not."""
    try:
        file = os.open(f"/proc/{one}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fields = os.read(file, 1024).rpartition(b")")[2].split()
        finally:
            os.close(file)
    except OSError:
        return None
    if len(fields) < 4 or fields[0].decode() in _DEAD:
        return None
    return int(fields[1]), int(fields[3])
