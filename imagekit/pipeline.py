"""The one line: spec → lock → inputs → plans → images → registry. Each arrow takes values and returns one.

project ─ resolve ─ gather ─ plan ─ build ─ push
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from imagekit import locking
from imagekit.architecture import Architecture
from imagekit.build import Builder, cached
from imagekit.checks import glibc
from imagekit.deliver import Delivery, Parcel, checked_tag, deliver
from imagekit.errors import FindingsError
from imagekit.findings import Finding, errors
from imagekit.gather import regular
from imagekit.gather.facts import FactsReader
from imagekit.gather.gather import Surroundings, image_items
from imagekit.gather.gather import gather as gather_all
from imagekit.gather.inputs import Gathered
from imagekit.gather.packages import Installer, names_in_base
from imagekit.gather.skew import skew, unreleased
from imagekit.gather.skipped import idle
from imagekit.gather.unsigned import unsigned as unsigned_files
from imagekit.keep import Built, archives, below, folder_of, ignore, keep, note_archive, opener, parcel
from imagekit.lock import Lock, differences
from imagekit.lockfile import Use
from imagekit.making import codec, making
from imagekit.oci.config import Config
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.ports import Cache
from imagekit.oci.reference import Reference
from imagekit.plan.assemble import configured, image
from imagekit.plan.layers import layers
from imagekit.plan.parts import ArchivePart
from imagekit.plan.plan import Plan
from imagekit.plan.settings import settings, with_packages
from imagekit.progress import Progress
from imagekit.project import Project
from imagekit.project import known as known_names
from imagekit.spec.text import MAX_BYTES
from imagekit.store.places import Places
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit.context import Context
    from imagekit.execute.image import LocalImage
    from imagekit.shared_layers import SharedLayers


#: Shows warnings, or stops at them.
Warn = Callable[[Sequence[Finding]], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What one run works with.

    `folder` is the current one, `roots` where root file systems are unpacked, `now` gives seconds since 1970, `machine`
    is uname's, `workers` the threads to use. `shared` are registries with layers that other machines made.
    """

    folder: str
    cache: Cache
    places: Places
    progress: Progress
    environment: Mapping[str, str]
    now: Callable[[], float]
    machine: str
    workers: int
    roots: str = ""
    shared: SharedLayers | None = None

    @property
    def today(self) -> date:
        """The day, in UTC."""
        return datetime.fromtimestamp(self.now(), UTC).date()


def project(
    session: Session, path: str, overrides: Sequence[str] = (), platforms: Sequence[Architecture] = ()
) -> Project:
    """The spec at `path` with its language and its base."""
    return Project.load(
        path,
        _text,
        overrides=overrides,
        cwd=session.folder,
        today=session.today,
    ).only(platforms)


def rendered(path: str, overrides: Sequence[str] = ()) -> tuple[str, tuple[Finding, ...]]:
    """The spec at `path` as one file, and what is to be warned of; raises InvalidSpec as `project` does."""
    from imagekit.spec.load import merged
    from imagekit.spec.render import to_yaml

    node, warnings = merged(path, lambda name: regular.read(name, MAX_BYTES), known_names(), overrides)
    return to_yaml(node), warnings


def configs(session: Session, work: Project, lock: Lock) -> tuple[Config, ...]:
    """Each platform's config as far as it does not depend on layers; nothing is run."""
    gathered = gather(session, work, lock, build=False)
    pairs = zip(plan(work, lock, gathered), gathered, strict=True)
    return tuple(configured(one, item.inputs.base) for one, item in pairs)


def resolve(session: Session, work: Project, use: Use, compression: str | None = None, *, write: bool = True) -> Lock:
    """The lock to build from; a new one keeps what is still right of the old one, and is written beside the spec."""
    file, request = locking.lock_file(work), locking.request(session, work)
    known = file.read()
    wanted = making(work, compression, known)
    usable = file.usable(known, use, request, wanted)
    if usable:
        for spec in work.platforms:
            usable.at(spec.architecture.name)
        return usable
    lock = locking.made(session, work, wanted, known, fetches=write)
    why = f": {'; '.join(differences(known, request, wanted))}" if known else ""
    if write:
        file.write(lock)
        session.progress.say(f"{'renewed' if known else 'wrote'} {file.path}{why}")
    else:
        session.progress.say(f"{file.path} is {'stale' if known else 'missing'}{why}; what a new one would give:")
    return lock


def doubts(session: Session, work: Project, lock: Lock) -> tuple[Finding, ...]:
    """What is to be warned of in the packages that a lock names, each once."""
    places = session.places.below(work.spec.root)
    reader = FactsReader(cache=session.cache, progress=session.progress, source=places.source)
    unsigned = (
        item for spec in work.platforms for item in unsigned_files(spec, lock.at(spec.architecture.name), places.fetch)
    )
    released = (item for spec in work.platforms for item in unreleased(spec, lock.at(spec.architecture.name)))
    skipped = idle(work.spec, lock, partial(names_in_base, reader))
    return tuple(dict.fromkeys((*skipped, *unsigned, *released, *skew(work.spec, lock))))


def make(session: Session, work: Project, lock: Lock, tag: str, to: Sequence[Delivery], warn: Warn) -> Path:
    """The line from a lock to the images beside the spec, under a tag; returns the folder of the layout.

    `to` is where they are delivered next: what does not depend on the build is sent there meanwhile. `warn` is told
    what is to be warned of before anything is kept.
    """
    gathered = gather(session, work, lock, build=True)
    plans = plan(work, lock, gathered)
    with _ahead(session, work, lock, plans, gathered, to) as send:
        built = build(session, work, lock, plans, gathered, send)
    warn(built.warnings)
    return store(session, work, built, tag)


def context(
    session: Session, work: Project, lock: Lock, repositories: Sequence[str], tags: Sequence[str], warn: Warn
) -> Context:
    """What is built, as the context of a Dockerfile; the layout beside the spec stays as it is."""
    from imagekit.context import Made, Maker

    gathered = gather(session, work, lock, build=True)
    plans = plan(work, lock, gathered)
    built = build(session, work, lock, plans, gathered)
    warn(built.warnings)
    platforms = [
        Made(plan=one, image=image, locked=base, base=item.inputs.base)
        for one, image, base, item in zip(plans, built.images, built.bases, gathered, strict=True)
    ]
    return Maker(cache=session.cache, codec=codec(lock)).context(work.spec.name, platforms, repositories, tags)


def gather(session: Session, work: Project, lock: Lock, *, build: bool) -> tuple[Gathered, ...]:
    """What lies on disk for each platform; `build` runs the host steps first."""
    own = {locking.lock_file(work).path, *work.spec.sources, *archives(kept(work).parent)}
    if build and any(spec.build for spec in work.platforms):
        ignore(kept(work).parent)
    around = Surroundings(
        cache=session.cache,
        progress=session.progress,
        source=session.places.below(work.spec.root).source,
        environment=session.environment,
        machine=session.machine,
        folder=kept(work).parent,
        now=session.now,
        left_out=frozenset(map(os.path.abspath, own)),
    )
    return gather_all(work, lock, around, build=build)


def plan(work: Project, lock: Lock, gathered: Sequence[Gathered]) -> tuple[Plan, ...]:
    """Everything that will happen, a plan a platform."""
    return tuple(_plan(work, lock, number, item) for number, item in enumerate(gathered))


def build(
    session: Session,
    work: Project,
    lock: Lock,
    plans: Sequence[Plan],
    gathered: Sequence[Gathered],
    made: Callable[[Descriptor], None] = lambda _: None,
) -> Built:
    """The images: layers out of the cache or made, configs and manifests around them; `made` is told of the latter."""
    places = session.places.below(work.spec.root)
    builder = Builder(
        codec=codec(lock),
        cache=session.cache,
        workers=session.workers,
        progress=session.progress,
        archive=lambda part: _fetched(places, part),
        image=lambda part: image_items(part, places.source, session.cache, session.progress),
        packages=Installer(
            cache=session.cache,
            progress=session.progress,
            source=places.source,
            fetch=places.fetch,
            workers=session.workers,
            environment=session.environment,
            logs=str(kept(work).parent / "log"),
        ).install,
        made=made,
        shared=session.shared,
    )
    done = builder.layers(plans, gathered)
    builder.share(done)
    return Built(
        images=tuple(
            image(one, inputs.inputs.base, [done[layer.key] for layer in one.layers])
            for one, inputs in zip(plans, gathered, strict=True)
        ),
        bases=tuple(lock.at(one.architecture).base for one in plans),
        origins={one.artifact.layer.digest: one.origin for one in builder.found.values()},
        warnings=(*builder.doubts(plans, gathered), *_judged(work, plans, builder)),
    )


def _judged(work: Project, plans: Sequence[Plan], builder: Builder) -> tuple[Finding, ...]:
    """What is to be warned of in finished layers; raises FindingsError for what cannot start.

    Of a base of the spec's own only the name of its system is known: there nothing is certain.
    """
    if not work.base.glibc:
        return ()
    platforms = [
        glibc.Judged(
            architecture=spec.architecture.name,
            machine=spec.architecture.rpm,
            started="" if spec.base else spec.started,
            layers=builder.judged(one),
        )
        for spec, one in zip(work.platforms, plans, strict=True)
    ]
    found = glibc.findings(platforms, work.base.title, work.base.glibc)
    if errors(found):
        raise FindingsError(found)
    return found


def local(session: Session, work: Project, use: Use, warn: Warn) -> LocalImage:
    """The image of a project's only platform, ready to run here; the layout beside the spec stays as it is.

    `warn` is told of what there is to be warned of in its packages and in the image.
    """
    from imagekit.execute.image import LocalImage

    lock = resolve(session, work, use)
    warn(doubts(session, work, lock))
    gathered = gather(session, work, lock, build=True)
    built = build(session, work, lock, plan(work, lock, gathered), gathered)
    warn(built.warnings)
    (image,), (spec,) = built.images, work.platforms
    bases = [(item.inputs.base, base) for item, base in zip(gathered, built.bases, strict=True)]
    return LocalImage(
        name=spec.name,
        architecture=spec.architecture,
        image=image,
        open=opener(session.cache, below(bases, session.places.below(work.spec.root))),
    )


def store(session: Session, work: Project, built: Built, tag: str) -> Path:
    """Keep the images beside the spec; returns the folder of the layout."""
    folder = kept(work)
    keep(built, folder, session.cache, tag)
    return folder


def leave_out(work: Project, archive: str) -> None:
    """An archive that is about to be written never gets into an image of the project."""
    note_archive(kept(work).parent, os.path.realpath(archive))


def kept(work: Project) -> Path:
    """The folder of the layout that the last build left."""
    return folder_of(work.spec.path, work.spec.name)


@contextmanager
def contents(session: Session, work: Project) -> Iterator[Parcel]:
    """What a build left, ready for delivery."""
    with parcel(kept(work), "", session.places.below(work.spec.root)) as found:
        yield found


def deliveries(session: Session, to: Sequence[str], tags: Sequence[str]) -> tuple[Delivery, ...]:
    """Every repository, with every tag there."""
    return tuple(_delivery(session, name, tags) for name in to)


def push(session: Session, what: Parcel, to: Sequence[Delivery]) -> None:
    """Deliver to every repository."""
    with session.places.explained():
        deliver(what, to, session.progress)


def create_repositories(session: Session, to: Sequence[str]) -> None:
    """See that the repositories are there that an image is pushed to; ECR creates none by itself."""
    for name in to:
        session.progress.say(session.places.create_repository(name))


@contextmanager
def _ahead(
    session: Session,
    work: Project,
    lock: Lock,
    plans: Sequence[Plan],
    gathered: Sequence[Gathered],
    deliveries: Sequence[Delivery],
) -> Iterator[Callable[[Descriptor], None]]:
    """Send blobs to the first destination while layers are made in the body, where any is to be made.

    Those are the bases', and whatever the body hands in.
    """
    bases = [(item.inputs.base, lock.at(one.architecture).base) for one, item in zip(plans, gathered, strict=True)]
    what = below(bases, session.places.below(work.spec.root))
    made = all(cached(session.cache, layer.key) for one in plans for layer in one.layers)
    if made or not deliveries:
        yield lambda _: None
        return
    from imagekit.ahead import sending

    ahead = replace(what, open=opener(session.cache, what))
    with sending(ahead, deliveries[0], session.progress) as send:
        yield send


def _delivery(session: Session, name: str, tags: Sequence[str]) -> Delivery:
    reference = Reference.parse(name)
    return Delivery(
        name=reference.name,
        sink=session.places.sink(name),
        tags=tuple(map(checked_tag, tags)),
        is_immutable=lambda tag: session.places.is_immutable(reference.tagged(tag)),
    )


def _text(path: str) -> bytes:
    """What a spec's file holds."""
    return regular.read(path, MAX_BYTES)


def _plan(work: Project, lock: Lock, number: int, gathered: Gathered) -> Plan:
    spec, inputs = work.platforms[number], gathered.inputs
    locked = lock.at(spec.architecture.name)
    config = inputs.base.config if inputs.base else None
    return Plan(
        architecture=spec.architecture.name,
        base_reference=locked.base.reference if locked.base else "",
        base=locked.base.manifest if locked.base else None,
        layers=layers(work.base, inputs, lock.making),
        settings=with_packages(
            settings(spec, work.base, config, locked.base, lock.created, work.spec.places), inputs.packages
        ),
    )


def _fetched(places: Places, part: ArchivePart) -> str:
    """The path of a locked archive."""
    from imagekit.resolve import fetched

    return fetched(places.fetch, part.source, digest=part.digest, size=part.size).path
