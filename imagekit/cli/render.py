"""`imagekit render`."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from imagekit.architecture import Architecture
from imagekit.cli import options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session, write, write_bytes, write_json
from imagekit.errors import UsageError
from imagekit.lockfile import Use

if TYPE_CHECKING:
    from imagekit.context import Context

#: What a spec can be shown as.
FORMATS: Final = ("spec", "oci-config", "dockerfile")
#: The fields of a config that a build fills in.
_OF_LAYERS: Final = {"rootfs", "history"}


@command("render")
@options.spec
@option("--format", "form", type=click.Choice(FORMATS), default="spec", help="What to print; `spec` when left out.")
@option(
    "-o",
    "--output",
    metavar="PLACE",
    help="Where the Dockerfile's context goes: a FOLDER, a FILE.tar, or - for a tar on stdout.",
    from_environment=False,
)
@options.tags
@options.destinations
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
    output: str | None,
    tags: Sequence[str],
    destinations: Sequence[str],
    architectures: Sequence[Architecture],
    use: Use,
    overrides: Sequence[str],
    labels: Mapping[str, str],
) -> None:
    """Print a spec as something else.

    \b
    spec        the spec in one file: what `extends` and --set make of it, each value with its origin
    oci-config  the image config of each platform, as far as it is known without the layers
    dockerfile  a Dockerfile for other builders, which makes the same root file system; --output writes it
                with the layers that it adds, and with a bake file for `docker buildx bake`
    """
    if form != "dockerfile" and (output or tags or destinations):
        raise UsageError("--output, --tag and --to are for --format dockerfile", hint="add it, or leave them out")
    if form == "dockerfile":
        with _contexts(
            session,
            spec,
            architectures=architectures,
            use=use,
            overrides=overrides,
            labels=labels,
            destinations=destinations,
            tags=tags,
        ) as context:
            _hand_over(session, context, output)
    elif form == "spec":
        write(_spec(session, spec, overrides).rstrip("\n"))
    else:
        write_json(_configs(session, spec, architectures, use, overrides, labels))


@contextmanager
def _contexts(
    session: Session,
    spec: str,
    *,
    architectures: Sequence[Architecture],
    use: Use,
    overrides: Sequence[str],
    labels: Mapping[str, str],
    destinations: Sequence[str],
    tags: Sequence[str],
) -> Iterator[Context]:
    from imagekit import pipeline
    from imagekit.cli import work
    from imagekit.context import check_base

    with work.opened(session, spec) as opened:
        loaded = work.load(session, opened, spec, overrides, architectures).labelled(labels)
        repositories = destinations or loaded.spec.push.to or (loaded.spec.name,)
        lock = pipeline.resolve(opened, loaded, use)
        for platform in loaded.platforms:
            if base := lock.at(platform.architecture.name).base:
                check_base(base.reference)
        yield pipeline.context(
            opened, loaded, lock, repositories, work.tags_of(loaded, tags), partial(work.warn, session)
        )


def _hand_over(session: Session, context: Context, output: str | None) -> None:
    """Print the Dockerfile alone, or write it with its context."""
    from imagekit.store import archive

    if output is None:
        write(context.dockerfile.rstrip("\n"))
        session.say("this is the Dockerfile alone; `--output FOLDER` writes it with the layers that it adds")
    elif output == "-":
        write_bytes(context.stream())
    elif output.endswith(".tar"):
        archive.check_place(output)
        archive.write(os.path.abspath(output), context.stream(), context.size)
        session.say(f"next: docker build - < {shlex.quote(output)}")
    else:
        context.write(output)
        session.say(f"next: docker build {shlex.quote(output)}, or, in it, docker buildx bake")


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
