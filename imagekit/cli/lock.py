"""`imagekit lock`."""

from __future__ import annotations

from collections.abc import Sequence

from imagekit.cli import options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session, write
from imagekit.errors import UsageError


@command("lock")
@options.specs
@option("--check", is_flag=True, help="Write nothing; fail when a lock is missing or does not fit.")
@option("--upgrade", is_flag=True, help="Resolve everything anew: moved tags and changed archives are taken over.")
@options.compression
@options.overrides
@pass_session
def lock(
    session: Session,
    specs: Sequence[str],
    *,
    check: bool,
    upgrade: bool,
    compression: str | None,
    overrides: Sequence[str],
) -> None:
    """Choose the exact bytes for specs and write them to the lock beside each.

    What a lock already holds stays as it is. The lock's creation time is SOURCE_DATE_EPOCH when that is set.
    """
    from imagekit import pipeline
    from imagekit.cli import work
    from imagekit.lockfile import Use

    if check and upgrade:
        raise UsageError("--check writes nothing, --upgrade does", hint="`imagekit outdated --exit-code` checks that")
    for spec in specs:
        with work.opened(session, spec) as opened:
            loaded = work.load(session, opened, spec, overrides)
            if upgrade:
                pipeline.upgrade(opened, loaded, compression)
            else:
                pipeline.resolve(opened, loaded, Use.LOCKED if check else Use.RENEW, compression)
            write(pipeline.lock_file(loaded).path)
