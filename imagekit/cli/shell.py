"""`imagekit shell`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from imagekit.architecture import Architecture
from imagekit.cli import local
from imagekit.cli.frame import command, pass_session
from imagekit.cli.session import Session
from imagekit.errors import UsageError


@command("shell")
@local.target
@local.only_platform
@local.wishes
@pass_session
def shell(session: Session, target: str, *, architecture: Architecture | None, wished: Mapping[str, Any]) -> None:
    """Open a shell in an image, with what a function has there: its user, its limits, its environment.

    The root file system is read-only but for /tmp. Needs a terminal, and a shell in the image.
    """
    from imagekit.cli import work
    from imagekit.emulator.ports import Start
    from imagekit.emulator.variables import of_runtime
    from imagekit.execute.local import settings
    from imagekit.execute.terminal import shell as open_shell

    if not sys.stdin.isatty():
        raise UsageError("a shell needs a terminal", hint="`imagekit invoke` sends an event without one")
    spec = target if local.is_spec(target) else ""
    with local.kept(session, wished) as kept, work.opened(session, spec) as opened:
        image, project = local.image(session, opened, target, architecture, wished)
        machine, made = local.machine(session, opened), local.made(wished, project, kept)
        term = {"TERM": session.environment.get("TERM", "dumb")}
        with machine.sandbox(image, made) as (sandbox, root):
            what = Start(
                command=(),
                environment=of_runtime(root.config.environment, settings(image.name, made), term),
                directory=root.config.working_directory or "/",
            )
            code = open_shell(sandbox, what, sys.stdin.fileno())
    sys.exit(code if code >= 0 else 128 - code)
