"""A sandbox's file system by mount(2): the image read-only, a /tmp with a size, a /dev with what Lambda has there."""

from __future__ import annotations

import os

from imagekit.emulator.runners.warden import calls

TYPE_CHECKING = False  # importing `typing` would cost a start more than all else here
if TYPE_CHECKING:
    from typing import Any, Final

#: There is no /dev/shm on Lambda.
DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
LINKS: Final = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
                "stderr": "/proc/self/fd/2"}  # fmt: skip
#: What a mount of a user namespace may not take away from the file system that it shows (mount_namespaces(7)).
_LOCKED: Final = (
    (os.ST_NOSUID, calls.MS_NOSUID),
    (os.ST_NODEV, calls.MS_NODEV),
    (os.ST_NOEXEC, calls.MS_NOEXEC),
    (os.ST_NOATIME, calls.MS_NOATIME),
    (os.ST_NODIRATIME, calls.MS_NODIRATIME),
    (os.ST_RELATIME, calls.MS_RELATIME),
)


def build(plan: dict[str, Any]) -> None:
    """Make `plan["folder"]` the root of this mount namespace, which is a new one. Raises OSError."""
    root = plan["folder"]
    calls.mount("none", "/", "", calls.MS_REC | calls.MS_PRIVATE)
    calls.mount(root, root, "", calls.MS_BIND | calls.MS_REC)
    _restrict(root, is_writable=False)
    calls.mount("proc", f"{root}/{plan['proc']}", "proc", calls.MS_NOSUID | calls.MS_NODEV | calls.MS_NOEXEC)
    _devices(f"{root}/{plan['dev']}", plan, root)
    calls.mount("tmpfs", f"{root}/{plan['tmp']}", "tmpfs", calls.MS_NOSUID | calls.MS_NODEV,
                f"mode=1777,size={plan['temporary']}")  # fmt: skip
    for source, target, is_writable in plan["mounts"]:
        calls.mount(source, f"{root}/{target}", "", calls.MS_BIND | calls.MS_REC)
        _restrict(f"{root}/{target}", is_writable=is_writable)
    os.chdir(root)
    calls.pivot_root(".", ".")
    calls.detach(".")
    os.chdir("/")


def _devices(folder: str, plan: dict[str, Any], root: str) -> None:
    """/dev, and the small files that are mounted over the image's: they need a place to be written to."""
    flags = calls.MS_NOSUID | calls.MS_NOEXEC
    calls.mount("tmpfs", folder, "tmpfs", flags, "mode=755,size=1m")
    for name in DEVICES:
        os.close(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT, 0o666))
        calls.mount(f"/dev/{name}", f"{folder}/{name}", "", calls.MS_BIND)
    for name, target in LINKS.items():
        os.symlink(target, f"{folder}/{name}")
    for target, text in plan["texts"].items():
        file = os.open(f"{folder}/text", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(file, text)
        os.close(file)
        calls.mount(f"{folder}/text", f"{root}/{target}", "", calls.MS_BIND)
        os.unlink(f"{folder}/text")
        _restrict(f"{root}/{target}", is_writable=False)
    calls.mount("none", folder, "", calls.MS_REMOUNT | calls.MS_BIND | calls.MS_RDONLY | flags)


def _restrict(target: str, *, is_writable: bool) -> None:
    """No setuid and no devices behind a mount, and no writing unless it is wanted."""
    has = os.statvfs(target).f_flag
    flags = calls.MS_NOSUID | calls.MS_NODEV
    for there, flag in _LOCKED:
        flags |= flag if has & there else 0
    if not is_writable:
        flags |= calls.MS_RDONLY
    calls.mount("none", target, "", calls.MS_REMOUNT | calls.MS_BIND | flags)
