"""`imagekit outdated`."""

from __future__ import annotations

from collections.abc import Sequence

from imagekit.cli import options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session, write, write_json
from imagekit.errors import StaleLock


@command("outdated")
@options.specs
@option("--exit-code", is_flag=True, help="Exit with 1 when something is outdated.")
@options.as_json
@options.overrides
@pass_session
def outdated(
    session: Session, specs: Sequence[str], *, exit_code: bool, as_json: bool, overrides: Sequence[str]
) -> None:
    """Say what `lock --upgrade` would change: tags that moved, archives with other bytes. Nothing is written."""
    rows = [row for spec in specs for row in _rows(session, spec, overrides)]
    if as_json:
        write_json(rows)
    else:
        for row in rows:
            write(f"{row['spec']}: {row['architecture']} {row['name']}: {row['locked']} → {row['now']}")
    if not rows:
        session.say("nothing is outdated")
    elif exit_code:
        number = f"{len(rows)} locked inputs are" if len(rows) > 1 else "a locked input is"
        raise StaleLock(f"{number} outdated", hint="`imagekit lock --upgrade` takes over what is there now")


def _rows(session: Session, spec: str, overrides: Sequence[str]) -> list[dict[str, str]]:
    from imagekit import pipeline
    from imagekit.cli import work
    from imagekit.lock import changes

    with work.opened(session, spec) as opened:
        loaded = work.load(session, opened, spec, overrides)
        known = pipeline.lock_file(loaded).read()
        if known is None:
            raise StaleLock(f"{spec} has no lock", hint="`imagekit lock` writes one")
        found = changes(known, pipeline.fresh(opened, loaded))
        return [{"spec": spec, **change.to_mapping()} for change in found]
