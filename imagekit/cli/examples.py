"""The examples in `specs/`: what there is, and copying one into a folder of the user's."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from imagekit import data, datafile, language
from imagekit.cli.options import SPEC_FILE
from imagekit.errors import InvalidFile
from imagekit.values import dataclass

_NAME: Final = re.compile(r"^name:[ \t]*\S+", re.MULTILINE)
#: Characters of a name (`name` in the schema).
_LONGEST: Final = 63


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One folder. `title` is the first line of its spec; `language` what its spec says."""

    name: str
    folder: Path
    title: str
    language: str

    @classmethod
    def from_folder(cls, name: str, folder: Path) -> Self:
        """The example in a folder."""
        spec = folder / SPEC_FILE
        first = spec.read_text(encoding="utf-8").partition("\n")[0]
        return cls(name=name, folder=folder, title=first.lstrip("# "), language=datafile.read(spec)["language"])

    def files(self) -> tuple[str, ...]:
        """Relative paths of its files, sorted; what its .gitignore names was made by a build."""
        ignore = self.folder / ".gitignore"
        made = {line.strip("/") for line in ignore.read_text().split()} if ignore.is_file() else set()
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        return tuple(sorted(str(path) for path in found if made.isdisjoint(path.parts)))

    def is_for(self, folder: str) -> bool:
        """True when a project of the example's language is in the folder already."""
        markers = datafile.read(language.known()[self.language]).get("markers", ())
        return any(any(Path(folder).glob(marker)) for marker in markers)


def examples() -> Mapping[str, Example]:
    """All examples by name."""
    return {name: Example.from_folder(name, path.parent) for name, path in data.named(data.specs(), SPEC_FILE).items()}


def start(example: Example, folder: str) -> tuple[str, ...]:
    """Copy an example into a folder, or only its spec when the folder holds a project of that language.

    The spec is named after the folder. Returns the paths written. Nothing is overwritten: raises InvalidFile that names
    what is in the way, and OSError; then nothing stays of what was written.
    """
    _check_folder(folder)
    names = (SPEC_FILE,) if example.is_for(folder) else example.files()
    in_the_way = [name for name in names if os.path.lexists(os.path.join(folder, name))]
    if in_the_way:
        raise InvalidFile(
            f"already in {'this folder' if folder == '.' else folder}: {', '.join(in_the_way)}",
            hint="nothing is ever overwritten: name an empty or new folder with --directory",
        )
    written: list[str] = []
    try:
        for name in names:
            _copy(example, name, folder, written)
    except BaseException:
        for path in written:
            with suppress(OSError):  # what cannot be removed is left as it is: the first error is what counts
                os.unlink(path)
        raise
    return tuple(written)


def name_for(folder: str, otherwise: str) -> str:
    """A folder's name as the name of a spec, or another when nothing is left of it."""
    words = re.sub(r"[^a-z0-9]+", "-", os.path.basename(os.path.abspath(folder)).lower())
    return re.sub(r"^[^a-z]+", "", words)[:_LONGEST].strip("-") or otherwise


def fitting(folder: str, among: Mapping[str, Example]) -> Iterator[Example]:
    """The examples for the project that a folder holds."""
    return (example for example in among.values() if example.is_for(folder))


def _check_folder(folder: str) -> None:
    """Raise InvalidFile where a file is in the way of the folder, or of one above it."""
    above = os.path.abspath(folder)
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if not os.path.isdir(above):
        raise InvalidFile(f"{above} is no folder", hint="name a folder, or a new one, with --directory")


def _copy(example: Example, name: str, folder: str, written: list[str]) -> None:
    """Copy one file and note it in `written` as soon as it is there; one that another made meanwhile is no one's."""
    source, target = example.folder / name, os.path.join(folder, name)
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    content = source.read_bytes()
    if name == SPEC_FILE:
        text = _NAME.sub(f"name: {name_for(folder, example.name)}", content.decode("utf-8"), count=1)
        content = text.encode("utf-8")
    with open(target, "xb") as file:
        written.append(target)
        file.write(content)
    shutil.copymode(source, target)
