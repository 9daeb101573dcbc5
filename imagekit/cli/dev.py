"""`imagekit dev`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from imagekit.architecture import Architecture
from imagekit.cli import local, options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session


@command("dev")
@options.spec
@option("--host", default="127.0.0.1", help="Where to listen.")
@option("--port", type=click.IntRange(1, 65535), default=9000, help="Where to listen.")
@local.only_platform
@local.wishes
@pass_session
def dev(
    session: Session, spec: str, *, host: str, port: int, architecture: Architecture | None, wished: Mapping[str, Any]
) -> None:
    """Serve the image of a spec as `run` does; what changes in its files is built and started again.

    A build that fails is told, and the image before it stays.
    """
    from imagekit.cli import work
    from imagekit.cli.invoke import Shown
    from imagekit.cli.serving import until_interrupted
    from imagekit.errors import ImagekitError
    from imagekit.execute.changes import Watch, watched

    with work.opened(session, spec) as opened:
        machine, image, project = local.machine(session, opened), None, None
        while True:
            try:
                image, project = local.image(session, opened, spec, architecture)
            except ImagekitError as error:
                if image is None or project is None:
                    raise
                session.console.say(f"{error.message}\n  hint: {error.hint}\nthe image before this change stays")
            assert project is not None
            with machine.function(image, local.made(wished, project), Shown(session)) as function:
                where, bound = function.serve(host, port)
                function.warm()
                session.say(f"{image.name} ({image.architecture}) is served at http://{where}:{bound}")
                with Watch(watched(project), function.stop) as watch:
                    if until_interrupted(function):
                        return
                session.say(f"{watch.changed} changed")
