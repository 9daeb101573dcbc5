"""`imagekit push`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imagekit.architecture import Architecture
from imagekit.cli import options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session
from imagekit.errors import UsageError
from imagekit.lockfile import Use


@command("push")
@options.specs
@options.tags
@options.destinations
@options.create_repository
@options.by_digest
@option("--no-build", is_flag=True, help="Push what the last build left, whatever has changed since.")
@options.platform
@options.lock_use
@options.compression
@options.shared_cache
@options.overrides
@options.labels
@options.only_printed
@options.as_json
@pass_session
def push(
    session: Session,
    specs: Sequence[str],
    *,
    tags: Sequence[str],
    destinations: Sequence[str],
    create: bool,
    by_digest: bool,
    no_build: bool,
    architectures: Sequence[Architecture],
    use: Use,
    compression: str | None,
    cache_from: Sequence[str],
    cache_to: Sequence[str],
    overrides: Sequence[str],
    labels: Mapping[str, str],
    only: str | None,
    as_json: bool,
) -> None:
    """Build what has changed and push the images: blobs first, then manifests, then tags.

    With two platforms TAG names the index, TAG-x86_64 and TAG-arm64 the images that functions take.
    """
    from imagekit.cli.image import Wanted, run

    if no_build and (
        architectures or compression or cache_from or cache_to or overrides or labels or use is not Use.RENEW
    ):
        raise UsageError(
            "--no-build pushes what the last build left, which no other option can change",
            hint="leave --no-build out: a build of what did not change takes no time",
        )
    wanted = Wanted(
        builds=not no_build, pushes=True, tags=tags, destinations=destinations, creates=create, by_digest=by_digest,
        architectures=architectures, use=use, compression=compression, cache_from=cache_from,
        cache_to=cache_to, overrides=overrides, labels=labels, only=only,
        as_json=as_json,
    )  # fmt: skip
    run(session, specs, wanted)
