"""How a stage gets into a sandbox's namespaces: by making them, or by joining those that another program made."""

from __future__ import annotations

import os

from imagekit.emulator.runners.warden import calls, filesystem

TYPE_CHECKING = False  # importing `typing` would cost a start more than all else here
if TYPE_CHECKING:
    import signal
    from typing import Any, Final
else:
    import _signal as signal

#: The order matters: the user namespace gives the right to enter the others.
_KINDS: Final = (
    ("user", calls.CLONE_NEWUSER),
    ("net", calls.CLONE_NEWNET),
    ("ipc", calls.CLONE_NEWIPC),
    ("uts", calls.CLONE_NEWUTS),
    ("pid", calls.CLONE_NEWPID),
    ("mnt", calls.CLONE_NEWNS),
)


def join(process: int) -> None:
    """Enter the namespaces of a process; what is started from here on is inside. Raises OSError."""
    others = []
    for name, kind in _KINDS:
        file = os.open(f"/proc/{process}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        if not os.path.samestat(os.fstat(file), os.stat(f"/proc/self/ns/{name}")):
            others.append((file, kind))
    for file, kind in others:
        calls.enter(file, kind)
        os.close(file)
    os.chdir("/")


def join_network(process: int) -> None:
    """Enter a process's network only; its user namespace too where that is what gives the right."""
    file = os.open(f"/proc/{process}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        calls.enter(file, calls.CLONE_NEWNET)
    except PermissionError:
        user = os.open(f"/proc/{process}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        calls.enter(user, calls.CLONE_NEWUSER)
        calls.enter(file, calls.CLONE_NEWNET)


def make(plan: dict[str, Any], holder: int) -> int:
    """New namespaces with a root file system as `plan` says, and `holder`, a program, as their first process.

    Returns that process: when it ends, the kernel ends all others inside. Raises OSError.
    """
    user, group = os.geteuid(), os.getegid()
    network = calls.CLONE_NEWNET if plan["is_alone"] else 0
    shared = calls.CLONE_NEWUSER | calls.CLONE_NEWNS | calls.CLONE_NEWPID | calls.CLONE_NEWIPC | calls.CLONE_NEWUTS
    calls.unshare(shared | network)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{plan['user']} {user} 1")
    _write("/proc/self/gid_map", f"{plan['group']} {group} 1")
    ready, told = os.pipe()
    lives, lifeline = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(ready)
        os.close(lifeline)
        _first(plan, holder, lives, told)
    os.close(told)
    os.close(lives)
    _wait_until_ready(ready)
    return first


def raise_loopback() -> None:
    """Bring up `lo` (netdevice(7), SIOCSIFFLAGS)."""
    import _socket
    import fcntl
    import struct

    end = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    fcntl.ioctl(end.fileno(), 0x8914, struct.pack("16sh22x", b"lo", 1))
    end.close()


def _first(plan: dict[str, Any], holder: int, lives: int, told: int) -> None:
    """The first process: it builds the file system, then becomes the holder. Never returns."""
    problem = b""
    try:
        calls.die_with_parent()
        if plan["is_alone"]:
            raise_loopback()
        calls.name_host(plan["host"])
        filesystem.build(plan)
        os.dup2(lives, 0)
        os.dup2(told, 1)
        os.dup2(os.open("/dev/null", os.O_WRONLY), 2)  # what it holds can be opened by others inside
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        calls.drop_privileges()
        os.execve(holder, ["init"], {})
    except OSError as error:
        problem = f"!{error.errno} {error.filename or ''}".encode()
    finally:
        os.write(told, problem or b"!5 ")
        os._exit(1)


def _wait_until_ready(ready: int) -> None:
    """The holder's first byte; a problem of the first process is raised here."""
    answer = os.read(ready, 4096)
    os.close(ready)
    if answer[:1] == b"!" or not answer:
        number, _, what = answer[1:].decode("utf-8", "replace").partition(" ")
        raise OSError(int(number or 5), os.strerror(int(number or 5)), what)


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    os.write(file, text.encode())
    os.close(file)
