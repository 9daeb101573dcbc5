"""`imagekit build`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from imagekit.architecture import Architecture
from imagekit.cli import options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session
from imagekit.errors import UsageError
from imagekit.lockfile import Use


@command("build")
@options.spec
@options.tags
@option("--push", is_flag=True, help="Push what was built.")
@options.destinations
@options.create_repository
@options.platform
@option(
    "--output",
    "outputs",
    multiple=True,
    metavar="KIND:PATH",
    help="Write the complete image: oci:FOLDER, oci-archive:FILE, docker-archive:FILE.",
)
@option("--load", is_flag=True, help="Load the image into the Docker engine; one platform only.")
@options.lock_use
@options.compression
@options.overrides
@options.labels
@options.strict
@option("--print", "only", type=click.Choice(["index", "x86_64", "arm64"]), help="Print one reference only.")
@options.as_json
@pass_session
def build(
    session: Session,
    spec: str,
    *,
    tags: Sequence[str],
    push: bool,
    destinations: Sequence[str],
    create: bool,
    architectures: Sequence[Architecture],
    outputs: Sequence[str],
    load: bool,
    use: Use,
    compression: str | None,
    overrides: Sequence[str],
    labels: Mapping[str, str],
    strict: bool,
    only: str | None,
    as_json: bool,
) -> None:
    """Build the image of a spec, for all of its platforms, and print its references by digest.

    Without --push it is kept in .imagekit beside the spec, for `imagekit push`, `inspect` and --output.
    """
    from imagekit import pipeline
    from imagekit.cli import deliveries, work
    from imagekit.cli.references import References, show

    if (destinations or create) and not push:
        named = "--to" if destinations else "--create-repository"
        raise UsageError(f"{named} without --push", hint="add --push, or run `imagekit push --to …` afterwards")
    with work.opened(session, spec) as opened:
        loaded = work.load(session, opened, spec, overrides, architectures, strict=strict).labelled(labels)
        names = work.tags_of(loaded, tags)
        to = work.repositories(session, loaded, destinations) if push else ()
        work.check_print(loaded, only)
        deliveries.check(loaded, outputs, load=load)
        if create:
            pipeline.create_repositories(opened, to)
        lock = pipeline.resolve(opened, loaded, use, compression)
        work.warn(session, pipeline.doubts(opened, loaded, lock), strict=strict)
        folder = pipeline.make(opened, loaded, lock, names, to)
        with pipeline.contents(opened, loaded) as parcel:
            for output in outputs:
                deliveries.write(opened, parcel, output, loaded.spec.name, names)
            if load:
                deliveries.load(opened, parcel, loaded.spec.name, names)
            if push:
                pipeline.push(opened, parcel, to, names)
            shown = to or (f"oci:{folder}",)
            show(session, References.of(parcel, shown, names), only=only, as_json=as_json, pushed=push)
