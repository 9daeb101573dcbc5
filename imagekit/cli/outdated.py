"""`imagekit outdated`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from imagekit.cli import options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session, write, write_json
from imagekit.errors import StaleLock
from imagekit.news import SEVERITIES

if TYPE_CHECKING:
    from imagekit import pipeline
    from imagekit.lock_changes import Change
    from imagekit.news import News


@command("outdated")
@options.specs
@option("--exit-code", is_flag=True, help="Exit with 1 when something is outdated.")
@option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    help="Exit with 1 for security advisories of this severity or a worse one; looks at the base's packages too.",
)
@options.as_json
@options.overrides
@pass_session
def outdated(
    session: Session,
    specs: Sequence[str],
    *,
    exit_code: bool,
    fail_on: str | None,
    as_json: bool,
    overrides: Sequence[str],
) -> None:
    """Say what `lock --upgrade` would change: moved tags, archives with other bytes, newer packages.

    Packages come with the advisories that the newer version answers. The base's own are looked at where a spec asks
    for packages, and with --fail-on. Nothing is written.
    """
    from imagekit.cli import fleet

    run = fleet.over(
        session, specs, lambda opened, spec: _found(session, opened, spec, overrides, all_bases=fail_on is not None)
    )
    rows: list[dict[str, Any]] = []
    for spec, (moved, news) in run.done.items():
        rows += [{"spec": spec, **item.to_mapping()} for item in moved]
        rows += [{"spec": spec, **item.to_mapping()} for item in news]
    if as_json:
        write_json(rows)
    else:
        for row in rows:
            write(_line(row))
    run.finish(lambda found: f"{len(found[0]) + len(found[1])} outdated")
    if not rows:
        session.say("nothing is outdated")
        return
    everything = [item for _, news in run.done.values() for item in news]
    _say_what_to_do(session, everything)
    bad = [item for item in everything if fail_on and item.is_as_bad_as(fail_on)]
    if bad:
        names = ", ".join(dict.fromkeys(item.name for item in bad))
        raise StaleLock(
            f"advisories of severity {fail_on} or worse: {names}",
            hint=" and ".join(dict.fromkeys(item.remedy for item in bad)),
        )
    if exit_code:
        number = f"{len(rows)} locked inputs are" if len(rows) > 1 else "a locked input is"
        raise StaleLock(f"{number} outdated", hint="`imagekit lock --upgrade` takes over what is there now")


def _found(
    session: Session, opened: pipeline.Session, spec: str, overrides: Sequence[str], *, all_bases: bool
) -> tuple[tuple[Change, ...], tuple[News, ...]]:
    from imagekit import locking
    from imagekit.cli import work
    from imagekit.lock_changes import changes

    loaded = work.load(session, opened, spec, overrides)
    known = locking.lock_file(loaded).read()
    if known is None:
        raise StaleLock(f"{spec} has no lock", hint="`imagekit lock` writes one")
    now = locking.fresh(opened, loaded)
    return changes(known, now), locking.news(opened, loaded, known, now, all_bases=all_bases)


def _line(row: dict[str, Any]) -> str:
    """One thing as a person reads it."""
    text = f"{row['spec']}: {row['architecture']} {row['name']}: {row['locked']} → {row['now']}"
    for item in row.get("advisories", ()):
        told = ", ".join(filter(None, (item["severity"], *item["cves"])))
        text += f"\n  {item['id']} {item['type']}{f' ({told})' if told else ''}"
    return text


def _say_what_to_do(session: Session, news: Sequence[News]) -> None:
    """The line of the spec that brings the base's packages up to date."""
    names = sorted({item.name for item in news if item.in_base})
    if names:
        session.say(f"`upgrade: [{', '.join(names)}]` in the spec brings the base's packages up to date")
