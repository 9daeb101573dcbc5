"""`imagekit inspect`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from imagekit.architecture import Architecture
from imagekit.cli import options
from imagekit.cli.frame import command, pass_session
from imagekit.cli.session import Session, write, write_json
from imagekit.cli.sizes import size
from imagekit.errors import UsageError

if TYPE_CHECKING:
    from imagekit.look import Seen


@command("inspect")
@click.argument("image", metavar="IMAGE")
@options.platform
@options.as_json
@pass_session
def inspect(session: Session, image: str, *, architectures: Sequence[Architecture], as_json: bool) -> None:
    """Show an image: its platforms, each with its layers (size, where they come from), config and labels.

    IMAGE is registry/repository:tag (or @sha256:…), oci:FOLDER, or oci-archive:FILE.
    """
    from imagekit.cli import work
    from imagekit.look import look

    with work.opened(session) as opened:
        source, selector = opened.places.source(image)
        top, found = look(source, selector)
    wanted = _chosen(image, found, [item.name for item in architectures])
    if as_json:
        write_json({"image": image, "digest": str(top), "platforms": [one.to_mapping() for one in wanted]})
        return
    write(f"{image}\n  digest {top}")
    for one in wanted:
        write("\n".join(_lines(one)))


def _chosen(image: str, found: Sequence[Seen], names: Sequence[str]) -> Sequence[Seen]:
    """Those for the named architectures, all when none is named; raises UsageError for one that is not there."""
    lacking = [name for name in names if name not in {one.architecture for one in found}]
    if lacking:
        has = ", ".join(str(one.image.platform) for one in found) or "none"
        raise UsageError(f"{image} has no platform {lacking[0]}", hint=f"it has {has}")
    return [one for one in found if not names or one.architecture in names]


def _lines(seen: Seen) -> Iterator[str]:
    document: dict[str, Any] = seen.to_mapping()
    yield f"{document['platform']}  {document['manifest']}  {size(sum(row['size'] for row in document['layers']))}"
    for row in document["layers"]:
        yield f"  {size(row['size']):>9}  {row['digest'].removeprefix('sha256:')[:12]}  {row['origin']}"
    config = document["config"]
    yield f"  created {config['created'] or 'unknown'}"
    yield f"  starts {' '.join([*config['entrypoint'], *config['command']]) or 'nothing'}"
    yield f"  in {config['working_directory'] or '/'}"
    for name, value in config["environment"].items():
        yield f"  env {name}={value}"
    for name, value in config["labels"].items():
        yield f"  label {name}={value}"
