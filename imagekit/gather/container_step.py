"""A build step in a container: what it depends on, when it can be skipped, what it is given."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Final, Self

from imagekit.errors import BuildFailed, InvalidFile, Missing, RemoteFailed
from imagekit.gather import outputs, paths
from imagekit.gather.workshop import Workshop
from imagekit.lock import LockedImage
from imagekit.oci import canonical
from imagekit.oci.digest import Digest
from imagekit.progress import Task
from imagekit.rootfs.entry import Kind
from imagekit.rootfs.tree import Tree
from imagekit.spec.model import Step
from imagekit.spec.platform import PlatformProgram, PlatformSpec
from imagekit.values import dataclass

_KIND: Final = "container-step"
#: Seconds that a step may take which says nothing of it.
_LIMIT: Final = 3600
#: What a container needs of the user's surroundings to reach the network.
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerStep:
    """A step with all that it depends on. `title` is what messages call it, `directory` where its files lie here.

    `outputs` are paths on this disk, `tree` is what goes in.
    """

    step: Step
    spec: PlatformSpec
    title: str
    directory: Path
    outputs: tuple[Path, ...]
    tree: Tree
    image: LockedImage

    @classmethod
    def of(cls, spec: PlatformSpec, step: Step, title: str, workshop: Workshop) -> Self:
        """Look at its files; raises InvalidFile for those that are not there, Missing for a secret that is not set."""
        directory = paths.local(spec.root, step.directory, step.place)
        if not directory.is_dir():
            raise InvalidFile(f"{step.directory} is not a folder", hint="`directory` is what goes in", place=step.place)
        tree = _source(step, directory, workshop)
        if step.inputs and not tree.nodes:
            raise InvalidFile(
                f"`inputs` match no file in {step.directory}",
                hint="correct the patterns, or leave `inputs` out: then all of the folder goes in",
                place=step.place,
            )
        return cls(
            step=step,
            spec=spec,
            title=title,
            directory=directory,
            outputs=tuple(outputs_of(spec, step)),
            tree=tree,
            image=workshop.engines.locked(step.image, spec.architecture),
        )

    @property
    def key(self) -> str:
        """The same for the same work in the same folder; secrets count by their names alone."""
        document = {
            "script": self.step.run,
            "image": str(self.image.manifest),
            "directory": str(self.directory),
            "environment": dict(self.step.environment),
            "packages": list(self.step.packages),
            "secrets": list(self.step.secrets),
            "outputs": [str(path) for path in self.outputs],
            "inputs": str(self.tree.digest),
            "version": self.spec.version or "",
        }
        return str(Digest.of(canonical.to_bytes(document)))

    def is_current(self, workshop: Workshop) -> bool:
        """True when it ran with these files and what it made is still as it left it."""
        kept = workshop.cache.record(_KIND, self.key)
        return kept is not None and kept == outputs.state(self.outputs, workshop.state)

    def keep(self, workshop: Workshop) -> None:
        """Remember what it made."""
        state = outputs.state(self.outputs, workshop.state)
        if state:
            workshop.cache.keep(_KIND, self.key, state)

    def check(self, workshop: Workshop) -> None:
        """Raise Missing where its secrets are not set or no engine is in reach."""
        secrets_of(self.step, workshop.environment)
        with self._placed():
            workshop.engines.engine()

    def run(self, workshop: Workshop, task: Task) -> None:
        """Run it; raises BuildFailed with the end of its output, Missing, RemoteFailed."""
        from imagekit.gather import in_container

        with self._placed():
            in_container.run(
                in_container.Job(
                    script=self.step.run,
                    title=self.title,
                    name=self.spec.name,
                    architecture=self.spec.architecture,
                    root=Path(os.path.realpath(self.spec.root)),
                    directory=self.directory,
                    tree=self.tree,
                    outputs=self.outputs,
                    packages=self.step.packages,
                    environment=self._environment(workshop.environment),
                    secrets=secrets_of(self.step, workshop.environment),
                    limit=self.step.timeout or _LIMIT,
                    image=self.image,
                ),
                workshop,
                task.say,
            )

    def _environment(self, users: Mapping[str, str]) -> dict[str, str]:
        """What the command sees beside what its image says: nothing of this machine but the way to the network."""
        architecture = self.spec.architecture
        proxies = {name: text for name, text in users.items() if name.upper() in _PROXIES}
        own = {
            "IMAGEKIT_ARCHITECTURE": architecture.name,
            "IMAGEKIT_OCI_ARCH": architecture.oci,
            "IMAGEKIT_RPM_ARCH": architecture.rpm,
        }
        return {**proxies, **own, **self.step.environment}

    @contextmanager
    def _placed(self) -> Iterator[None]:
        """Errors within say which step they are of, and where it stands."""
        try:
            yield
        except (BuildFailed, Missing, RemoteFailed) as error:
            raise type(error)(
                f"{self.title}: {error.message}", hint=error.hint, place=error.place or self.step.place
            ) from error


def secrets_of(step: Step, users: Mapping[str, str]) -> dict[str, str]:
    """The values of its secrets out of the user's environment; raises Missing for one that is not set."""
    found = {name: users.get(name, "") for name in step.secrets}
    for name, value in found.items():
        if not value:
            raise Missing(
                f"the secret {name} is not set",
                hint=f"set the environment variable {name} for this command; its value is kept nowhere",
                place=step.place,
            )
    return found


def outputs_of(spec: PlatformSpec, step: Step) -> Iterator[Path]:
    """Where on this disk its outputs go, by real paths; raises InvalidFile for what is outside `root`."""
    wanted = [(os.path.join(step.directory, text), step.place) for text in step.outputs]
    if not wanted and isinstance(spec.bootstrap, PlatformProgram):
        wanted = [(spec.bootstrap.path, spec.bootstrap.place)]
    for text, place in wanted:
        path = paths.planned(spec.root, text, place)
        yield Path(os.path.realpath(path.parent), path.name)


def _source(step: Step, directory: Path, workshop: Workshop) -> Tree:
    """What goes in: all that matches, but for what this step makes, for whichever architecture."""
    made = tuple(_made(workshop.specs, step, directory))
    tree = workshop.tree(directory, step.inputs or (), tuple(map(_pattern, made)))
    # The folders of outputs are there after the first run.
    folders = {str(parent) for path in made for parent in PurePath(path).parents}
    return Tree.from_nodes(node for node in tree.nodes if node.kind is not Kind.DIRECTORY or node.path not in folders)


def _made(specs: Sequence[PlatformSpec], step: Step, directory: Path) -> Iterator[str]:
    """The outputs of a step for all platforms, as far as they are below its directory."""
    for spec in specs:
        for other in spec.build:
            if (other.run, other.where, other.directory) == (step.run, step.where, step.directory):
                inner = (os.path.relpath(path, directory) for path in outputs_of(spec, other))
                yield from (path for path in inner if not path.startswith("../"))


def _pattern(path: str) -> str:
    """The pattern that matches this path alone."""
    return "/" + re.sub(r"([*?\[\]!# \\])", r"\\\1", path)
