"""`imagekit dev`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from imagekit.architecture import Architecture
from imagekit.cli import local, options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.page import callers
from imagekit.cli.session import Session


@command("dev")
@options.spec
@local.host
@option("--port", type=click.IntRange(1, 65535), default=9000, help="Where to listen.")
@callers
@local.only_platform
@local.wishes
@pass_session
def dev(
    session: Session,
    spec: str,
    *,
    host: str,
    port: int,
    names: tuple[str, ...],
    origins: tuple[str, ...],
    architecture: Architecture | None,
    wished: Mapping[str, Any],
) -> None:
    """Serve the image of a spec as `run` does; what changes in its files is built and started again.

    A build that fails is told, and the image before it stays.
    """
    from imagekit.cli import work
    from imagekit.cli.invoke import Shown
    from imagekit.cli.page import page, page_url, url
    from imagekit.cli.report import show_error
    from imagekit.cli.serving import until_interrupted
    from imagekit.emulator.gate import Allowed
    from imagekit.emulator.happenings import Together
    from imagekit.errors import ImagekitError
    from imagekit.execute.changes import Watch, watched

    allowed = Allowed.from_texts(names, origins)
    with local.kept(session, wished) as kept, work.opened(session, spec) as opened:
        machine, image, project = local.machine(session, opened), None, None
        while True:
            try:
                image, project = local.image(session, opened, spec, architecture, wished)
            except ImagekitError as error:
                if image is None or project is None:
                    raise
                show_error(error, session.console, session.environment)
                session.console.say("the image before this change stays")
            assert project is not None
            made = local.made(wished, project, kept)
            site = page(session, image, made, project)
            with machine.function(image, made, Together(Shown(session), site.live)) as function:
                where, bound = function.serve(host, port, site, allowed)
                function.warm()
                session.say(f"{image.name} ({image.architecture}) is served at {url(where, bound)}")
                session.say(f"  a page to try it: {page_url(where, bound)}")
                with Watch(watched(project), function.stop) as watch:
                    if until_interrupted(function):
                        return
                session.say(f"{watch.changed} changed")
