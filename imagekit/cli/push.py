"""`imagekit push`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from imagekit.architecture import Architecture
from imagekit.cli import options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session
from imagekit.errors import UsageError
from imagekit.lockfile import Use


@command("push")
@options.spec
@options.tags
@options.destinations
@options.create_repository
@option("--no-build", is_flag=True, help="Push what the last build left, whatever has changed since.")
@options.platform
@options.lock_use
@options.compression
@options.overrides
@options.labels
@option("--print", "only", type=click.Choice(["index", "x86_64", "arm64"]), help="Print one reference only.")
@options.as_json
@pass_session
def push(
    session: Session,
    spec: str,
    *,
    tags: Sequence[str],
    destinations: Sequence[str],
    create: bool,
    no_build: bool,
    architectures: Sequence[Architecture],
    use: Use,
    compression: str | None,
    overrides: Sequence[str],
    labels: Mapping[str, str],
    only: str | None,
    as_json: bool,
) -> None:
    """Build what has changed and push the image: blobs first, then manifests, then tags.

    With two platforms TAG names the index, TAG-x86_64 and TAG-arm64 the images that functions take.
    """
    from imagekit import pipeline
    from imagekit.cli import work
    from imagekit.cli.references import References, show

    if no_build and (architectures or compression or overrides or labels or use is not Use.RENEW):
        raise UsageError(
            "--no-build pushes what the last build left, which no other option can change",
            hint="leave --no-build out: a build of what did not change takes no time",
        )
    with work.opened(session, spec) as opened:
        loaded = work.load(session, opened, spec, overrides, architectures).labelled(labels)
        names = work.tags_of(loaded, tags)
        to = work.repositories(session, loaded, destinations)
        if not no_build:
            work.check_print(loaded, only)
        if create:
            pipeline.create_repositories(opened, to)
        if not no_build:
            lock = pipeline.resolve(opened, loaded, use, compression)
            work.warn(session, pipeline.doubts(opened, loaded, lock))
            pipeline.make(opened, loaded, lock, names, to)
        with pipeline.contents(opened, loaded) as parcel:
            pipeline.push(opened, parcel, to, names)
            show(session, References.of(parcel, to, names), only=only, as_json=as_json, pushed=True)
