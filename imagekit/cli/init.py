"""`imagekit init`."""

from __future__ import annotations

import os

import click

from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.options import SPEC_FILE
from imagekit.cli.session import Session, write
from imagekit.errors import UsageError


@command("init")
@click.argument("example", required=False)
@option("--directory", metavar="FOLDER", default=".", help="Where to; made when it is missing.", from_environment=False)
@pass_session
def init(session: Session, example: str | None, directory: str) -> None:
    """Start from an example, or write a spec for the project that is here.

    Without EXAMPLE, the examples are listed. With one, its files are copied into the current folder; where a project of
    that language is already, only runtime.yaml is written. Nothing is ever overwritten.
    """
    from imagekit.cli.editor import install
    from imagekit.cli.examples import examples, start
    from imagekit.spec.nearest import hint

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
