"""A container for as long as a block lasts: nothing of it outlives imagekit, however that ends.

Its first process waits for the end of its standard input, which the engine closes with the connection of whoever made
the container: when imagekit is killed, the first process ends, the kernel ends all others, and the engine removes it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from imagekit import interrupts
from imagekit.architecture import Architecture
from imagekit.containers import owners, processes, transfer
from imagekit.containers.failures import in_words, known_problem, no_emulation
from imagekit.containers.processes import Command
from imagekit.containers.stream import Stream
from imagekit.errors import BuildFailed
from imagekit.rootfs.entry import Item
from imagekit.rootfs.tar_reader import Limits, TarReader
from imagekit.values import dataclass
from imagekit.words import cleaned

if TYPE_CHECKING:
    from imagekit.containers.connection import Engine

#: All that this needs of an image is a shell.
_WAIT: Final = ("/bin/sh", "-c", "echo ready; while read -r _; do :; done")
_READY: Final = b"ready"
_ATTACH: Final = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What a container is made of: an image that the engine has, and what is mounted in it.

    `volumes` are named ones by their mount point, which outlive it. `memory` are folders that are never on a disk, by
    their mount point, with their size in bytes. Without `network` no other machine is reached from it.
    """

    image: str
    architecture: Architecture
    volumes: Mapping[str, str] = field(default_factory=dict)
    memory: Mapping[str, int] = field(default_factory=dict)
    network: bool = True


class Container:
    """A container that runs."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    def run(self, command: Command, output: Callable[[bytes], None], say: Callable[[str], None]) -> int:
        """Run a command; as `processes.run`."""
        return processes.run(self._engine, self.name, command, output, say)

    def put(self, items: Iterable[Item]) -> None:
        """Copy files in, by their paths from the top; directories come before what is in them. Raises BuildFailed."""
        api: Any = self._engine.api
        with in_words("does not take files"):
            api.put_archive(self.name, "/", transfer.archive(items))

    @contextmanager
    def taken(self, path: str, limits: Limits | None = None) -> Iterator[TarReader | None]:
        """What is at an absolute path as a hostile tar, whose names begin with the last of the path; None for nothing.

        Raises BuildFailed where the path leads through what is no folder.
        """
        from docker.errors import NotFound

        with in_words("does not give files"):
            try:
                pieces, _ = self._engine.api.get_archive(self.name, path)
            except NotFound:
                yield None
                return
            with transfer.reading(pieces, path, limits or Limits()) as reader:
                yield reader

    def changes(self) -> tuple[tuple[str, int], ...]:
        """Paths that differ from the image, each with 0 for changed, 1 for added, 2 for removed (ContainerChanges)."""
        with in_words("does not tell what changed"):
            found = self._engine.api.diff(self.name) or ()
        return tuple((str(item["Path"]), int(item["Kind"])) for item in found)


@contextmanager
def container(engine: Engine, form: Form, owner: owners.Owner) -> Iterator[Container]:
    """A container, removed after the block with all that runs in it; before it, what dead runs have left is.

    Raises Missing where programs of its architecture do not run, BuildFailed for an image without a shell, and where
    the engine refuses; RemoteFailed.
    """
    name = f"imagekit-{secrets.token_hex(8)}"
    lifeline: list[Stream] = []
    try:
        with in_words("does not make a container"):
            owners.sweep(engine, owner)
            with interrupts.held():
                number = _created(engine, name, form, owner)
            _start(engine, number, form, lifeline)
        yield Container(engine, number)
    finally:
        try:
            with in_words("does not remove a container"):
                owners.remove(engine, name)
        finally:
            for stream in lifeline:
                stream.close()


def _created(engine: Engine, name: str, form: Form, owner: owners.Owner) -> str:
    api: Any = engine.api
    options = api.create_host_config(
        auto_remove=True,
        network_mode="none" if not form.network else None if _has_bridge(engine) else "host",
        binds={volume: {"bind": target, "mode": "rw"} for target, volume in form.volumes.items()},
        tmpfs={target: f"rw,nosuid,nodev,mode=0700,size={size}" for target, size in form.memory.items()},
    )
    made = api.create_container(
        form.image,
        entrypoint=list(_WAIT[:1]),
        command=list(_WAIT[1:]),
        name=name,
        user="0:0",
        stdin_open=True,
        working_dir="/",
        labels=owner.labels,
        healthcheck={"test": ["NONE"]},
        host_config=options,
        platform=form.architecture.platform,
    )
    return str(made["Id"])


def _has_bridge(engine: Engine) -> bool:
    """False for an engine that was set up without one: then only the network of its machine leads anywhere."""
    return any(network.get("Driver") == "bridge" for network in engine.api.networks())


def _start(engine: Engine, number: str, form: Form, lifeline: list[Stream]) -> None:
    """Start it, and see that its first process runs; raises Missing or BuildFailed where it cannot."""
    from docker.errors import APIError

    try:
        lifeline.append(Stream(engine.api.attach_socket(number, _ATTACH)))
        engine.api.start(number)
        said = lifeline[0].first()
    except APIError as error:
        said = str(error.explanation or error).encode()
    if said.startswith(_READY):
        return
    problem = said.decode("utf-8", "replace").strip()
    if form.architecture.oci != engine.architecture and (not problem or "exec format" in problem.casefold()):
        raise no_emulation(form.architecture.name)
    raise known_problem(problem) or BuildFailed(
        f"no command can run in a container of {form.image}: {cleaned(problem) or 'its shell ended at once'}",
        hint="commands run by /bin/sh, which the image has to hold",
    )
