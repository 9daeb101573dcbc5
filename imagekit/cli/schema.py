"""`imagekit schema`."""

from __future__ import annotations

import os

from imagekit.cli import options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session, write


@command("schema")
@options.spec
@option("--install", is_flag=True, help="Put it beside SPEC and name it in SPEC's first line.", from_environment=False)
@pass_session
def schema(session: Session, spec: str, install: bool) -> None:
    """Print the contract of a spec: a JSON Schema (draft 2020-12) with all keys described.

    With --install, editors that speak to yaml-language-server complete and check SPEC by it.
    """
    from imagekit.cli import editor

    if not install:
        write(editor.schema_text())
        return
    for path in editor.install(spec):
        session.say(f"wrote {os.path.relpath(path)}")
