"""`imagekit init`."""

from __future__ import annotations

import os
from typing import Final

import click

from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.options import SPEC_FILE
from imagekit.cli.session import Session, write
from imagekit.errors import UsageError
from imagekit.words import cleaned

#: Characters of a Dockerfile's own words that are shown.
_LONGEST: Final = 500


@command("init")
@click.argument("example", required=False)
@option("--directory", metavar="FOLDER", default=".", help="Where to; made when it is missing.", from_environment=False)
@option(
    "--from",
    "dockerfile",
    metavar="DOCKERFILE",
    help="Write a spec for what this Dockerfile builds; its context is the folder that the spec goes to.",
    from_environment=False,
)
@option("--overwrite", is_flag=True, help="With --from: replace a runtime.yaml that is there.", from_environment=False)
@pass_session
def init(session: Session, example: str | None, directory: str, dockerfile: str | None, *, overwrite: bool) -> None:
    """Start from an example or a Dockerfile, or write a spec for the project that is here.

    Without EXAMPLE, the examples are listed. With one, its files are copied into the current folder; where a project of
    that language is already, only runtime.yaml is written. --from turns a Dockerfile into a runtime.yaml and lists what
    could not be taken over, with the line and what to do. Nothing is overwritten unless --overwrite says so.
    """
    from imagekit.cli.editor import install
    from imagekit.cli.examples import examples, start
    from imagekit.spec.nearest import hint

    if dockerfile is not None:
        if example is not None:
            raise UsageError("an example and --from exclude each other", hint="leave one of them out")
        _convert(session, dockerfile, os.path.normpath(directory), overwrite=overwrite)
        return
    if overwrite:
        raise UsageError("--overwrite is for --from", hint="examples never overwrite anything")
    known = examples()
    if example is None:
        _list(session, directory)
        return
    if example not in known:
        raise UsageError(f"there is no example {example!r}", hint=hint(example, known, "examples"))
    folder = os.path.normpath(directory)
    written = start(known[example], folder)
    install(os.path.join(folder, SPEC_FILE))
    for path in written:
        write(os.path.normpath(path))
    where = "" if folder == "." else f" {folder}"
    session.say(f"next: `imagekit validate{where}`, then `imagekit build{where}`")


def _convert(session: Session, dockerfile: str, folder: str, *, overwrite: bool) -> None:
    """Write the spec; what could not be taken over is talk."""
    from datetime import UTC, datetime

    from imagekit.cli.editor import install
    from imagekit.cli.from_dockerfile import read

    made = read(dockerfile, folder, datetime.fromtimestamp(session.now(), UTC).date())
    for path in made.write(folder, overwrite=overwrite):
        write(os.path.normpath(path))
    install(os.path.join(folder, SPEC_FILE))
    if made.left:
        session.console.say(f"not in the spec as {dockerfile} has it, or worth a look ({len(made.left)}):")
    for left in made.left:
        where = f"{dockerfile}:{left.line}" if left.line else dockerfile
        session.console.say(f"{where}: {cleaned(left.what, _LONGEST)}\n    {cleaned(left.advice, _LONGEST)}")
    where = "" if folder == "." else f" {folder}"
    session.say(f"next: look through {SPEC_FILE}, then `imagekit validate{where}`, then `imagekit build{where}`")


def _list(session: Session, directory: str) -> None:
    """The examples on stdout; which of them fits here is talk."""
    from imagekit.cli.examples import examples, fitting

    known = examples()
    width = max(map(len, known), default=0)
    for one in known.values():
        write(f"{one.name:<{width}}  {one.title}")
    fit = [one.name for one in fitting(directory, known)]
    if fit:
        session.say(f"a project is here already: `imagekit init {fit[0]}` writes a {SPEC_FILE} for it")
