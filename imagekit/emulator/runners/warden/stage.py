"""A sandbox's stage: one process that is in the sandbox's namespaces, but not among the processes that it sees there.

It starts processes, waits for them, keeps their memory and their number below the limits, and opens sockets in their
network. When imagekit goes away, however it ends, so does the stage, and with it everything inside.
"""

from __future__ import annotations

import _socket
import os
import select

from imagekit.emulator.runners.warden import child, emulation, places, wire
from imagekit.emulator.runners.warden.crowd import is_crowd
from imagekit.emulator.runners.warden.memory import Meter

TYPE_CHECKING = False  # importing `typing` would cost a start more than all else here
if TYPE_CHECKING:
    import signal
    from typing import Any, Final
else:
    import _signal as signal

#: Milliseconds between two looks at the memory while something runs.
_LOOK: Final = 20
#: Seconds that whoever asks for the peak waits for a last look.
_PATIENCE: Final = 0.5
_RUNTIME_API: Final = 9001
_LOOPBACK: Final = "127.0.0.1"


def serve(message: wire.Message, descriptors: list[int]) -> None:
    """Get in as `message` says, answer, then do as imagekit asks until it goes away."""
    end = _socket.socket(fileno=descriptors[0])
    if message["do"] in {"listen", "connect"}:
        _once(end, message)
        return
    try:
        stage = _Stage(end, message, descriptors[1:])
    except OSError as error:
        wire.send(end, _problem(error))
        return
    wire.send(end, {"emulation": stage.emulation})
    try:
        stage.run()
    finally:
        stage.end()


class _Stage:
    """What runs inside, by the number that it has outside."""

    def __init__(self, end: _socket.socket, plan: dict[str, Any], descriptors: list[int]) -> None:
        self._end = end
        self._first = 0
        self._inside: dict[int, int] = {}
        self._watched: dict[int, tuple[int, int]] = {}
        self._limit: int = plan["memory"]
        self._most: int = plan["most"]
        self._limits: dict[str, int] = plan["limits"]
        self._temporary = f"/{plan['tmp']}"
        interpreter = descriptors.pop() if plan["interpreter"] else -1
        self._groups = [descriptors.pop()] if plan["is_counted"] else []
        files = None
        if plan["is_grouped"]:
            group, *files = descriptors[-3:]
            self._groups.append(group)
        self._meter = Meter((files[0], files[1]) if files else None)
        self.emulation = emulation.register(plan["interpreter"], interpreter) if plan["interpreter"] else True
        if plan["do"] == "join":
            places.join(plan["process"])
        else:
            self._first = places.make(plan, descriptors[0])
        self._poll = select.poll()
        self._poll.register(end, select.POLLIN)

    def run(self) -> None:
        """Until imagekit is gone, or the first process inside."""
        while True:
            for descriptor, _ in self._poll.poll(_LOOK if self._inside else None):
                if descriptor in self._watched:
                    self._ended(descriptor)
                elif not self._asked():
                    return
            if self._inside and self._is_too_much():
                self._kill_all()

    def _is_too_much(self) -> bool:
        """Processes and threads, where nothing else binds them, or memory."""
        return (self._most > 0 and is_crowd(self._most)) or self._meter.measure() > self._limit

    def end(self) -> None:
        """Everything inside is dead after this, as far as the first process is this stage's own."""
        if self._first:
            os.kill(self._first, signal.SIGKILL)
        else:
            self._kill_all()
        for watch in [*self._watched]:  # the first process ends once all others are waited for
            self._ended(watch)
        if self._first:
            os.waitpid(self._first, 0)
        self._meter.close()

    def _asked(self) -> bool:
        message, descriptors = wire.receive(self._end)
        if not message:
            return False
        answer: dict[str, Any]
        given: list[int] = []
        try:
            answer, given = getattr(self, "_do_" + message["do"])(message, descriptors)
        except OSError as error:
            answer = _problem(error)
        wire.send(self._end, answer, given)
        for one in descriptors + given:
            os.close(one)
        return True

    def _do_start(self, message: dict[str, Any], descriptors: list[int]) -> tuple[dict[str, Any], list[int]]:
        number, inside = child.start(message, self._limits, descriptors[:2], self._groups)
        watch = os.pidfd_open(number)
        self._watched[watch] = (number, os.dup(descriptors[2]))
        os.set_inheritable(self._watched[watch][1], False)
        self._inside[number] = inside
        self._poll.register(watch, select.POLLIN)
        return {"process": number}, []

    def _do_terminate(self, message: dict[str, Any], descriptors: list[int]) -> tuple[dict[str, Any], list[int]]:
        if message["process"] in self._inside:
            os.kill(message["process"], signal.SIGTERM)
        return {}, []

    def _do_kill(self, message: dict[str, Any], descriptors: list[int]) -> tuple[dict[str, Any], list[int]]:
        if message["process"] in self._inside:
            _kill_group(message["process"])
        others = [inside for number, inside in self._inside.items() if number != message["process"]]
        child.kill_tree(self._inside.get(message["process"], 0), others)
        return {}, []

    def _do_peak(self, message: dict[str, Any], descriptors: list[int]) -> tuple[dict[str, Any], list[int]]:
        if self._inside:
            self._meter.measure(_PATIENCE)
        return {"peak": self._meter.peak}, []

    def _do_temporary(self, message: dict[str, Any], descriptors: list[int]) -> tuple[dict[str, Any], list[int]]:
        return {}, [os.open(self._temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]

    def _do_listen(self, message: dict[str, Any], descriptors: list[int]) -> tuple[dict[str, Any], list[int]]:
        listener = _listener()
        port = listener.getsockname()[1]
        return {"address": f"{_LOOPBACK}:{port}"}, [listener.detach()]

    def _do_connect(self, message: dict[str, Any], descriptors: list[int]) -> tuple[dict[str, Any], list[int]]:
        return {}, [_connected(message["port"]).detach()]

    def _ended(self, watch: int) -> None:
        number, tell = self._watched.pop(watch)
        self._poll.unregister(watch)
        os.close(watch)
        del self._inside[number]
        _, status = os.waitpid(number, 0)
        try:
            os.write(tell, str(os.waitstatus_to_exitcode(status)).encode())
        except BrokenPipeError:
            pass  # nobody waits for it any more
        finally:
            os.close(tell)

    def _kill_all(self) -> None:
        for number in self._inside:
            _kill_group(number)
        try:
            child.kill_tree(0, ())
        except OSError:
            return  # nothing can be forked where the first process is dead, and nothing else lives
        self._meter.forget()


def _kill_group(leader: int) -> None:
    """SIGKILL for a process that is not waited for yet and, at the same moment, for its group.

    From here: whoever had to be started for it would stand in line behind a thousand others that start more.
    """
    try:
        os.killpg(leader, signal.SIGKILL)
    except OSError:
        return  # nobody of it lives


def _once(end: _socket.socket, message: wire.Message) -> None:
    """A listener or a connection in the network of a process, and nothing else."""
    try:
        places.join_network(message["process"])
        made = _listener() if message["do"] == "listen" else _connected(message["port"])
    except OSError as error:
        wire.send(end, _problem(error))
        return
    wire.send(end, {"address": f"{_LOOPBACK}:{made.getsockname()[1]}"}, [made.fileno()])


def _connected(port: int) -> _socket.socket:
    made = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    made.settimeout(1)
    try:
        made.connect((_LOOPBACK, port))
    except OSError:
        made.close()
        raise
    made.settimeout(None)
    return made


def _listener() -> _socket.socket:
    """On Lambda's own port when it is free, else on any."""
    made = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    made.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    try:
        made.bind((_LOOPBACK, _RUNTIME_API))
    except OSError:
        made.bind((_LOOPBACK, 0))
    made.listen(128)
    return made


def _problem(error: OSError) -> dict[str, Any]:
    return {"error": error.errno or 5, "what": str(error.filename or "")}
