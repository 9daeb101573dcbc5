"""`imagekit join`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from imagekit.cli import options
from imagekit.cli.frame import command, pass_session
from imagekit.cli.session import Session


@command("join")
@options.spec
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@options.tags
@options.destinations
@options.overrides
@options.only_printed
@options.as_json
@pass_session
def join(
    session: Session,
    spec: str,
    *,
    images: Sequence[str],
    tags: Sequence[str],
    destinations: Sequence[str],
    overrides: Sequence[str],
    only: str | None,
    as_json: bool,
) -> None:
    """Make one index of the platforms that several machines have built, and name it.

    IMAGE is what `imagekit build --platform … --push --by-digest` printed, one for each platform of SPEC. The index is
    the one that a single machine makes. It goes where --to or the spec's push.to says, else to where the images are.
    """
    from imagekit import pipeline
    from imagekit.cli import work
    from imagekit.cli.references import References, say_uri, show, show_document, tell_workflow
    from imagekit.join import join as joined
    from imagekit.oci.reference import Reference

    with work.opened(session, spec) as opened:
        loaded = work.load(session, opened, spec, overrides)
        names = work.tags_of(loaded, tags)
        found = [Reference.parse(name).name for name in images]
        repositories = work.repositories(session, loaded, destinations or loaded.spec.push.to or found)
        work.check_print(loaded, only)
        parcel = joined(loaded, images, opened.places)
        pipeline.push(opened, parcel, pipeline.deliveries(opened, repositories, names))
        made = References.of(parcel, repositories, names)
        show_document({spec: made}) if as_json else show(made, only)
        say_uri(session, made)
        tell_workflow(session, {spec: made})
