"""Gitignore patterns that choose among files (gitignore(5)); the matching itself is pathspec's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from imagekit.errors import InvalidFile
from imagekit.values import dataclass

#: A folder's patterns of what never goes into an image; beside `exclude`, and below it in no way different.
IGNORE_FILE: Final = ".imagekitignore"
_MAX_PATTERNS: Final = 10_000

_Match = Callable[[str], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class IgnoreFile:
    """The lines of one `.imagekitignore`; `prefix` is the way from its folder to the scanned one, `""` or `a/b/`."""

    path: str
    prefix: str
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Patterns:
    """`include`: only what matches; `exclude`: not what matches. Both as in a `.gitignore` at the folder's top."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def matcher(self, ignore_files: Iterable[IgnoreFile] = ()) -> Matcher | None:
        """The patterns ready to use, None when there are none; raises InvalidFile for one that is no pattern."""
        outs = [(file.prefix, _compiled(file.lines, file.path)) for file in ignore_files if file.lines]
        if self.exclude:
            outs.append(("", _compiled(self.exclude, "exclude")))
        include = _compiled(self.include, "include") if self.include else None
        return Matcher(include=include, outs=tuple(outs)) if include or outs else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Matcher:
    """Judges paths relative to the scanned folder. What is below an excluded directory is never asked for."""

    include: _Match | None
    outs: tuple[tuple[str, _Match], ...]

    def excludes(self, path: str, *, directory: bool = False) -> bool:
        """True when this path, and all below it, stays out."""
        tail = "/" if directory else ""
        return any(match(f"{prefix}{path}{tail}") for prefix, match in self.outs)

    def includes(self, path: str, *, directory: bool = False) -> bool:
        """True when this path itself is wanted; what is below a directory is asked for on its own."""
        return self.include is None or self.include(f"{path}/" if directory else path)


def _compiled(lines: tuple[str, ...], where: str) -> _Match:
    from pathspec import GitIgnoreSpec

    if len(lines) > _MAX_PATTERNS:
        raise InvalidFile(f"{where}: more than {_MAX_PATTERNS} patterns", hint="use fewer, wider patterns")
    try:
        return GitIgnoreSpec.from_lines(lines).match_file
    except ValueError as error:
        raise InvalidFile(
            f"{where}: not a gitignore pattern: {str(error)[:200]}", hint="patterns follow gitignore(5)"
        ) from error
