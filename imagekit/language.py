"""A language, read from its folder in `languages/`, and what it adds to a spec that leaves things out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any, Final, Self

from imagekit import data, datafile
from imagekit.architecture import Architecture
from imagekit.spec.known import LanguageWords
from imagekit.spec.model import Bootstrap, PerArchitecture, Spec, Step
from imagekit.values import dataclass

_FILE: Final = "language.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A command that a default build needs; `probe` is a shell command that must succeed for the architecture."""

    command: str
    advice: str
    probe: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """One language. `environment` is what its build steps see, `bootstrap` what its default build makes.

    `markers` are file names or patterns that say that a folder is a project of it.
    """

    name: str
    title: str
    systems: tuple[str, ...]
    handler: str = ""
    bootstrap: str = ""
    build: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    placeholders: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    toolchain: tuple[Tool, ...] = ()
    cross: bool = True
    dependency_folders: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, name: str, document: Mapping[str, Any]) -> Self:
        """Out of `language.yaml`; `tests/test_data.py` checks every file against its schema."""
        return cls(
            name=name,
            title=document["title"],
            systems=tuple(document["systems"]),
            handler=document.get("handler", ""),
            bootstrap=document.get("bootstrap", ""),
            build=document.get("build", ""),
            environment=dict(document.get("environment", {})),
            placeholders=dict(document.get("placeholders", {})),
            toolchain=tuple(Tool(**tool) for tool in document.get("toolchain", ())),
            cross=document.get("cross", "true") == "true",
            dependency_folders=tuple(document.get("dependency_folders", ())),
            markers=tuple(document.get("markers", ())),
        )

    def words(self, architecture: Architecture) -> Mapping[str, str]:
        """What the language's placeholders stand for."""
        return {word: values[architecture.name] for word, values in self.placeholders.items()}

    def complete(self, spec: Spec) -> Spec:
        """The spec with the language's defaults where it says nothing.

        A spec that names its bootstrap brings it ready, or says how it is built: no default build runs.
        """
        spec = replace(spec, handler=spec.handler or self.handler)
        if spec.bootstrap or not self.bootstrap:
            return replace(spec, build=spec.build or ())
        place = spec.places.get("language")
        bootstrap = Bootstrap(path=PerArchitecture(text=self.bootstrap), place=place)
        step = Step(run=self.build, place=place)
        return replace(spec, bootstrap=bootstrap, build=(step,) if spec.build is None else spec.build)


class Languages(Mapping[str, LanguageWords]):
    """What each language contributes to the reading of a spec; a language is read only when it is asked for."""

    __slots__ = ("_folders",)

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders

    def __getitem__(self, name: str) -> LanguageWords:
        if name not in self._folders:
            raise KeyError(name)
        found = read(name)
        return LanguageWords(
            words=tuple(found.placeholders),
            handler=bool(found.handler),
            bootstrap=bool(found.bootstrap),
            build=bool(found.build),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._folders)

    def __len__(self) -> int:
        return len(self._folders)


def known() -> Mapping[str, Path]:
    """The folders in `languages/` by name."""
    return data.named(data.languages(), _FILE)


def read(name: str) -> Language:
    """The language with this name, which `known` lists."""
    return Language.from_mapping(name, datafile.read(known()[name]))
