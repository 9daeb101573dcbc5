"""`imagekit build`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imagekit.architecture import Architecture
from imagekit.cli import options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session
from imagekit.errors import UsageError
from imagekit.lockfile import Use


@command("build")
@options.specs
@options.tags
@option("--push", is_flag=True, help="Push what was built.")
@options.destinations
@options.create_repository
@options.by_digest
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
@options.shared_cache
@options.overrides
@options.labels
@options.strict
@options.only_printed
@options.as_json
@pass_session
def build(
    session: Session,
    specs: Sequence[str],
    *,
    tags: Sequence[str],
    push: bool,
    destinations: Sequence[str],
    create: bool,
    by_digest: bool,
    architectures: Sequence[Architecture],
    outputs: Sequence[str],
    load: bool,
    use: Use,
    compression: str | None,
    cache_from: Sequence[str],
    cache_to: Sequence[str],
    overrides: Sequence[str],
    labels: Mapping[str, str],
    strict: bool,
    only: str | None,
    as_json: bool,
) -> None:
    """Build the images of specs, for all of their platforms, and print their references by digest.

    Without --push they are kept in .imagekit beside each spec, for `imagekit push`, `inspect` and --output.
    """
    from imagekit.cli.image import Wanted, run

    if (destinations or create or by_digest) and not push:
        named = "--to" if destinations else "--create-repository" if create else "--by-digest"
        raise UsageError(f"{named} without --push", hint="add --push, or run `imagekit push --to …` afterwards")
    wanted = Wanted(
        tags=tags, pushes=push, destinations=destinations, creates=create, by_digest=by_digest,
        architectures=architectures, outputs=outputs, loads=load, use=use, compression=compression,
        cache_from=cache_from, cache_to=cache_to, overrides=overrides, labels=labels, strict=strict, only=only,
        as_json=as_json,
    )  # fmt: skip
    run(session, specs, wanted)
