"""`imagekit join`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from imagekit.cli import options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session
from imagekit.errors import ImagekitError, InvalidFile, UsageError
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit import pipeline
    from imagekit.cli.references import References
    from imagekit.join import Part

#: What a reference has, and the path of a spec has not.
_BY_DIGEST: Final = "@sha256:"
#: Bytes of a file with references that are read.
_MAX_SIZE: Final = 1 << 20


@command("join")
@click.argument("named", nargs=-1, metavar="[SPEC]... [IMAGE]...")
@option("--references", "files", metavar="PATH", multiple=True, help="A file with the IMAGEs, or a folder of them.")
@options.tags
@options.destinations
@options.overrides
@options.only_printed
@options.as_json
@pass_session
def join(
    session: Session,
    named: Sequence[str],
    *,
    files: Sequence[str],
    tags: Sequence[str],
    destinations: Sequence[str],
    overrides: Sequence[str],
    only: str | None,
    as_json: bool,
) -> None:
    """Make one index of the platforms that several machines have built, and name it.

    IMAGE is what `imagekit build --platform … --push --by-digest` printed, one for each platform of each SPEC. The
    index is the one that a single machine makes. It goes where --to or the spec's push.to says, else to where the
    images are.
    """
    from imagekit.cli.references import of_each

    specs = tuple(dict.fromkeys(_spec(one) for one in named if _BY_DIGEST not in one))
    images = [*(one for one in named if _BY_DIGEST in one), *(text for path in files for text in _references(path))]
    if not images:
        raise UsageError("no image is named", hint="name what `imagekit build --push --by-digest` printed")
    wanted = _Wanted(images=images, lone=len(specs) < 2, tags=tags, destinations=destinations, overrides=overrides)
    make = partial(_joined, session, wanted)
    of_each(session, specs or (options.spec_path("."),), make, only=only, as_json=as_json, pushed=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """What is asked for of every spec; a `lone` one has to take all images, several find theirs by the name in them."""

    images: Sequence[str]
    lone: bool
    tags: Sequence[str]
    destinations: Sequence[str]
    overrides: Sequence[str]
    parts: list[Part] = field(default_factory=list)
    taken: dict[str, str] = field(default_factory=dict)


def _joined(session: Session, wanted: _Wanted, opened: pipeline.Session, spec: str) -> References:
    from imagekit import locking, pipeline
    from imagekit.cli import work
    from imagekit.cli.references import References
    from imagekit.join import join, read

    loaded = work.load(session, opened, spec, wanted.overrides)
    if not wanted.parts:
        wanted.parts.extend(read(wanted.images, opened.places))
    mine = [part for part in wanted.parts if wanted.lone or part.title == loaded.spec.name]
    parcel = join(loaded, mine, locking.lock_file(loaded).read())
    where = wanted.destinations or loaded.spec.push.to or [part.reference.name for part in mine]
    repositories, tags = work.repositories(session, loaded, where), work.tags_of(loaded, wanted.tags)
    work.take(wanted.taken, spec, repositories, tags)
    pipeline.push(opened, parcel, pipeline.deliveries(opened, repositories, tags))
    return References.of(parcel, repositories, tags)


def _spec(word: str) -> str:
    """A spec's path; raises UsageError for a word that is neither a spec nor an image by its digest."""
    path = options.spec_path(word)
    if not os.path.exists(path) and ":" in word:
        raise UsageError(f"{word} is no spec, and an image is named by its digest: REPOSITORY@sha256:…")
    return path


def _files(path: str) -> Iterator[str]:
    """A file, or all files below a folder: artifacts of several jobs may lie in a folder each."""
    if not os.path.isdir(path):
        yield path
        return
    for name in sorted(os.listdir(path)):
        yield from _files(os.path.join(path, name))


def _references(path: str) -> Iterator[str]:
    """The lines of a file, or of all files in a folder; raises InvalidFile for what is no reference."""
    from imagekit.gather import regular
    from imagekit.oci.reference import Reference

    try:
        for file in _files(path):
            for number, line in enumerate(regular.read(file, _MAX_SIZE).decode("utf-8", "replace").splitlines(), 1):
                if not line.strip():
                    continue
                try:
                    yield str(Reference.parse(line.strip()))
                except ImagekitError as error:
                    raise InvalidFile(f"{file}, line {number}: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise InvalidFile(
            f"{error.filename or path} cannot be read: {error.strerror}", hint="correct the path"
        ) from error
