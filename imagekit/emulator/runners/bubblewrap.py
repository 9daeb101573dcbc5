"""bubblewrap: it makes the sandbox, as it does for Flatpak; a stage joins it and starts the processes."""

from __future__ import annotations

import os
import re
import select
import signal
import time
from typing import Final

from imagekit.architecture import Architecture
from imagekit.emulator.ports import Confines, RootFilesystem
from imagekit.emulator.runners import allowed, confined, emulated, grouped
from imagekit.emulator.runners.holder import holder
from imagekit.emulator.runners.means import Means
from imagekit.emulator.runners.warden import filesystem, wire
from imagekit.emulator.runners.wardens import Warden, spawn
from imagekit.errors import Missing
from imagekit.rootfs.entry import shown

#: The first with `--size` for a tmpfs.
_OLDEST: Final = (0, 7)
_PATIENCE: Final = 10.0
_CHILD: Final = re.compile(rb'"child-pid"\s*:\s*(\d+)')
#: The numbers of descriptors that it gets: where it says who its child is, the holder, and texts from then on.
_INFO: Final = 3
_HOLDER: Final = 4
_TEXTS: Final = 5


class Bubblewrap:
    """The runner `bubblewrap`."""

    name = "bubblewrap"

    def __init__(self, means: Means) -> None:
        self._means = means
        self._warden = Warden()

    def missing(self, architecture: Architecture) -> Missing | None:
        """What this machine lacks; the warden is started meanwhile."""
        problem = allowed.forbidden(self.name)
        if problem:
            return problem
        self._warden.start()
        program = self._means.program("bwrap")
        if not program or _version(program) < _OLDEST:
            found = "an older one is installed" if program else "it is not installed"
            return Missing(
                f"bubblewrap {'.'.join(map(str, _OLDEST))} or newer is needed, and {found}",
                hint="install the package bubblewrap, or use --runner namespaces",
            )
        return None if emulated.kernel_runs(architecture) else emulated.lacking(architecture)

    def open(self, image: RootFilesystem, confines: Confines) -> confined.ConfinedSandbox:
        """A new sandbox; raises Missing where the kernel refuses, BuildFailed for an image that does not fit."""
        if not emulated.kernel_runs(image.architecture):
            raise emulated.lacking(image.architecture)
        self._warden.start()
        found = emulated.Interpreter()
        plan = {**confined.plan_of(image, confines, found), "do": "join"}
        made = _Bubble(self._means.program("bwrap"), plan)
        try:
            plan["process"] = made.first_process()
        except BaseException:
            made.end()
            raise
        group = grouped.made(confines)
        return confined.opened(self._warden, plan, found=found, group=group, ending=made.end)


class _Bubble:
    """A bwrap that runs: it goes when its lifeline is closed, which the kernel does when imagekit is killed."""

    def __init__(self, program: str, plan: wire.Message) -> None:
        info, tell = os.pipe()
        ready, say = os.pipe()
        problem, complain = os.pipe()
        lives, self._lifeline = os.pipe()
        self._info, self._ready, self._problem = info, ready, problem
        self._child = 0
        files = {0: lives, 1: say, 2: complain, _INFO: tell, _HOLDER: os.memfd_create("holder", os.MFD_CLOEXEC)}
        os.write(files[_HOLDER], holder(emulated.native()))
        for place, text in enumerate(plan["texts"].values(), _TEXTS):
            files[place] = os.memfd_create("text", os.MFD_CLOEXEC)
            os.write(files[place], text)
            os.lseek(files[place], 0, os.SEEK_SET)
        try:
            self._process = spawn([program, *_words(plan)], files)
        finally:
            for one in files.values():
                os.close(one)

    def first_process(self) -> int:
        """The number of the first process inside, once everything is in place; raises Missing."""
        end = time.monotonic() + _PATIENCE
        told = _CHILD.search(_read(self._info, end))
        if told and _read(self._ready, end):
            self._child = int(told.group(1))
            return self._child
        words = _read(self._problem, end).decode("utf-8", "replace").strip()
        raise Missing(
            f"bubblewrap made no sandbox: {shown(words)}",
            hint="allow user namespaces, run a container with --privileged, or use another --runner",
        )

    def end(self) -> None:
        """Everything inside is dead after this."""
        for one in (self._lifeline, self._info, self._ready, self._problem):
            os.close(one)
        for process in filter(None, (self._child, self._process)):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            os.waitpid(self._process, 0)
        except ChildProcessError:
            return  # another part of the program waited for all children


def _words(plan: wire.Message) -> list[str]:
    """The options, in the order in which the mounts are made (bwrap(1))."""
    words = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    words += ["--unshare-net"] if plan["is_alone"] else []
    words += ["--uid", str(plan["user"]), "--gid", str(plan["group"]), "--hostname", plan["host"]]
    words += ["--ro-bind", plan["folder"], "/", "--proc", f"/{plan['proc']}"]
    words += ["--perms", "0755", "--size", "1048576", "--tmpfs", f"/{plan['dev']}"]
    for name in filesystem.DEVICES:
        words += ["--dev-bind", f"/dev/{name}", f"/{plan['dev']}/{name}"]
    for name, target in filesystem.LINKS.items():
        words += ["--symlink", target, f"/{plan['dev']}/{name}"]
    words += ["--remount-ro", f"/{plan['dev']}"]
    words += ["--perms", "1777", "--size", str(plan["temporary"]), "--tmpfs", f"/{plan['tmp']}"]
    for place, target in enumerate(plan["texts"], _TEXTS):
        words += ["--ro-bind-data", str(place), f"/{target}"]
    for source, target, is_writable in plan["mounts"]:
        words += ["--bind" if is_writable else "--ro-bind", source, f"/{target}"]
    words += ["--chdir", "/", "--as-pid-1", "--info-fd", str(_INFO), "--cap-drop", "ALL"]
    return [*words, f"/proc/self/fd/{_HOLDER}"]


def _version(program: str) -> tuple[int, ...]:
    """Its version; empty when it does not say."""
    said, say = os.pipe()
    try:
        process = spawn([program, "--version"], {1: say})
    finally:
        os.close(say)
    found = re.search(rb"(\d+)\.(\d+)", _read(said, time.monotonic() + _PATIENCE))
    os.close(said)
    os.waitpid(process, 0)
    return tuple(map(int, found.groups())) if found else ()


def _read(file: int, end: float) -> bytes:
    """What comes first on a pipe; empty when nothing does."""
    ready, _, _ = select.select([file], [], [], max(0.0, end - time.monotonic()))
    return os.read(file, 4096) if ready else b""
