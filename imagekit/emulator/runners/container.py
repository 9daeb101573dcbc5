"""A container as a sandbox: processes by `exec`, their output over the engine's own connections."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from imagekit import architecture as architectures
from imagekit.emulator.ports import Confines, Network, Start
from imagekit.emulator.runners import confined, containment, keeping, refusal, rules, terminals
from imagekit.emulator.runners.containment import Processes
from imagekit.emulator.runners.holder import killer
from imagekit.emulator.runners.warden import wire
from imagekit.emulator.runners.wardens import Warden
from imagekit.errors import BuildFailed, Missing

if TYPE_CHECKING:
    from docker import APIClient

_TOOLS: Final = "/.imagekit"
_LOOK: Final = 0.02
_PATIENCE: Final = 10.0
#: What the engine writes to a process's stderr when it could not execute it.
_REFUSED: Final = b"OCI runtime exec failed"
_HEADER: Final = struct.Struct(">BxxxL")
_STDERR: Final = 2
_BY_ENGINE: Final = "by the Docker engine; what /tmp holds counts as well"
_BY_GROUP: Final = (
    "by the container's control group, where 20 ms may pass before it is noticed that the limit is crossed"
)


class Hijacked:
    """A connection that the engine turned into a stream; the SDK gives it in one of several wrappings."""

    def __init__(self, given: Any) -> None:
        self._layers = [one for one in (getattr(given, "_response", None), given) if one is not None]
        self._socket = getattr(given, "_sock", given)
        self._layers += [self._socket]

    def recv(self, size: int) -> bytes:
        """The next bytes; raises OSError."""
        data: bytes = self._socket.recv(size)
        return data

    def close(self) -> None:
        """Let go of all layers: the socket is closed with the last one."""
        for layer in self._layers:
            layer.close()


class ContainerProcess:
    """An `exec` of the engine."""

    def __init__(self, container: Container, number: str, stream: Hijacked, outputs: tuple[int, int]) -> None:
        self.number = number
        self.process = 0
        self.refusal = b""
        self._container = container
        self._ended = threading.Event()
        self._code: int | None = None
        self._outputs = outputs
        self._stream = stream
        self._copying = threading.Thread(target=self._copy, name="output of a container", daemon=True)
        self._copying.start()

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        end = None if seconds is None else time.monotonic() + seconds
        while self._code is None:
            left = _LOOK * 5 if end is None else min(_LOOK * 5, end - time.monotonic())
            self._ended.wait(max(0.0, left))
            if not self._has_code() and end is not None and time.monotonic() >= end:
                return None
        self._copying.join(_LOOK * 10)  # what was written last is there by now
        return self._code

    def terminate(self) -> None:
        """Send SIGTERM to the process itself."""
        self._container.signal(self, signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to it and to all that it started."""
        self._container.kill(self)

    def look(self) -> bool:
        """Ask the engine; True when it runs, or ran."""
        if self._code is not None:
            return True
        state = self._container.inspect(self.number)
        self.process = state["Pid"] or self.process
        if not state["Running"] and state["ExitCode"] is not None:
            code: int = state["ExitCode"]
            self._code = 128 - code if 128 < code < 128 + 65 else code
        return bool(self.process) or self._code is not None

    def _has_code(self) -> bool:
        self.look()
        return self.has_ended

    @property
    def has_ended(self) -> bool:
        """As far as was seen."""
        return self._code is not None

    def _copy(self) -> None:
        """The engine's frames to the descriptors (Docker Engine API, "Stream format")."""
        try:
            while header := self._exactly(_HEADER.size):
                kind, size = _HEADER.unpack(header)
                data = self._exactly(size)
                if data.startswith(_REFUSED) and not self.process:
                    self.refusal = data
                    continue
                _write(self._outputs[kind == _STDERR], data)
        except OSError:
            return  # the reader or the engine is gone
        finally:
            self._ended.set()
            self._stream.close()
            for output in self._outputs:
                os.close(output)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._stream.recv(size - len(data))
            if not piece:
                return b""
            data += piece
        return data


class Container:
    """The sandbox behind a container that was created; it is started here."""

    def __init__(self, engine: APIClient, number: str, confines: Confines, warden: Warden, tools: str) -> None:
        self._engine: Any = engine
        self._number = number
        self._network = confines.network
        self._warden = warden
        self._tools = tools
        self._is_open = True
        self._lock = threading.RLock()
        self._processes: list[ContainerProcess] = []
        self._lifeline = Hijacked(engine.attach_socket(number, {"stdin": 1, "stream": 1}))
        engine.start(number)
        self._first: int = engine.inspect_container(number)["State"]["Pid"]
        self._inside = Processes(self._first, number)
        self._meter = containment.meter(self._first, number)
        self._limit = confines.memory * rules.MIB
        self._temporary = confines.temporary * rules.MIB
        self._is_over = threading.Event()
        if self._meter:
            self._watch = threading.Thread(target=self._look, name="memory of a container", daemon=True)
            self._watch.start()
        else:
            engine.update_container(number, mem_limit=self._limit, memswap_limit=self._limit)

    @property
    def keeps_memory(self) -> str:
        """How the limit of its memory is kept, in words for people."""
        return _BY_GROUP if self._meter else _BY_ENGINE

    def listen(self) -> tuple[socket.socket, str]:
        """A TCP socket that listens, and the `host:port` by which processes inside reach it."""
        if self._network is Network.NONE:
            answer, made = self._in_network({"do": "listen", "process": self._first})
            return made, answer["address"]
        made, address = confined.listen_outside()
        if self._inside.are_seen:
            return made, address
        return made, f"host.docker.internal:{made.getsockname()[1]}"

    def connect(self, port: int) -> socket.socket:
        """A connection to what listens on this TCP port inside; raises OSError."""
        if self._network is Network.NONE:
            return self._in_network({"do": "connect", "process": self._first, "port": port})[1]
        return socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)

    def start(self, what: Start, stdout: int, stderr: int) -> ContainerProcess:
        """Start a process with these descriptors; raises BuildFailed when it cannot start."""
        from docker.errors import DockerException

        outputs = (os.dup(stdout), os.dup(stderr))
        try:
            made = self._engine.exec_create(
                self._number,
                list(what.command),
                environment=dict(what.environment),
                workdir=what.directory or "/",
                user=f"{rules.USER}:{rules.GROUP}",
            )
            stream = Hijacked(self._engine.exec_start(made["Id"], socket=True))
        except (DockerException, OSError) as error:
            for output in outputs:
                os.close(output)
            raise refusal.cannot_start(what, str(getattr(error, "explanation", "") or error)) from error
        process = ContainerProcess(self, made["Id"], stream, outputs)
        end = time.monotonic() + _PATIENCE
        while not process.look() and not process.refusal and time.monotonic() < end:
            time.sleep(_LOOK / 10)
        if process.has_ended:
            process.wait(_LOOK * 10)
        if process.refusal:
            raise refusal.cannot_start(what, process.refusal.decode("utf-8", "replace").strip())
        with self._lock:
            self._processes = [one for one in self._processes if not one.has_ended] + [process]
        return process

    def terminal(self, what: Start) -> terminals.EnginesTerminal:
        """Start a process with a terminal of its own; raises BuildFailed when it cannot start."""
        return terminals.EnginesTerminal.started(self._engine, self._number, what)

    def keep(self, folder: str) -> int:
        """Copy what /tmp holds into an empty folder; how many things of it could not be. Raises BuildFailed."""
        from docker.errors import DockerException

        try:
            pieces, _ = self._engine.get_archive(self._number, "/tmp/.")
            return keeping.extracted(pieces, folder, self._temporary)
        except (DockerException, OSError) as error:
            raise BuildFailed(f"the Docker engine does not give what /tmp holds: {error}") from error

    def peak_memory(self) -> int:
        """The most memory, in bytes, that all processes inside used at once so far; 0 when it is not known."""
        if self._meter:
            return self._meter.peak
        if not self._is_open:
            return 0
        return int(self._engine.stats(self._number, stream=False)["memory_stats"].get("usage", 0))

    def close(self) -> None:
        """End everything inside and take everything down; a second call does nothing."""
        from docker.errors import DockerException

        if not self._is_open:
            return
        self._is_open = False
        self._is_over.set()
        self._lifeline.close()
        try:
            self._engine.remove_container(self._number, force=True, v=True)
        except DockerException:
            self._wait_until_gone()  # it is being removed already
        finally:
            for process in self._processes:
                process.wait(1)
            if self._meter:
                self._watch.join()
                self._meter.close()
            self._engine.close()

    def inspect(self, number: str) -> dict[str, Any]:
        """What the engine says of an exec; that it was killed, once the container is gone."""
        from docker.errors import DockerException

        try:
            with self._lock:
                found: dict[str, Any] = self._engine.exec_inspect(number)
        except (DockerException, OSError):
            return {"Pid": 0, "Running": False, "ExitCode": 128 + signal.SIGKILL}
        return found

    def signal(self, process: ContainerProcess, number: int) -> None:
        """Send a signal to a process; to all inside where processes of the engine are not seen from here."""
        if not process.has_ended:
            self._send(process.process if self._inside.are_seen else 0, number)

    def kill(self, process: ContainerProcess) -> None:
        """SIGKILL for a process and what it started."""
        if not self._inside.are_seen:
            self._send(0, signal.SIGKILL)
            return
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            others = [one.process for one in self._processes if one is not process and one.look() and not one.has_ended]
            doomed = self._inside.belonging(process.process, others)
            if not doomed:
                return
            for one in doomed:
                self._send(one, signal.SIGKILL)

    def _send(self, process: int, number: int) -> None:
        """By the kernel where that is allowed, else by a program inside that runs as the function does."""
        from docker.errors import DockerException

        if process and self._inside.signal(process, number):
            return
        inner = self._inside.number_inside(process) if process else -1
        if not inner or not self._is_open:
            return
        machine = architectures.from_text(self._engine.version()["Arch"])
        name = f"kill-{os.getpid()}-{inner}-{number}"
        path = os.path.join(self._tools, name)
        with open(path, "wb") as file:
            file.write(killer(machine, inner, number))
            os.fchmod(file.fileno(), 0o755)
        try:
            with self._lock:
                made = self._engine.exec_create(
                    self._number, [f"{_TOOLS}/{name}"], user=f"{rules.USER}:{rules.GROUP}", workdir="/"
                )
                self._engine.exec_start(made["Id"])
        except DockerException as error:
            raise BuildFailed(f"the Docker engine does not end a process: {error}") from error
        finally:
            os.unlink(path)

    def _look(self) -> None:
        """Keep the memory below the limit."""
        assert self._meter is not None
        while not self._is_over.wait(_LOOK):
            if self._meter.measure() > self._limit:
                for one in self._inside.belonging(0, ()):
                    self._send(one, signal.SIGKILL)

    def _in_network(self, message: wire.Message) -> tuple[wire.Message, socket.socket]:
        stage = self._warden.stage(message, [])
        try:
            answer, descriptors = wire.receive(stage)
        finally:
            stage.close()
        if descriptors:
            return answer, socket.socket(fileno=descriptors[0])
        if message["do"] == "connect":
            raise ConnectionRefusedError(answer.get("error", 5), os.strerror(answer.get("error", 5)))
        raise Missing(
            f"the network of a container cannot be entered: {os.strerror(answer.get('error', 5))}",
            hint="without a network, use --runner bubblewrap or namespaces; Docker lets only root do this",
        )

    def _wait_until_gone(self) -> None:
        from docker.errors import NotFound

        end = time.monotonic() + _PATIENCE
        try:
            while time.monotonic() < end:
                self._engine.inspect_container(self._number)
                time.sleep(_LOOK)
        except NotFound:
            return


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
