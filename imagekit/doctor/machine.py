"""What this machine runs images with, and where imagekit keeps what it makes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from imagekit.architecture import Architecture
from imagekit.containers.connection import connected
from imagekit.doctor.diagnosis import Diagnosis, State
from imagekit.emulator import runners
from imagekit.errors import ImagekitError, Missing, UsageError
from imagekit.execute.local import Machine

#: Free bytes below which a build may fill the disk.
_LITTLE: Final = 1024**3


def running(architectures: Sequence[Architecture], machine: Machine, *, needed: bool) -> Iterator[Diagnosis]:
    """What would run each architecture; `needed`: the spec has tests, which have to run somewhere."""
    found = [(architecture, _runner(architecture, machine)) for architecture in architectures]
    one_runs = any(isinstance(runner, str) for _, runner in found)
    for architecture, runner in found:
        if isinstance(runner, str):
            text = f"{runner} runs it, for `invoke`, `run`, `test` and `dev`"
            yield Diagnosis(topic="runner", subject=str(architecture), state=State.OK, text=text)
        else:
            yield Diagnosis.of("runner", str(architecture), runner, needed=needed and not one_runs)


def docker(architectures: Sequence[Architecture], machine: Machine, *, needed: bool) -> Iterator[Diagnosis]:
    """Whether there is an engine; `needed`: the spec has steps or packages for containers, which may be elsewhere."""
    if needed:
        yield _engine(machine.means.environment)
        return
    problem = runners.runner("docker", machine.means).missing(architectures[0])
    if problem:
        yield Diagnosis.of("docker", "engine", problem, needed=False)
    else:
        yield Diagnosis(topic="docker", subject="engine", state=State.OK, text="ready for --load")


def _engine(environment: Mapping[str, str]) -> Diagnosis:
    """The engine for container builds."""
    try:
        with connected(environment) as engine:
            text = f"{engine.title} is ready for what runs in containers"
            return Diagnosis(topic="docker", subject="engine", state=State.OK, text=text)
    except ImagekitError as problem:
        return Diagnosis.of("docker", "engine", problem, needed=True)


def cache(folder: str) -> Iterator[Diagnosis]:
    """Whether results can be kept."""
    there = os.path.abspath(folder)
    while not os.path.isdir(there):
        there = os.path.dirname(there)
    status = os.statvfs(there)
    free = status.f_bavail * status.f_frsize
    text = f"{free / 1024**3:.1f} GiB are free"
    state, hint = State.OK, ""
    if not os.access(there, os.W_OK | os.X_OK):
        state, hint = State.NOTE, "every build begins anew: name a folder that can be written with --cache-dir"
        text = "cannot be written"
    elif free < _LITTLE:
        state, hint = State.NOTE, "make room, or name another folder with --cache-dir"
    yield Diagnosis(topic="cache", subject=folder, state=state, text=text, hint=hint)


def _runner(architecture: Architecture, machine: Machine) -> str | ImagekitError:
    """The name of the first that works, or what is missing."""
    try:
        return machine.runner(architecture, "").name
    except (Missing, UsageError) as problem:
        return problem
