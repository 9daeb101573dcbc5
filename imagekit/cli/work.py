"""What the commands that work on a spec have in common: opening it, and where its image goes."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from imagekit import pipeline
from imagekit.architecture import Architecture
from imagekit.cli.session import Session
from imagekit.deliver import checked_tag
from imagekit.errors import FindingsError, UsageError
from imagekit.findings import Finding
from imagekit.oci.reference import Reference
from imagekit.project import Project
from imagekit.store.places import Places

if TYPE_CHECKING:
    from imagekit.shared_layers import SharedLayers

#: The tag where neither the command line nor the spec names one.
_TAG: Final = "latest"
#: What stands in `--to` for the name of each spec.
NAME: Final = "{name}"


@contextmanager
def opened_for_all(session: Session) -> Iterator[Callable[[str], pipeline.Session]]:
    """What gives, for the spec at a path, what the pipeline works with: one cache, one progress, one transport for all
    whose imagekit.toml say the same."""
    cache, folder = session.cache(), os.getcwd()
    known: list[Places] = []

    def places(spec: str) -> Places:
        hosts = session.hosts(spec)
        found = next((one for one in known if one.hosts == hosts), None)
        if found is None:
            found = Places(hosts, cache, folder=folder, offline=session.options.offline)
            known.append(found)
        return found

    try:
        with session.progress() as progress:
            yield lambda spec: pipeline.Session(
                folder=folder,
                cache=cache,
                places=places(spec),
                progress=progress,
                environment=session.environment,
                now=session.now,
                machine=platform.machine(),
                workers=os.cpu_count() or 1,
                roots=cache.roots,
            )
    finally:
        for one in known:
            one.close()


@contextmanager
def opened(session: Session, spec: str = "") -> Iterator[pipeline.Session]:
    """What the pipeline works with, for the spec at this path or for the current folder."""
    with opened_for_all(session) as opened_for:
        yield opened_for(spec)


def load(
    session: Session,
    work: pipeline.Session,
    spec: str,
    overrides: Sequence[str] = (),
    architectures: Sequence[Architecture] = (),
    *,
    strict: bool = False,
) -> Project:
    """The project, its warnings and those of the code beside it shown; under `strict` they are errors."""
    from imagekit.gather import dependencies

    loaded = pipeline.project(work, spec, overrides, architectures)
    warnings = (*loaded.warnings, *dependencies.unlocked(loaded.platforms, loaded.language))
    warn(session, warnings, strict=strict)
    return loaded


def warn(session: Session, warnings: Sequence[Finding], *, strict: bool = False) -> None:
    """Show warnings; under `strict` they are errors."""
    if strict and warnings:
        raise FindingsError(tuple(warnings))
    session.report(warnings)


def repositories(session: Session, work: Project, named: Sequence[str]) -> tuple[str, ...]:
    """The repositories to push to, each once, with the spec's name put in; raises UsageError when none is named or none
    can be reached."""
    found = tuple(dict.fromkeys(name.replace(NAME, work.spec.name) for name in named or work.spec.push.to))
    if not found:
        raise UsageError(
            "there is nowhere to push to", hint="name a repository with --to, or in the spec: push: {to: [REPOSITORY]}"
        )
    if session.options.offline:
        raise UsageError("a push needs the network, and --offline forbids it", hint="leave one of them out")
    for name in found:
        _check_repository(name, f"--to {name}", "tags are named with --tag")
    return found


def _check_repository(name: str, told: str, hint: str) -> None:
    """Raise UsageError for a name with a tag or a digest."""
    reference = Reference.parse(name)
    if reference.tag or reference.digest:
        raise UsageError(f"{told}: more than a repository", hint=hint)


def shared_layers(work: pipeline.Session, cache_from: Sequence[str], cache_to: Sequence[str]) -> SharedLayers | None:
    """The layers of other machines; None when nobody asks for them. Raises UsageError for more than a repository."""
    if not (cache_from or cache_to) or work.places.offline:
        return None
    from imagekit.shared_layers import SharedLayers

    for name in (*cache_from, *cache_to):
        _check_repository(name, name, "a cache is named without a tag or a digest")
    return SharedLayers(
        sources={name: work.places.shared(name) for name in map(_full, cache_from)},
        sinks={name: work.places.sink(name) for name in map(_full, cache_to)},
    )


def _full(text: str) -> str:
    return Reference.parse(text).name


def tags_of(work: Project, named: Sequence[str]) -> tuple[str, ...]:
    """The tags, each once: those given, else the spec's, else `latest`; raises UsageError for one that is none."""
    return tuple(map(checked_tag, dict.fromkeys(named or work.platforms[0].push.tags or (_TAG,))))


def take(taken: dict[str, str], spec: str, repositories: Sequence[str], tags: Sequence[str]) -> None:
    """Raise UsageError where two specs of one run would push one tag: the second would hide the first."""
    for name in (f"{repository}:{tag}" for repository in repositories for tag in tags):
        if taken.setdefault(name, spec) != spec:
            raise UsageError(
                f"{taken[name]} was pushed as {name} already",
                hint=f"write {NAME} for the spec's name, as in --to HOST/{NAME}, or set each spec's `push`",
            )


def check_print(work: Project, only: str | None) -> None:
    """Raise UsageError for a `--print` of a platform that is not built, before anything is."""
    names = [spec.architecture.name for spec in work.platforms]
    if only not in (None, "index", *names):
        raise UsageError(f"--print {only}: the image is for {' and '.join(names)}", hint="name another one")
