"""`imagekit run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from imagekit.architecture import Architecture
from imagekit.cli import local
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.page import callers
from imagekit.cli.session import Session


@command("run")
@local.target
@local.host
@option("--port", type=click.IntRange(0, 65535), default=9000, help="Where to listen; 0 takes a free one.")
@option("--environments", type=click.IntRange(1, 1000), default=1, help="Execution environments at once.")
@option("--concurrency", type=click.IntRange(1, 1600), default=1, help="Events at once in one environment.")
@option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@callers
@local.only_platform
@local.wishes
@pass_session
def run(
    session: Session,
    target: str,
    *,
    host: str,
    port: int,
    environments: int,
    concurrency: int,
    opens: bool,
    names: tuple[str, ...],
    origins: tuple[str, ...],
    architecture: Architecture | None,
    wished: Mapping[str, Any],
) -> None:
    """Serve an image as Lambda does, until Ctrl-C.

    The Lambda API is at /2015-03-31/functions/NAME/invocations, its streaming sister beside it, and the function URL at
    /lambda-url/NAME/; any name will do. AWS's tools reach it with --endpoint-url. At / is a page that sends events and
    shows what happens. Pages of other sites are refused, and requests to a name that is not this server's.
    """
    from dataclasses import replace

    from imagekit.cli import work
    from imagekit.cli.invoke import Shown
    from imagekit.cli.page import page, page_url, show, url
    from imagekit.cli.serving import until_interrupted
    from imagekit.emulator.gate import Allowed
    from imagekit.emulator.happenings import Together

    allowed = Allowed.from_texts(names, origins)
    spec = target if local.is_spec(target) else ""
    with local.kept(session, wished) as kept, work.opened(session, spec) as opened:
        image, project = local.image(session, opened, target, architecture, wished)
        made = replace(local.made(wished, project, kept), environments=environments, concurrency=concurrency)
        site = page(session, image, made, project)
        with local.machine(session, opened).function(image, made, Together(Shown(session), site.live)) as function:
            where, bound = function.serve(host, port, site, allowed)
            session.say(f"{image.name} ({image.architecture}) is served at {url(where, bound)}")
            session.say(f"  a page to try it: {page_url(where, bound)}")
            session.say(
                f"  aws lambda invoke --function-name {image.name.rpartition('/')[2]} "
                f"--endpoint-url {url(where, bound)} --payload '{{}}' /dev/stdout"
            )
            if opens:
                show(session, page_url(where, bound))
            until_interrupted(function)
