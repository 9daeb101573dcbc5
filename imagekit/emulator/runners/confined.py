"""A sandbox with a stage inside, and its processes: what bubblewrap's and the plain namespaces' have in common."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Final

from imagekit.emulator.ports import Confines, Mount, Network, RootFilesystem, Start
from imagekit.emulator.runners import inside, keeping, refusal, rules, terminals
from imagekit.emulator.runners.emulated import Interpreter, kernel
from imagekit.emulator.runners.grouped import Group
from imagekit.emulator.runners.warden import wire
from imagekit.emulator.runners.wardens import Warden
from imagekit.errors import BuildFailed, Missing

_PATIENCE: Final = 10.0
_LOOPBACK: Final = "127.0.0.1"
#: The first kernel that counts a user's processes in each user namespace.
_COUNTS_APART: Final = (5, 14)


class ConfinedProcess:
    """A process that a stage started; its end comes through a pipe of its own."""

    def __init__(self, sandbox: ConfinedSandbox, number: int, ended: int) -> None:
        self._sandbox = sandbox
        self._number = number
        self._ended = ended
        self._code: int | None = None
        self._lock = threading.Lock()

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self._code is None:
            poll = select.poll()
            with self._lock:
                if self._code is not None:
                    return self._code
                poll.register(self._ended, select.POLLIN)
            if poll.poll(None if seconds is None else seconds * 1000):
                self._read()
        return self._code

    def terminate(self) -> None:
        """Send SIGTERM to the process itself."""
        self._sandbox.ask({"do": "terminate", "process": self._number})

    def kill(self) -> None:
        """Send SIGKILL to it and to all that it started."""
        self._sandbox.ask({"do": "kill", "process": self._number})

    def _read(self) -> None:
        with self._lock:
            if self._code is None:
                # Nothing comes when the stage itself is dead, and so all inside.
                self._code = int(os.read(self._ended, 16) or b"-9")
                os.close(self._ended)


class ConfinedSandbox:
    """The sandbox behind a stage. `ending` is called once at the end, to take down what the stage did not make."""

    def __init__(
        self, stage: socket.socket, network: Network, keeps_memory: str, ending: Callable[[], None] | None = None
    ) -> None:
        self._keeps_memory = keeps_memory
        self._processes: list[ConfinedProcess] = []
        self._stage: socket.socket | None = stage
        self._network = network
        self._ending = ending
        self._lock = threading.Lock()
        self._peak = 0
        stage.settimeout(_PATIENCE)

    @property
    def keeps_memory(self) -> str:
        """How the limit of its memory is kept, in words for people."""
        return self._keeps_memory

    def ready(self) -> dict[str, object]:
        """The stage's first word; raises OSError with what it could not do."""
        assert self._stage is not None
        answer, _ = wire.receive(self._stage)
        if not answer or "error" in answer:
            number = answer.get("error", 5)
            raise OSError(number, os.strerror(number), answer.get("what", ""))
        return answer

    def listen(self) -> tuple[socket.socket, str]:
        """A TCP socket that listens, and the `host:port` by which processes inside reach it."""
        if self._network is Network.NONE:
            answer, descriptors = self._asked({"do": "listen"}, ())
            return socket.socket(fileno=descriptors[0]), answer["address"]
        return listen_outside()

    def connect(self, port: int) -> socket.socket:
        """A connection to what listens on this TCP port inside; raises OSError."""
        if self._network is Network.NONE:
            answer, descriptors = self._asked({"do": "connect", "port": port}, ())
            if "error" in answer:
                raise ConnectionRefusedError(answer["error"], os.strerror(answer["error"]))
            return socket.socket(fileno=descriptors[0])
        return socket.create_connection((_LOOPBACK, port), timeout=_PATIENCE)

    def start(self, what: Start, stdout: int, stderr: int) -> ConfinedProcess:
        """Start a process with these descriptors; raises BuildFailed when it cannot start."""
        message: wire.Message = {
            "do": "start",
            "command": list(what.command),
            "environment": dict(what.environment),
            "directory": what.directory or "/",
        }
        ended, tell = os.pipe()
        try:
            answer, _ = self._asked(message, (stdout, stderr, tell))
        except BaseException:
            os.close(ended)
            raise
        finally:
            os.close(tell)
        if "error" in answer:
            os.close(ended)
            raise refusal.cannot_start(what, f"{answer['what']}: {os.strerror(answer['error'])}")
        process = ConfinedProcess(self, answer["process"], ended)
        self._processes.append(process)
        return process

    def terminal(self, what: Start) -> terminals.OwnTerminal:
        """Start a process with a terminal of its own; raises BuildFailed when it cannot start."""
        return terminals.OwnTerminal.started(self.start, what)

    def keep(self, folder: str) -> int:
        """Copy what /tmp holds into an empty folder; how many things of it could not be. Raises BuildFailed."""
        _, descriptors = self._asked({"do": "temporary"}, ())
        try:
            return keeping.copied(descriptors[0], folder)
        finally:
            for one in descriptors:
                os.close(one)

    def peak_memory(self) -> int:
        """The most memory, in bytes, that all processes inside used at once so far."""
        self._peak = max(self._peak, self.ask({"do": "peak"}).get("peak", 0))
        return self._peak

    def close(self) -> None:
        """End everything inside and take everything down; a second call does nothing."""
        if self._stage is None:
            return
        self.peak_memory()
        with self._lock:
            stage, self._stage = self._stage, None
        try:
            stage.shutdown(socket.SHUT_WR)
            while wire.receive(stage)[0]:
                continue
        except OSError:
            return  # the stage is gone, which is what was wanted
        finally:
            stage.close()
            if self._ending:
                self._ending()
            for process in self._processes:
                process.wait(0)  # lets go of its pipe

    def ask(self, message: wire.Message) -> wire.Message:
        """What the stage answers; empty when it is gone, and with it all inside."""
        try:
            return self._asked(message, ())[0]
        except BuildFailed:
            return {}

    def _asked(self, message: wire.Message, descriptors: Sequence[int]) -> tuple[wire.Message, list[int]]:
        with self._lock:
            if self._stage is not None:
                try:
                    wire.send(self._stage, message, descriptors)
                    answer, given = wire.receive(self._stage)
                except (OSError, ValueError) as error:
                    raise BuildFailed(f"the sandbox does not answer: {error}", hint="start it again") from error
                if answer or given:
                    return answer, given
                if message["do"] in {"terminate", "kill"}:
                    return answer, given
        raise BuildFailed("the sandbox is gone: something ended it from outside", hint="start it again")


def opened(
    warden: Warden,
    plan: wire.Message,
    *,
    found: Interpreter,
    group: Group,
    ending: Callable[[], None] | None = None,
    descriptors: Sequence[int] = (),
) -> ConfinedSandbox:
    """The sandbox of a new stage; raises Missing, and calls `ending`, when it cannot be made."""

    def end() -> None:
        if ending:
            ending()
        group.remove()

    mine = group.opened() + group.counting()
    if found.program:
        mine.append(os.open(found.program, os.O_RDONLY | os.O_CLOEXEC))
    plan = {**plan, "is_grouped": bool(group.folder), "is_counted": bool(group.crowd), "most": _most(group)}
    network = Network.NONE if plan["is_alone"] else Network.HOST
    try:
        stage = warden.stage(plan, [*descriptors, *mine])
    except BaseException:
        end()
        raise
    finally:
        for one in mine:
            os.close(one)
    sandbox = ConfinedSandbox(stage, network, group.text, end)
    try:
        answer = sandbox.ready()
    except OSError as error:
        sandbox.close()
        raise _refused(error) from error
    if not answer["emulation"]:
        sandbox.close()
        raise Missing(
            f"programs of another architecture cannot be run by {found.program} in a sandbox here",
            hint="install qemu-user-static so that it registers itself with binfmt_misc",
        )
    return sandbox


def listen_outside() -> tuple[socket.socket, str]:
    """A listener on this machine's loopback, for sandboxes that share its network."""
    listener = socket.create_server((_LOOPBACK, 0), backlog=128)
    return listener, f"{_LOOPBACK}:{listener.getsockname()[1]}"


def plan_of(image: RootFilesystem, confines: Confines, found: Interpreter) -> wire.Message:
    """What a stage has to know; paths inside are resolved, relative to the image's folder. Raises BuildFailed."""
    texts = {"/etc/hosts": rules.HOSTS}
    if confines.network is Network.HOST:
        texts["/etc/resolv.conf"] = _resolvers()
    there = {inside.file_in(image, path): text for path, text in texts.items()}
    limits = {"RLIMIT_NOFILE": rules.OPEN_FILES, "RLIMIT_CORE": 0}
    if kernel() >= _COUNTS_APART:
        limits["RLIMIT_NPROC"] = rules.PROCESSES
    return {
        "user": rules.USER,
        "group": rules.GROUP,
        "host": rules.HOST,
        "is_alone": confines.network is Network.NONE,
        "folder": image.folder,
        **{name: inside.folder_in(image, f"/{name}") for name in ("proc", "dev", "tmp")},
        "temporary": confines.temporary * rules.MIB,
        "memory": confines.memory * rules.MIB,
        "mounts": [_mount(image, mount) for mount in confines.mounts],
        "texts": {path: text for path, text in there.items() if path},
        "limits": limits,
        "interpreter": found.rule,
    }


def _most(group: Group) -> int:
    """How many processes and threads there may be, where somebody has to look; 0 where the kernel binds them."""
    is_bound = group.counts or (os.geteuid() != 0 and kernel() >= _COUNTS_APART)
    return 0 if is_bound else rules.PROCESSES


def _refused(error: OSError) -> Missing:
    what = f" ({error.filename})" if error.filename else ""
    return Missing(
        f"no sandbox can be made here: {error.strerror}{what}",
        hint="allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1, "
        "kernel.apparmor_restrict_unprivileged_userns=0), run a container with --privileged, or use --runner docker",
    )


def _mount(image: RootFilesystem, mount: Mount) -> tuple[str, str, bool]:
    return inside.source_of(mount), inside.folder_in(image, mount.target), mount.is_writable


def _resolvers() -> bytes:
    try:
        with open("/etc/resolv.conf", "rb") as file:
            return file.read(65536)
    except OSError:
        return b""
