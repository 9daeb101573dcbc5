"""Who made what is in an engine: labels, and the removal of what was left by runs that are over.

A container ends with the connection of the one who made it. What an engine that was itself killed or cut off leaves is
removed by a later run on the same machine, also from a remote engine: only there one can tell who still runs.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit.containers.connection import Engine

#: Machine and process of the maker of a container, a network, a volume that is to go with it.
HOST: Final = "dev.imagekit.host"
MAKER: Final = "dev.imagekit.maker"
#: What is kept for later runs: a cache, by its purpose.
KEPT: Final = "dev.imagekit.cache"
_DIGITS: Final = 16
#: Seconds that an engine gets to remove what it is removing, and between two looks.
_PATIENCE: Final = 60
_LOOK: Final = 0.02
#: Field 22, of those that follow the command in parentheses.
_STARTTIME: Final = 19
#: Not there any more; being removed, or still in use by what is being removed.
_GONE: Final = frozenset({404, 409})


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """A process: its machine, and what tells it from any other there, before and after."""

    host: str
    boot: str
    namespace: str
    process: int
    start: str

    @classmethod
    def of_this_process(cls) -> Owner:
        """This one; `start` and `boot` are empty where the kernel does not tell."""
        machine = f"{_line('/etc/machine-id')} {os.uname().nodename}"
        return cls(
            host=hashlib.sha256(machine.encode()).hexdigest()[:_DIGITS],
            boot=_line("/proc/sys/kernel/random/boot_id"),
            namespace=_link("/proc/self/ns/pid"),
            process=os.getpid(),
            start=_start(os.getpid()),
        )

    @property
    def labels(self) -> dict[str, str]:
        """What it puts on what it makes."""
        return {HOST: self.host, MAKER: " ".join((self.boot, self.namespace, str(self.process), self.start))}

    def sees_the_end_of(self, labels: Mapping[str, str]) -> bool:
        """True when the maker of something with these labels has certainly ended."""
        words = labels.get(MAKER, "").split(" ")
        if labels.get(HOST) != self.host or len(words) != len(("boot", "namespace", "process", "start")):
            return False
        boot, namespace, process, start = words
        if boot != self.boot:
            return True
        # The numbers of another namespace mean nothing here.
        return namespace == self.namespace and process.isdigit() and not _runs(int(process), start)


def sweep(engine: Engine, owner: Owner) -> None:
    """Remove what runs that are over have left in an engine; what is being removed already is fine."""
    from docker.errors import APIError

    api: Any = engine.api  # the stubs leave half of it untyped
    filters = {"label": f"{HOST}={owner.host}"}
    for found in api.containers(all=True, filters=filters):
        if owner.sees_the_end_of(found.get("Labels") or {}):
            remove(engine, found["Id"])
    for found in api.volumes(filters=filters).get("Volumes") or ():
        if owner.sees_the_end_of(found.get("Labels") or {}):
            try:
                api.remove_volume(found["Name"])
            except APIError as error:
                if error.status_code not in _GONE:
                    raise


def remove(engine: Engine, name: str) -> None:
    """Remove a container with its volumes and all that runs in it; it is gone at the end, whoever removed it.

    Raises what the SDK raises.
    """
    from docker.errors import APIError, NotFound

    try:
        engine.api.remove_container(name, force=True, v=True)
    except APIError as error:
        if error.status_code not in _GONE:
            raise
    end = time.monotonic() + _PATIENCE
    try:
        while time.monotonic() < end:
            engine.api.inspect_container(name)
            time.sleep(_LOOK)
    except NotFound:
        return


def _runs(process: int, start: str) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return _start(process) == start
    return _start(process) == start


def _start(process: int) -> str:
    """When it began, in ticks since the start of the machine (proc_pid_stat(5)); empty where that is not told."""
    words = _line(f"/proc/{process}/stat").rpartition(")")[2].split()
    return words[_STARTTIME] if len(words) > _STARTTIME else ""


def _line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
