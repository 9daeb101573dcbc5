"""`imagekit lock`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from imagekit.cli import options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session, write
from imagekit.errors import UsageError

if TYPE_CHECKING:
    from imagekit.lock import Lock

#: What a bare `--upgrade` stands for, and what people write into its variable; no package is called so.
_EVERYTHING: Final = ("*", "1", "true", "yes")


@command("lock")
@options.specs
@option("--check", is_flag=True, help="Write nothing; fail when a lock is missing or does not fit.")
@option(
    "--upgrade",
    "upgrades",
    metavar="[PACKAGE]",
    multiple=True,
    is_flag=False,
    flag_value=_EVERYTHING[0],
    help="Resolve everything anew: moved tags, changed archives, newer packages. With PACKAGE only that one, and what "
    "came along with it.",
)
@option("--dry-run", is_flag=True, help="Write nothing; print which packages come, go and change their version.")
@options.compression
@options.overrides
@pass_session
def lock(
    session: Session,
    specs: Sequence[str],
    *,
    check: bool,
    upgrades: Sequence[str],
    dry_run: bool,
    compression: str | None,
    overrides: Sequence[str],
) -> None:
    """Choose the exact bytes for specs and write them to the lock beside each.

    What a lock already holds stays as it is. The lock's creation time is SOURCE_DATE_EPOCH when that is set.
    """
    from imagekit import locking, pipeline
    from imagekit.cli import work
    from imagekit.lockfile import Use

    if check and (upgrades or dry_run):
        raise UsageError("--check only judges the lock", hint="`imagekit outdated --exit-code` looks for what is newer")
    packages, specs = _taken_apart(upgrades, specs)
    for spec in specs:
        with work.opened(session, spec) as opened:
            loaded = work.load(session, opened, spec, overrides)
            file = locking.lock_file(loaded)
            before = file.read()
            if upgrades:
                made = locking.upgrade(opened, loaded, compression, packages, write=not dry_run)
            else:
                use = Use.LOCKED if check else Use.RENEW
                made = pipeline.resolve(opened, loaded, use, compression, write=not dry_run)
            if made != before and not dry_run:
                # A lock that stays as it is is judged without the network, and was told of when it was made.
                work.warn(session, pipeline.doubts(opened, loaded, made))
            write("\n".join(_moved(before, made)) if dry_run else file.path)


def _taken_apart(upgrades: Sequence[str], specs: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The packages, and the specs with those that stood behind a bare `--upgrade`: they are there, or have a slash."""
    if not all(item.strip() for item in upgrades):
        raise UsageError("--upgrade names no package", hint="name one, or write `--upgrade` alone to take everything")
    named = [item for item in upgrades if item not in _EVERYTHING]
    found = [item for item in named if os.path.isfile(options.spec_path(item)) or "/" in item]
    packages = tuple(item for item in named if item not in found)
    if not found:
        return packages, tuple(specs)
    given = () if tuple(specs) == (options.spec_path("."),) else tuple(specs)
    return packages, tuple(dict.fromkeys((*map(options.spec_path, found), *given)))


def _moved(before: Lock | None, made: Lock) -> list[str]:
    from imagekit.lock_changes import moved_packages

    rows = moved_packages(before, made)
    return [f"{row.architecture} {row.name}: {row.locked} → {row.now}" for row in rows] or ["no package would change"]
