"""The steps of a build: what they need, what they see, and when they can be skipped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from imagekit.errors import BuildFailed, InvalidFile, Missing
from imagekit.gather import host, paths, tools
from imagekit.gather.container_step import ContainerStep, secrets_of
from imagekit.gather.workshop import Workshop
from imagekit.language import Language
from imagekit.oci import canonical
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Cache
from imagekit.rootfs.tree import Tree
from imagekit.spec.model import FromDisk, Step
from imagekit.spec.platform import PlatformProgram, PlatformSpec
from imagekit.values import dataclass

_KIND: Final = "host-step"
#: The digest of no files at all.
_NOTHING: Final = Tree.from_nodes(()).digest


def check(spec: PlatformSpec, language: Language, workshop: Workshop) -> None:
    """Raise Missing when a default build of the platform, or what a container needs, is not to be had here."""
    for number, (step, title) in enumerate(_titled(spec)):
        if step.is_on_host:
            _secrets(step, workshop)
            continue
        try:
            wanted = ContainerStep.of(spec, step, title, workshop)
        except InvalidFile:
            if number == 0:
                raise
            continue  # an earlier step may make what it reads
        if not wanted.is_current(workshop):
            wanted.check(workshop)
    if is_default(spec, language):
        check_machine(spec, language, workshop.machine)
        environment = workshop.environment_of(spec, language, output(spec))
        tools.check(language.toolchain, spec, language, environment, spec.build[0].place)


def is_default(spec: PlatformSpec, language: Language) -> bool:
    """True when it is the language's own build that runs."""
    return any(step.run == language.build and step.is_on_host for step in spec.build)


def run(spec: PlatformSpec, language: Language, workshop: Workshop) -> None:
    """Run the platform's steps in order; raises BuildFailed."""
    environment = workshop.environment_of(spec, language, output(spec))
    _make_room(spec)
    records = [
        _run(spec, step, title, environment, workshop)
        if step.is_on_host
        else _run_in_container(spec, step, title, workshop)
        for step, title in _titled(spec)
    ]
    # Once more: a later step may have gone on with what an earlier one made.
    for keep in filter(None, records):
        keep()


def _titled(spec: PlatformSpec) -> Iterator[tuple[Step, str]]:
    """Each step, and what messages call it."""
    return ((step, f"{spec.architecture} step {number}") for number, step in enumerate(spec.build, 1))


def _run_in_container(spec: PlatformSpec, step: Step, title: str, workshop: Workshop) -> Callable[[], None]:
    """Run one step unless it ran with these files; returns what remembers its outputs."""
    with workshop.progress.task(f"{title}: {_shown(step)}") as task:
        wanted = ContainerStep.of(spec, step, title, workshop)
        if wanted.is_current(workshop):
            task.say("unchanged")
        else:
            wanted.run(workshop, task)
            wanted.keep(workshop)
    return lambda: wanted.keep(workshop)


def _run(
    spec: PlatformSpec, step: Step, title: str, environment: Mapping[str, str], workshop: Workshop
) -> Callable[[], None] | None:
    """Run one step unless it ran with these inputs; returns what remembers its output."""
    with workshop.progress.task(f"{title}: {_shown(step)}") as task:
        directory = _directory(spec, step)
        record = _Record.of(spec, step, directory, environment, workshop)
        if record and record.is_current(workshop.cache):
            task.say("unchanged")
            return partial(record.keep, workshop.cache)
        command = host.HostCommand(
            script=step.run,
            directory=directory,
            environment={**environment, **step.environment},
            log=workshop.folder / "log" / f"{title.replace(' step ', '-')}.log",
            limit=step.timeout or 0.0,
            secrets=_secrets(step, workshop),
        )
        try:
            host.run(command, task.say)
        except BuildFailed as error:
            raise BuildFailed(f"{title}: {error.message}", hint=error.hint, place=step.place) from error
        if record is None:
            return None
        record.keep(workshop.cache)
        return partial(record.keep, workshop.cache)


def _shown(step: Step) -> str:
    return step.run.strip().splitlines()[0][:60]


def _secrets(step: Step, workshop: Workshop) -> tuple[str, ...]:
    """Their values, which a command on this machine sees anyway; raises Missing for one that is not set."""
    return tuple(secrets_of(step, workshop.environment).values())


def output(spec: PlatformSpec) -> Path | None:
    """The file that the steps are to make: the bootstrap."""
    if not isinstance(spec.bootstrap, PlatformProgram):
        return None
    return paths.planned(spec.root, spec.bootstrap.path, spec.bootstrap.place)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    """What says that a step with `inputs` need not run again: its key, and the state of what it made."""

    key: str
    made: Path | None
    #: What the image takes from disk: some of it is the step's work, and all of it was there when it had run.
    taken: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, spec: PlatformSpec, step: Step, directory: Path, environment: Mapping[str, str], workshop: Workshop
    ) -> _Record | None:
        """None for a step without `inputs`, which always runs."""
        if step.inputs is None:
            return None
        inputs = workshop.inputs(directory, step.inputs)
        if inputs == _NOTHING:
            raise InvalidFile(
                f"`inputs` match no file in {step.directory}",
                hint="correct the patterns, or leave `inputs` out: then the step always runs",
                place=step.place,
            )
        document = {
            "script": step.run,
            "directory": str(directory),
            "environment": {name: text for name, text in environment.items() if workshop.environment.get(name) != text},
            "step": dict(step.environment),
            "inputs": str(inputs),
        }
        taken = [os.path.join(spec.root, item.source) for item in spec.files if isinstance(item, FromDisk)]
        return cls(key=str(Digest.of(canonical.to_bytes(document))), made=output(spec), taken=tuple(taken))

    def is_current(self, cache: Cache) -> bool:
        """True when the step ran with these inputs and what it made is still as it left it."""
        return cache.record(_KIND, self.key) == self._state()

    def keep(self, cache: Cache) -> None:
        """Remember the state of what the step made; a step that makes nothing visible is remembered too."""
        cache.keep(_KIND, self.key, self._state())

    def _state(self) -> bytes:
        absent = "".join(f" without {path}" for path in self.taken if not os.path.lexists(path))
        if self.made is None or not self.made.exists():
            return f"nothing{absent}".encode()
        status = self.made.stat()
        return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}{absent}".encode()


def _make_room(spec: PlatformSpec) -> None:
    """The folder that the steps put the bootstrap into."""
    made = output(spec)
    try:
        if made:
            made.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidFile(
            f"{made} cannot be made: {error.filename} is no folder",
            hint="remove or rename it",
            place=spec.bootstrap.place if spec.bootstrap else None,
        ) from error


def _directory(spec: PlatformSpec, step: Step) -> Path:
    directory = paths.local(spec.root, step.directory, step.place)
    if not directory.is_dir():
        raise InvalidFile(
            f"{step.directory} is not a folder", hint="`directory` is where the step runs", place=step.place
        )
    return directory


def check_machine(spec: PlatformSpec, language: Language, machine: str) -> None:
    """Raise Missing for a language whose compilers make programs for their own machine only, on another one."""
    architecture = spec.architecture
    if not language.cross and machine not in (architecture.name, architecture.rpm, architecture.oci):
        raise Missing(
            f"{language.title} cannot be compiled for {architecture} on this {machine} machine",
            hint=f"build it on such a machine with `--platform {architecture.platform}`, or bring the executable "
            "ready with `bootstrap: {path: …}`",
            place=spec.build[0].place,
        )
