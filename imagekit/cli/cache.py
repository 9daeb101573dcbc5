"""`imagekit cache`: what it holds, where it is, and making it smaller."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import click

from imagekit.cli.frame import group, option, pass_session
from imagekit.cli.options import as_json
from imagekit.cli.progress import amount
from imagekit.cli.session import Session, write, write_json
from imagekit.errors import UsageError

if TYPE_CHECKING:
    from imagekit.store.prune import Usage

#: Seconds.
_TIMES: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
#: Bytes; SI and binary units, as people write them.
_SIZES: Final = {
    **{"": 1, "B": 1, "K": 10**3, "KB": 10**3, "M": 10**6, "MB": 10**6, "G": 10**9, "GB": 10**9, "T": 10**12},
    **{"TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40},
}


@group("cache", invoke_without_command=True)
@click.pass_context
def cache(context: click.Context) -> None:
    """Look after the cache. All that is in it can be made again."""
    if context.invoked_subcommand is None:
        context.invoke(size)


@cache.command("folder")
@pass_session
def folder(session: Session) -> None:
    """Print where the cache is, for CI to keep between runs."""
    write(session.cache().folder)


@cache.command("size")
@as_json
@pass_session
def size(session: Session, as_json: bool = False) -> None:
    """Print how much the cache holds."""
    kept = session.cache()
    usage = kept.size()
    if as_json:
        write_json({"folder": kept.folder, "files": usage.files, "bytes": usage.size})
    else:
        write(f"{kept.folder}: {_told(usage)}")


@cache.command("prune")
@option(
    "--older-than", metavar="AGE", default="30d", show_default=True,
    help="Remove what was last used longer ago: 12h, 30d, 4w; 0 for all.",
)  # fmt: skip
@option("--max-size", metavar="SIZE", help="Then remove the oldest until no more is left: 500MB, 5GB.")
@as_json
@pass_session
def prune(session: Session, older_than: str, max_size: str | None, as_json: bool) -> None:
    """Remove what was not used for long. What another imagekit may be using stays."""
    bound = None if max_size is None else _bytes(max_size)
    removed = session.cache().prune(older_than=_seconds(older_than), max_size=bound)
    if as_json:
        write_json({"removed": {"files": removed.files, "bytes": removed.size}})
    else:
        write(f"removed {_told(removed)}")


def _told(usage: Usage) -> str:
    return f"{amount(usage.size)} in {usage.files} file{'s' if usage.files != 1 else ''}"


def _seconds(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,9})([smhdw]?)", text.strip().lower())
    if match is None or (not match[2] and int(match[1])):
        raise UsageError(f"--older-than takes an age, not {text!r}", hint="write 12h, 30d or 4w")
    return int(match[1]) * _TIMES.get(match[2], 1)


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([A-Z]*)", text.strip().upper())
    if match is None or match[2] not in _SIZES:
        raise UsageError(f"--max-size takes a size, not {text!r}", hint="write 500MB, 5GB or 2GiB")
    return int(float(match[1]) * _SIZES[match[2]])
