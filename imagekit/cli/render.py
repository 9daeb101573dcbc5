"""`imagekit render`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

import click

from imagekit.architecture import Architecture
from imagekit.cli import options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session, write, write_json
from imagekit.lockfile import Use

#: What a spec can be shown as.
FORMATS: Final = ("spec", "oci-config")
#: The fields of a config that a build fills in.
_OF_LAYERS: Final = {"rootfs", "history"}


@command("render")
@options.spec
@option("--format", "form", type=click.Choice(FORMATS), default="spec", help="What to print; `spec` when left out.")
@options.platform
@options.lock_use
@options.overrides
@options.labels
@pass_session
def render(
    session: Session,
    spec: str,
    *,
    form: str,
    architectures: Sequence[Architecture],
    use: Use,
    overrides: Sequence[str],
    labels: Mapping[str, str],
) -> None:
    """Print a spec as something else.

    \b
    spec        the spec in one file: what `extends` and --set make of it, each value with its origin
    oci-config  the image config of each platform, as far as it is known without the layers
    """
    if form == "spec":
        write(_spec(session, spec, overrides).rstrip("\n"))
    else:
        write_json(_configs(session, spec, architectures, use, overrides, labels))


def _spec(session: Session, spec: str, overrides: Sequence[str]) -> str:
    from imagekit import pipeline

    text, warnings = pipeline.rendered(spec, overrides)
    session.report(warnings)
    return text


def _configs(
    session: Session,
    spec: str,
    architectures: Sequence[Architecture],
    use: Use,
    overrides: Sequence[str],
    labels: Mapping[str, str],
) -> list[object]:
    from imagekit import pipeline
    from imagekit.cli import work

    with work.opened(session, spec) as opened:
        loaded = work.load(session, opened, spec, overrides, architectures).labelled(labels)
        lock = pipeline.resolve(opened, loaded, use, write=False)
        documents = [json.loads(config.to_bytes()) for config in pipeline.configs(opened, loaded, lock)]
        return [{key: value for key, value in one.items() if key not in _OF_LAYERS} for one in documents]
