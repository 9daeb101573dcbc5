"""`imagekit doctor`."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagekit.architecture import ARCHITECTURES, Architecture
from imagekit.cli import options
from imagekit.cli.console import printable
from imagekit.cli.frame import command, pass_session
from imagekit.cli.session import Session, write, write_json
from imagekit.errors import Missing

if TYPE_CHECKING:
    from imagekit.doctor.diagnosis import Diagnosis
    from imagekit.pipeline import Session as Opened
    from imagekit.project import Project


@command("doctor")
@options.spec
@options.platform
@options.overrides
@options.as_json
@pass_session
def doctor(
    session: Session, spec: str, *, architectures: Sequence[Architecture], overrides: Sequence[str], as_json: bool
) -> None:
    """Say what this machine lacks for a spec, and how to get it.

    Looks at toolchains, at what runs images, at credentials, and asks the hosts that are read from and pushed to.
    Without a spec it looks at what every spec needs. Ends with 5 when something is missing that is needed.
    """
    from imagekit.cli import work
    from imagekit.doctor.diagnosis import State

    with work.opened(session, spec) as opened:
        there = spec != options.SPEC_FILE or os.path.lexists(spec)
        project = work.load(session, opened, spec, overrides, architectures) if there else None
        found = tuple(_looked_at(session, opened, project, architectures or ARCHITECTURES))
    if as_json:
        missing = any(item.state is State.MISSING for item in found)
        write_json({"ready": not missing, "found": [item.to_mapping() for item in found]})
    else:
        for item in found:
            write(printable("\n".join(_lines(item))))
    lacking = [item for item in found if item.state is State.MISSING]
    if lacking:
        number = f"{len(lacking)} thing{'s are' if len(lacking) > 1 else ' is'} missing"
        raise Missing(number, hint="how to get each is said beside it")


def _looked_at(
    session: Session, opened: Opened, project: Project | None, architectures: Sequence[Architecture]
) -> Iterator[Diagnosis]:
    from imagekit import pipeline
    from imagekit.cli import local
    from imagekit.doctor import machine as ours
    from imagekit.doctor.remote import remote
    from imagekit.doctor.toolchain import toolchain
    from imagekit.doctor.wanted import of_everything, of_project
    from imagekit.spec.packages import NATIVE

    machine = local.machine(session, opened)
    if project:
        scratch = Path(pipeline.kept(project).parent)
        yield from toolchain(project, session.environment, platform.machine(), scratch)
        architectures = tuple(item.architecture for item in project.platforms)
    yield from ours.running(architectures, machine, needed=bool(project and project.spec.tests))
    platforms = project.platforms if project else ()
    contained = any(not step.is_on_host for spec in platforms for step in spec.build)
    contained = contained or any(spec.packages.engine != NATIVE for spec in platforms)
    yield from ours.docker(architectures, machine, needed=contained)
    yield from ours.cache(session.cache().folder)
    wanted = of_project(project) if project else of_everything()
    yield from remote(wanted, opened.places.hosts, offline=session.options.offline)


def _lines(item: Diagnosis) -> Iterator[str]:
    """A row, and below it what to do."""
    yield f"{item.state.value:<8} {item.topic:<12} {item.subject}: {item.text}"
    if item.hint:
        yield f"{'':<8} {'':<12} {item.hint}"
