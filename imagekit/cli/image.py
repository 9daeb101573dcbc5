"""What `build` and `push` do with one spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import partial

from imagekit import pipeline
from imagekit.architecture import Architecture
from imagekit.cli import deliveries, work
from imagekit.cli.references import References, of_each
from imagekit.cli.session import Session
from imagekit.errors import UsageError
from imagekit.lockfile import Use
from imagekit.project import Project
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is asked for, the same for every spec; `taken` fills with what each tag at a registry was pushed for."""

    builds: bool = True
    pushes: bool = False
    tags: Sequence[str] = ()
    destinations: Sequence[str] = ()
    creates: bool = False
    by_digest: bool = False
    architectures: Sequence[Architecture] = ()
    outputs: Sequence[str] = ()
    loads: bool = False
    use: Use = Use.RENEW
    compression: str | None = None
    cache_from: Sequence[str] = ()
    cache_to: Sequence[str] = ()
    overrides: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    only: str | None = None
    as_json: bool = False
    taken: dict[str, str] = field(default_factory=dict)


def run(session: Session, specs: Sequence[str], wanted: Wanted) -> None:
    """Make, deliver and name the image of each spec."""
    if len(specs) > 1 and wanted.outputs:
        raise UsageError("--output is one image's place", hint="name one spec, or push the images of several")
    make = partial(_image, session, wanted)
    of_each(session, specs, make, only=wanted.only, as_json=wanted.as_json, pushed=wanted.pushes)


def _image(session: Session, wanted: Wanted, opened: pipeline.Session, spec: str) -> References:
    """Everything for one spec; what is wrong with the command line is told before anything is built."""
    opened = replace(opened, shared=work.shared_layers(opened, wanted.cache_from, wanted.cache_to))
    loaded = work.load(session, opened, spec, wanted.overrides, wanted.architectures, strict=wanted.strict)
    loaded = loaded.labelled(wanted.labels)
    tags = work.tags_of(loaded, wanted.tags)
    pushed = () if wanted.by_digest else tags
    repositories = work.repositories(session, loaded, wanted.destinations) if wanted.pushes else ()
    work.take(wanted.taken, spec, repositories, pushed)
    if wanted.builds:
        work.check_print(loaded, wanted.only)
    deliveries.check(loaded, wanted.outputs, load=wanted.loads)
    if wanted.creates:
        pipeline.create_repositories(opened, repositories)
    to = pipeline.deliveries(opened, repositories, pushed)
    if wanted.builds:
        lock = pipeline.resolve(opened, loaded, wanted.use, wanted.compression)
        warn = partial(work.warn, session, strict=wanted.strict)
        warn(pipeline.doubts(opened, loaded, lock))
        pipeline.make(opened, loaded, lock, tags[0], to, warn)
    with pipeline.contents(opened, loaded) as parcel:
        for output in wanted.outputs:
            deliveries.write(opened, loaded, parcel, output, tags)
        if wanted.loads:
            deliveries.load(opened, parcel, loaded.spec.name, tags)
        if wanted.pushes:
            pipeline.push(opened, parcel, to)
        return References.of(parcel, repositories or _kept(loaded), pushed)


def _kept(work: Project) -> tuple[str, ...]:
    return (f"oci:{pipeline.kept(work)}",)
