"""A spec that may still have problems, as rules look at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from imagekit.architecture import ARCHITECTURES
from imagekit.findings import Finding, Place, Severity
from imagekit.spec import placeholders, syntax
from imagekit.spec.bootstrap import FORMS
from imagekit.spec.known import LanguageWords
from imagekit.spec.node import Path
from imagekit.spec.secret import hidden
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A spec that may still have problems.

    `places` and `keys` are where values and their keys stand, by path; `refused` are the paths that the schema did not
    take, which are in neither. `language` is None when it is unknown.
    """

    document: Mapping[str, Any]
    places: Mapping[Path, Place]
    keys: Mapping[Path, Place]
    refused: frozenset[Path]
    language: LanguageWords | None

    def wrote(self, *path: str | int) -> bool:
        """True when somebody wrote something there, whether the schema took it or not."""
        return path in self.places or path in self.refused

    def find(self, code: str, path: Path, message: str, hint: str) -> Finding:
        """A finding of severity error at the value that `path` leads to."""
        return Finding(code=code, message=message, place=self.places.get(path), hint=hint)

    def items(self, key: str) -> Iterator[tuple[Path, Any]]:
        """What stands under `key`: the items of a list, or the one that stands for a list of one."""
        value = self.document.get(key)
        if isinstance(value, list):
            yield from (((key, index), item) for index, item in enumerate(value) if item is not None)
        elif value is not None:
            yield (key,), value

    def architectures(self) -> tuple[str, ...]:
        """The names of the spec's architectures."""
        named = self.document.get("architectures") or (one.name for one in ARCHITECTURES)
        return tuple(name for name in dict.fromkeys(named) if name)

    def words(self) -> tuple[str, ...]:
        """The placeholders that this spec may use."""
        added = self.language.words if self.language else ()
        return (*placeholders.KNOWN, *added)

    def sample(self, text: str) -> str | None:
        """The text as far as it is known without an architecture; None when its braces are wrong."""
        known = {key: self.document[key] for key in ("version", "name") if key in self.document}
        return placeholders.sample(text, known)


def values(path: Path, value: Any) -> Iterator[tuple[Path, str]]:
    """The texts of a value that may be a mapping by architecture, or a list."""
    match value:
        case str():
            yield path, value
        case dict():
            yield from (((*path, key), text) for key, text in value.items())
        case list():
            yield from (((*path, index), text) for index, text in enumerate(value) if text is not None)
        case _:
            return


def under(draft: Draft, key: str, *names: str) -> Iterator[tuple[Path, str]]:
    """The texts under `names` of every item of `key`."""
    for path, item in draft.items(key):
        for name in names:
            yield from values((*path, name), item.get(name) if isinstance(item, dict) else None)


def templates(draft: Draft) -> Iterator[tuple[Path, str]]:
    """Every text that may hold placeholders, but for those of `environment`, `repositories` and `push`."""
    yield from values(("base",), draft.document.get("base"))
    yield from under(draft, "bootstrap", *FORMS, "paths")
    yield from under(draft, "build", "in", "outputs")
    yield from under(draft, "archives", "source", "target")
    yield from under(draft, "files", "image", "source", "target", "include", "exclude")


def repository_urls(draft: Draft) -> Iterator[tuple[Path, str]]:
    """The URLs of package repositories."""
    yield from under(draft, "repositories", "baseurl", "mirrorlist")


def tags(draft: Draft) -> Iterator[tuple[Path, str]]:
    """The texts under `push.tags`."""
    yield from under(draft, "push", "tags")


def placed(problem: syntax.Problem, place: Place | None, text: str = "") -> Finding:
    """A problem of a single value, `text`, as a finding; a line that shows its credentials is left out."""
    code, message, hint = problem
    if code == "IK0109" and place and not hidden(text, place.excerpt):
        place = replace(place, excerpt="")
    return Finding(code=code, message=message, place=place, hint=hint)


def warning(code: str, place: Place | None, message: str, hint: str) -> Finding:
    """A finding of severity warning."""
    return Finding(code=code, message=message, severity=Severity.WARNING, place=place, hint=hint)
