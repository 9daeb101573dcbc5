"""The commands that a build of the spec needs on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from imagekit.architecture import Architecture
from imagekit.doctor.diagnosis import Diagnosis, State
from imagekit.errors import Missing
from imagekit.gather import dependencies, steps, tools
from imagekit.gather.workshop import environment_of, users
from imagekit.project import Project
from imagekit.spec.platform import PlatformSpec

_TOPIC: Final = "toolchain"


def toolchain(project: Project, environment: Mapping[str, str], machine: str, scratch: Path) -> Iterator[Diagnosis]:
    """For each platform what its default build and the installation of its dependencies need.

    `machine` is uname's, `scratch` where dependencies are installed. What the spec's own commands call is not known.
    """
    found: dict[tuple[str, str], tuple[Missing | None, list[Architecture]]] = {}
    for spec in project.platforms:
        for subject, problem in _needs(project, spec, users(environment), machine, scratch):
            found.setdefault((subject, problem.message if problem else ""), (problem, []))[1].append(spec.architecture)
    for (subject, _), (problem, architectures) in found.items():
        if problem:
            yield Diagnosis.of(_TOPIC, subject, problem, needed=True)
        else:
            names = " and ".join(map(str, architectures))
            yield Diagnosis(topic=_TOPIC, subject=subject, state=State.OK, text=f"ready to build for {names}")
    if any(_has_own_commands(spec, project) for spec in project.platforms):
        text = "what the spec's own `build` calls is not looked for"
        yield Diagnosis(topic=_TOPIC, subject="build", state=State.NOTE, text=text)


def _has_own_commands(spec: PlatformSpec, project: Project) -> bool:
    """Whether commands of the spec's own run on this machine."""
    return any(step.is_on_host for step in spec.build) and not steps.is_default(spec, project.language)


def _needs(
    project: Project, spec: PlatformSpec, own: Mapping[str, str], machine: str, scratch: Path
) -> Iterator[tuple[str, Missing | None]]:
    language = project.language
    if steps.is_default(spec, language):
        try:
            steps.check_machine(spec, language, machine)
        except Missing as problem:
            yield f"{language.title} for {spec.architecture}", problem
            return
        environment = environment_of(own, spec, language, steps.output(spec))
        yield from tools.looked_for(language.toolchain, spec, language, environment, spec.build[0].place)
    installation = dependencies.find(spec, language, scratch)
    if installation:
        environment = environment_of(own, spec, language, installation.output)
        yield from tools.looked_for(installation.how.toolchain, spec, language, environment, installation.place)
