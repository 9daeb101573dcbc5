"""What the commands that work on a spec have in common: opening it, and where its image goes."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from imagekit import pipeline
from imagekit.architecture import Architecture
from imagekit.cli.session import Session
from imagekit.errors import FindingsError, UsageError
from imagekit.oci.ports import Cache
from imagekit.project import Project
from imagekit.store.places import Places
from imagekit.values import dataclass

_VALID: Final = "valid-spec"
#: The tag where neither the command line nor the spec names one.
_TAG: Final = "latest"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Validated:
    """The specs that the schema has accepted, in the cache."""

    cache: Cache

    def has(self, digest: str) -> bool:
        """True when this digest was added before."""
        return self.cache.record(_VALID, digest) is not None

    def add(self, digest: str) -> None:
        """Remember it."""
        self.cache.keep(_VALID, digest, b"")


@contextmanager
def opened(session: Session, spec: str = "") -> Iterator[pipeline.Session]:
    """What the pipeline works with, for the spec at this path or for the current folder."""
    cache = session.cache()
    folder = os.getcwd()
    places = Places(session.hosts(spec), cache, folder=folder, offline=session.options.offline)
    try:
        with session.progress() as progress:
            yield pipeline.Session(
                folder=folder,
                cache=cache,
                places=places,
                progress=progress,
                environment=session.environment,
                now=session.now,
                machine=platform.machine(),
                workers=os.cpu_count() or 1,
                validated=_Validated(cache=cache),
            )
    finally:
        places.close()


def load(
    session: Session,
    work: pipeline.Session,
    spec: str,
    overrides: Sequence[str] = (),
    architectures: Sequence[Architecture] = (),
    *,
    strict: bool = False,
) -> Project:
    """The project, its warnings shown; under `strict` they are errors."""
    loaded = pipeline.project(work, spec, overrides, architectures)
    if strict and loaded.warnings:
        raise FindingsError(loaded.warnings)
    session.report(loaded.warnings)
    return loaded


def repositories(work: Project, named: Sequence[str]) -> tuple[str, ...]:
    """The repositories to push to; raises UsageError when none is named."""
    found = tuple(named) or work.spec.push.to
    if not found:
        raise UsageError(
            "there is nowhere to push to", hint="name a repository with --to, or in the spec: push: {to: [REPOSITORY]}"
        )
    return found


def tags_of(work: Project, named: Sequence[str]) -> tuple[str, ...]:
    """The tags: those given, else the spec's, else `latest`."""
    return tuple(named) or work.platforms[0].push.tags or (_TAG,)
