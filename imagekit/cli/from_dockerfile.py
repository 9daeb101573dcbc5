"""A spec out of a Dockerfile: reading it and its context, seeing that the spec is valid, writing it."""

from __future__ import annotations

import os
from datetime import date
from typing import Final

from imagekit import base, datafile, language
from imagekit.cli.examples import name_for
from imagekit.cli.options import SPEC_FILE
from imagekit.dockerfile.convert import convert
from imagekit.dockerfile.recipe import Left, Recipe
from imagekit.dockerfile.surroundings import Compiled, Kind, Surroundings, System
from imagekit.dockerfile.syntax import MAX_BYTES, parse
from imagekit.errors import Bug, InvalidFile, InvalidSpec
from imagekit.findings import Finding, errors
from imagekit.gather import regular
from imagekit.project import Project
from imagekit.spec import merge
from imagekit.spec.node import dotted, walk
from imagekit.spec.render import to_yaml
from imagekit.store import atomic
from imagekit.values import dataclass

_IGNORE: Final = ".dockerignore"
#: How often what the spec's rules refuse is taken out again.
_MOST: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversion:
    """The spec's text, files that the Dockerfile holds itself, and what could not be taken over, by line."""

    spec: str
    texts: dict[str, str]
    left: tuple[Left, ...]

    def write(self, folder: str, *, overwrite: bool) -> tuple[str, ...]:
        """Write all of it, or nothing; returns the paths. Raises InvalidFile for what is in the way, and OSError."""
        target = os.path.join(folder, SPEC_FILE)
        if os.path.isdir(target):
            raise InvalidFile(f"{target} is no file", hint="rename the folder, or name another one with --directory")
        there = [name for name in self.texts if os.path.lexists(os.path.join(folder, name))]
        if there or (os.path.lexists(target) and not overwrite):
            raise InvalidFile(
                f"already in {'this folder' if folder == '.' else folder}: {', '.join(there or [SPEC_FILE])}",
                hint="--overwrite replaces a runtime.yaml; --directory names another folder"
                if not there
                else "the Dockerfile holds a text of this name: rename the file, or the text",
            )
        written: list[str] = []
        try:
            for name, text in {**self.texts, SPEC_FILE: self.spec}.items():
                path = os.path.abspath(os.path.join(folder, name))
                atomic.write(path, text.encode("utf-8"))
                written.append(path)
        except BaseException:
            for path in written:  # the spec is the last one, so these are all new
                atomic.remove(path)
            raise
        return tuple(os.path.join(folder, name) for name in (*self.texts, SPEC_FILE))


def read(path: str, folder: str, today: date) -> Conversion:
    """The Dockerfile at `path` with `folder` as its context; raises InvalidFile."""
    try:
        data = regular.read(path, MAX_BYTES + 1)
    except OSError as error:
        raise InvalidFile(f"{path} cannot be read: {error.strerror}", hint="name a Dockerfile with --from") from error
    recipe = convert(parse(data, os.path.normpath(path)), name_for(folder, "function"), _surroundings(folder))
    text = _valid(recipe, folder, today)
    return Conversion(spec=text, texts=dict(recipe.texts), left=tuple(sorted(recipe.left, key=lambda one: one.line)))


def _valid(recipe: Recipe, folder: str, today: date) -> str:
    """The spec's text, less what its rules refuse."""
    for _ in range(_MOST):
        text = to_yaml(recipe.node())
        try:
            Project.load(os.path.join(folder, SPEC_FILE), lambda _, text=text: text.encode("utf-8"), today=today)  # type: ignore[misc]
        except InvalidSpec as error:
            _take_out(recipe, error.findings, text)
        else:
            return text
    raise Bug("a spec out of a Dockerfile is refused whatever is taken out of it")


def _take_out(recipe: Recipe, findings: tuple[Finding, ...], text: str) -> None:
    for finding in errors(findings):
        path = _path(finding, text)
        line = recipe.line_of(path)
        if not recipe.without(path):
            raise Bug(f"a spec out of a Dockerfile is not valid: {finding}\n{text}")
        recipe.leave(line, f"{path}: {finding.message}", finding.hint or "say it in the spec in another way")
        return


def _path(finding: Finding, text: str) -> str:
    """The dotted path of the value that a finding is about: the deepest one in its line."""
    node = merge.read(SPEC_FILE, lambda _: text.encode("utf-8")).node
    line = finding.place.line if finding.place else 0
    found = [path for path, key, value in walk(node) if path and line in {key.line, value.place.line}]
    return dotted(max(found, key=len, default=()))


def _surroundings(folder: str) -> Surroundings:
    systems = [(name, datafile.read(path)) for name, path in base.known().items()]
    known = [System.from_mapping(name, document) for name, document in systems if "package_manager" in document]
    ends = {name: str(document.get("lifecycle", {}).get("end_of_life", "")) for name, document in systems}
    documents = {name: datafile.read(path) for name, path in language.known().items()}
    return Surroundings(
        systems=tuple(sorted(known, key=lambda one: ends[one.name], reverse=True)),
        languages=tuple(Compiled.from_mapping(name, document) for name, document in documents.items()),
        any_language=next(name for name, document in documents.items() if not _knows(document)),
        kind=lambda path: _kind(os.path.join(folder, path)),
        ignored=_ignored(folder),
    )


def _knows(document: dict[str, object]) -> bool:
    """False for the language that brings nothing: any program is one of it."""
    return bool({"worker", "build", "archives"} & document.keys())


def _kind(path: str) -> Kind:
    return Kind.FOLDER if os.path.isdir(path) else Kind.FILE if os.path.isfile(path) else Kind.NONE


def _ignored(folder: str) -> tuple[str, ...]:
    try:
        data = regular.read(os.path.join(folder, _IGNORE), MAX_BYTES)
        return tuple(line.strip() for line in data.decode("utf-8-sig").splitlines() if line.strip())
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFile(f"{_IGNORE} cannot be read: {error}", hint="correct or remove it") from error
