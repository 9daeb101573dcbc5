"""`imagekit diff`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from imagekit.architecture import Architecture
from imagekit.cli import github, options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session, write, write_json
from imagekit.errors import UsageError

if TYPE_CHECKING:
    from imagekit.look import Seen
    from imagekit.oci.descriptor import Descriptor
    from imagekit.oci.ports import Source
    from imagekit.store.places import Places


@command("diff")
@click.argument("first", metavar="IMAGE")
@click.argument("second", metavar="IMAGE")
@option("--files", is_flag=True, help="Compare the files too: reads the layers that the images do not share.")
@option("--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text", help="How it is printed.")
@options.platform
@pass_session
def diff(
    session: Session, first: str, second: str, *, files: bool, form: str, architectures: Sequence[Architecture]
) -> None:
    """Say what is another in the second image: variables, labels, layers, with --files every path. Exits with 1 then.

    IMAGE is registry/repository:tag (or @sha256:…), oci:FOLDER, or oci-archive:FILE; a spec's last build is
    oci:FOLDER/.imagekit/NAME.
    """
    from imagekit.cli import work
    from imagekit.compare import changes
    from imagekit.look import look

    rows: list[dict[str, Any]] = []
    with work.opened(session) as opened:
        sides = [(*opened.places.source(name), name) for name in (first, second)]
        looked = [
            (source, {one.architecture: one for one in look(source, selector)[1]}) for source, selector, _ in sides
        ]
        for name in _platforms(looked[0][1], looked[1][1], [item.name for item in architectures], (first, second)):
            pair = [found.get(name) for _, found in looked]
            if pair[0] is None or pair[1] is None:
                before, after = ("there" if one else "" for one in pair)
                rows.append({"platform": name, "what": "image", "before": before, "after": after})
                continue
            found = [{"platform": name, **one.to_mapping()} for one in changes(pair[0], pair[1])]
            if not found and pair[0].manifest != pair[1].manifest:
                one, other = str(pair[0].manifest), str(pair[1].manifest)
                found.append({"platform": name, "what": "manifest", "before": one, "after": other})
            rows += found
            if files:
                sources = (looked[0][0], looked[1][0])
                compared = _files(opened.places, sources, (pair[0], pair[1]), (first, second))
                rows += [{"platform": name, **row} for row in compared]
    _show(rows, form)
    if rows:
        raise click.exceptions.Exit(1)


def _platforms(
    one: Mapping[str, Seen], other: Mapping[str, Seen], wanted: Sequence[str], names: tuple[str, str]
) -> Iterator[str]:
    """Those that are compared, in their order; raises UsageError for one that is in neither image."""
    known = dict.fromkeys((*one, *other))
    for name in wanted:
        if name not in known:
            raise UsageError(f"neither {names[0]} nor {names[1]} has the platform {name}")
    yield from (name for name in known if not wanted or name in wanted)


def _files(
    places: Places, sources: tuple[Source, Source], pair: tuple[Seen, Seen], names: tuple[str, str]
) -> Iterator[dict[str, str]]:
    from imagekit.rootfs.compared import Side, file_changes
    from imagekit.rootfs.entry import shown

    first, second = (
        Side(
            name=name,
            layers=[partial(_blob, places, source, layer) for layer in seen.image.manifest.layers],
            digests=[str(layer.digest) for layer in seen.image.manifest.layers],
        )
        for source, seen, name in zip(sources, pair, names, strict=True)
    )
    if first.digests == second.digests:
        return
    for change in file_changes(first, second):
        yield {
            "what": f"file {shown(f'/{change.path}')}: {change.what}",
            "before": change.before,
            "after": change.after,
        }


def _blob(places: Places, source: Source, layer: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
    """A layer's bytes; what a build left beside its spec names where the base's are."""
    from imagekit.store.layout import Layout

    if isinstance(source, Layout) and not source.has(layer) and (origin := source.origin(layer.digest)):
        source, _ = places.source(origin)
    return source.blob(layer)


def _show(rows: Sequence[Mapping[str, str]], form: str) -> None:
    if form == "json":
        write_json(list(rows))
    elif form == "markdown":
        table = [(row["platform"], row["what"], row["before"] or "-", row["after"] or "-") for row in rows]
        write(github.table(("platform", "what", "before", "after"), table) if rows else "The images are the same.")
    else:
        for row in rows:
            write(f"{row['platform']}: {row['what']}: {row['before'] or '-'} → {row['after'] or '-'}")
