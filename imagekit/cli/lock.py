"""`imagekit lock`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from imagekit.cli import options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session, write
from imagekit.errors import UsageError
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit import pipeline
    from imagekit.lock import Lock
    from imagekit.project import Project

#: What a bare `--upgrade` stands for, and what people write into its variable; no package is called so.
_EVERYTHING: Final = ("*", "1", "true", "yes")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """What is asked for of every lock; `packages` are those to upgrade, () for all, None where nothing is upgraded."""

    packages: tuple[str, ...] | None
    check: bool
    dry_run: bool
    compression: str | None


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
    from imagekit.cli import fleet, work

    if check and (upgrades or dry_run):
        raise UsageError("--check only judges the lock", hint="`imagekit outdated --exit-code` looks for what is newer")
    packages, specs = _taken_apart(upgrades, specs)

    def one(opened: pipeline.Session, spec: str) -> str:
        found = _locked(session, opened, work.load(session, opened, spec, overrides), wanted)
        write(found)
        return found

    wanted = _Wanted(packages=packages if upgrades else None, check=check, dry_run=dry_run, compression=compression)
    fleet.over(session, specs, one).finish(lambda found: "" if dry_run else found)


def _locked(session: Session, opened: pipeline.Session, work: Project, wanted: _Wanted) -> str:
    """One spec's lock; what is printed of it."""
    from imagekit import locking, pipeline
    from imagekit.cli.work import warn
    from imagekit.lockfile import Use

    file = locking.lock_file(work)
    before = file.read()
    if wanted.packages is not None:
        made = locking.upgrade(opened, work, wanted.compression, wanted.packages, write=not wanted.dry_run)
    else:
        use = Use.LOCKED if wanted.check else Use.RENEW
        made = pipeline.resolve(opened, work, use, wanted.compression, write=not wanted.dry_run)
    if made != before and not wanted.dry_run:
        # A lock that stays as it is is judged without the network, and was told of when it was made.
        warn(session, pipeline.doubts(opened, work, made))
    return "\n".join(_moved(before, made)) if wanted.dry_run else file.path


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
