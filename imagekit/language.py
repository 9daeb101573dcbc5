"""A language, read from its folder in `languages/`, and what it adds to a spec that leaves things out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

from imagekit import data, datafile
from imagekit.architecture import Architecture
from imagekit.errors import InvalidSpec
from imagekit.findings import Finding, Place
from imagekit.spec import placeholders
from imagekit.spec.bootstrap import Bootstrap, Client, Mode, Program
from imagekit.spec.by_architecture import PerArchitecture
from imagekit.spec.known import LanguageWords
from imagekit.spec.model import Archive, FromDisk, Kind, Spec, Step
from imagekit.values import dataclass

_FILE: Final = "language.yaml"
#: Where Lambda expects a function's code (LAMBDA_TASK_ROOT).
TASK_ROOT: Final = "/var/task"
#: Where Lambda looks for the program that it starts (LAMBDA_RUNTIME_DIR), and workers are put.
RUNTIME: Final = "/var/runtime"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A command that a default build needs; `probe` is a shell command that must succeed for the architecture."""

    command: str
    advice: str
    probe: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """The language's process behind the runtime client: its command in the image, and the files that imagekit brings.

    `files` are names in the language's folder; `channel` is how the client is connected to it; `header_block` is what
    the length of header lines for it is a multiple of, in bytes; `events` says whether it takes any bytes or text only;
    `environment` is what the process sees unless the image says otherwise.
    """

    command: tuple[str, ...]
    files: Mapping[str, Path] = field(default_factory=dict)
    channel: str = "pipes"
    header_block: str = ""
    events: str = "bytes"
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Mapping[str, str]:
        """The lines of `bootstrap.conf` that say how the client talks to it (docs/runtime-client.md)."""
        block = {"header_block": self.header_block} if self.header_block else {}
        text = {"events": self.events} if self.events != "bytes" else {}
        return {"channel": self.channel, **block, **text}

    def is_started_by(self, command: tuple[str, ...]) -> bool:
        """Whether a command starts it, by whichever interpreter."""
        return any(f"{RUNTIME}/{name}" in command for name in self.files)

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any], folder: Path) -> Self:
        """Out of `language.yaml` in `folder`."""
        return cls(
            command=tuple(document["command"]),
            files={name: folder / name for name in document.get("files", ())},
            channel=document.get("channel", "pipes"),
            header_block=document.get("header_block", ""),
            events=document.get("events", "bytes"),
            environment=dict(document.get("environment", {})),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Unlocked:
    """A file that asks for third-party code without saying which exactly, if the expression `asks` is found in it."""

    file: str
    asks: str
    advice: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependencies:
    """How third-party code is installed that a manifest names: by `run`, into `folder` beside the code.

    `inputs` are the files that `run` reads, patterns among them; `run` is a shell command of the host. `unlocked` is
    what asks for the same without naming it.
    """

    manifest: str
    folder: str
    run: str
    inputs: tuple[str, ...] = ()
    toolchain: tuple[Tool, ...] = ()
    unlocked: Unlocked | None = None

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Self:
        """Out of `language.yaml`."""
        return cls(
            manifest=document["manifest"],
            folder=document["folder"],
            run=document["run"],
            inputs=tuple(document.get("inputs", (document["manifest"],))),
            toolchain=tuple(Tool(**tool) for tool in document.get("toolchain", ())),
            unlocked=Unlocked(**document["unlocked"]) if "unlocked" in document else None,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """One language. `environment` is what its build steps see, `bootstrap` what its default build makes.

    `markers` are file names or patterns that say that a folder is a project of it. `archives` bring its interpreter.
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
    dependencies: tuple[Dependencies, ...] = ()
    archives: tuple[Archive, ...] = ()
    #: The glibc that the archives' programs need, by the version of the language that it begins with.
    glibc: Mapping[str, str] = field(default_factory=dict)
    worker: Worker | None = None
    markers: tuple[str, ...] = ()
    #: Variables that make its interpreter listen for a debugger, with `{port}`.
    debug: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, name: str, document: Mapping[str, Any], folder: Path) -> Self:
        """Out of `language.yaml` in `folder`; `tests/test_data.py` checks every file against its schema."""
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
            dependencies=tuple(map(Dependencies.from_mapping, document.get("dependencies", ()))),
            archives=tuple(map(_archive, document.get("archives", ()))),
            glibc=dict(document.get("glibc", {})),
            worker=Worker.from_mapping(document["worker"], folder) if "worker" in document else None,
            markers=tuple(document.get("markers", ())),
            debug=dict(document.get("debug", {})),
        )

    def words(self, architecture: Architecture) -> Mapping[str, str]:
        """What the language's placeholders stand for."""
        return {word: values[architecture.name] for word, values in self.placeholders.items()}

    def complete(self, spec: Spec) -> Spec:
        """The spec with the language's defaults where it says nothing.

        A spec that names its bootstrap brings it ready, or says how it is built: no default build runs.

        Raises InvalidSpec where a default needs a version and the spec has none.
        """
        spec = replace(
            spec,
            handler=spec.handler or self.handler,
            archives=(*self._interpreter(spec), *(spec.archives or ())),
            files=self._code(spec) if spec.files is None else spec.files,
            default_build=spec.build is None and bool(self.dependencies),
        )
        place = spec.places.get("language")
        if spec.bootstrap is None and self.bootstrap:
            step = Step(run=self.build, place=place)
            bootstrap = Program(path=PerArchitecture(text=self.bootstrap), place=place)
            return replace(spec, bootstrap=bootstrap, build=(step,) if spec.build is None else spec.build)
        return replace(spec, bootstrap=self._start(spec, place), build=spec.build or ())

    def needed_glibc(self, spec: Spec) -> tuple[str, str]:
        """The glibc that the interpreter needs, and since which version of it; empty where the spec brings another."""
        if not (self.glibc and spec.version and self._interpreter(spec)):
            return "", ""
        fitting = [since for since in self.glibc if numbers(since) <= numbers(spec.version)]
        since = max(fitting, key=numbers, default="")
        return self.glibc.get(since, ""), since

    def _start(self, spec: Spec, place: Place | None) -> Bootstrap | None:
        """The bootstrap, with the worker's command where the spec names none, and the channel that it wants."""
        start = spec.bootstrap or Client(place=place)
        if self.worker is None or not isinstance(start, Client) or start.mode is not Mode.WORKER:
            return spec.bootstrap
        if start.command and not self.worker.is_started_by(start.command):
            return spec.bootstrap
        command, settings = start.command or self.worker.command, {**self.worker.settings, **start.settings}
        return replace(start, command=command, settings=settings, environment=self.worker.environment)

    def _interpreter(self, spec: Spec) -> tuple[Archive, ...]:
        """The archives that bring the interpreter, unless the spec says `archives: []` or fills their folder itself."""
        if spec.archives == ():
            return ()
        place = spec.places.get("language")
        filled = {item.target.rstrip("/") for item in (*(spec.archives or ()), *(spec.files or ()))}
        wanted = tuple(replace(item, place=place) for item in self.archives if item.target.rstrip("/") not in filled)
        if spec.version is None and any("version" in placeholders.words(item.source.text or "") for item in wanted):
            raise InvalidSpec((_versionless(self.title, place),))
        return wanted

    def _code(self, spec: Spec) -> tuple[FromDisk, ...] | None:
        """The folder of the spec, which is what an interpreted function without `files` consists of."""
        if self.worker is None or spec.kind is not Kind.FUNCTION:
            return None
        folder = os.path.relpath(spec.folder, spec.root)
        return (FromDisk(source=folder, target=TASK_ROOT, place=spec.places.get("language")),)


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
            bootstrap=bool(found.bootstrap or found.worker),
            build=bool(found.build),
            worker=found.worker is not None,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._folders)

    def __len__(self) -> int:
        return len(self._folders)


@cache
def known() -> Mapping[str, Path]:
    """The folders in `languages/` by name."""
    return data.named(data.languages(), _FILE)


@cache
def read(name: str) -> Language:
    """The language with this name, which `known` lists."""
    path = known()[name]
    return Language.from_mapping(name, datafile.read(path), path.parent)


def _archive(document: Mapping[str, Any]) -> Archive:
    return Archive.from_document({**document, "strip": int(document.get("strip", 0))}, None)


def numbers(version: str) -> tuple[int, ...]:
    """A version as it is compared: the numbers that it begins with."""
    found = re.match(r"[0-9]{1,9}(?:\.[0-9]{1,9})*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _versionless(title: str, place: Place | None) -> Finding:
    return Finding(
        code="IK0102",
        message=f"`version` is missing: {title} comes from an archive that is named by it",
        hint='add the version, for example `version: "1.2.3"`, or bring the interpreter with `archives` or `files`',
        place=place,
    )
