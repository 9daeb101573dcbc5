"""The spec as values: what the user asked for, complete and checked, before anything is resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Final, Self, TypeAlias, TypeVar

from imagekit.architecture import ARCHITECTURES, Architecture, among
from imagekit.findings import Place
from imagekit.spec import bootstrap as start
from imagekit.spec.bootstrap import Bootstrap
from imagekit.spec.by_architecture import PerArchitecture
from imagekit.spec.expectation import Expectation
from imagekit.spec.packages import Packages
from imagekit.values import dataclass

#: A part of a document that the schema has accepted.
Document: TypeAlias = Mapping[str, Any]
#: Where a step runs that is in no image named by the spec.
HOST: Final = "host"
BASE: Final = "base"
_T = TypeVar("_T")


class Kind(StrEnum):
    """What the image is for."""

    FUNCTION = "function"
    RUNTIME = "runtime"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One command of the build. `inputs` is None when nothing was said: then it always runs on the host.

    `where` is HOST, BASE or an image; `packages` and `outputs` are those of a container, where `inputs` are all that
    goes in. `secrets` are names of environment variables, `timeout` is in seconds.
    """

    run: str
    where: str = HOST
    directory: str = "."
    environment: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] | None = None
    packages: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    timeout: int | None = None
    only: tuple[Architecture, ...] = ()
    place: Place | None = field(default=None, compare=False)

    @property
    def is_on_host(self) -> bool:
        """False for a command in a container."""
        return self.where == HOST

    @property
    def image(self) -> str:
        """The image that is named as the place to run in; empty for the host and the base."""
        return "" if self.where in (HOST, BASE) else self.where

    @classmethod
    def from_document(cls, value: str | Document, place: Place | None) -> Self:
        """From a command, or a mapping that the schema's `step` has accepted."""
        step: Document = {"run": value} if isinstance(value, str) else value
        return cls(
            run=step["run"],
            where=step.get("in", HOST),
            directory=step.get("directory", "."),
            environment=dict(step.get("environment", {})),
            inputs=tuple(step["inputs"]) if "inputs" in step else None,
            packages=tuple(step.get("packages", ())),
            outputs=tuple(step.get("outputs", ())),
            secrets=tuple(dict.fromkeys(step.get("secrets", ()))),
            timeout=step.get("timeout"),
            only=among(step.get("only", ())),
            place=place,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """An archive by URL or below `root` that is unpacked into the image, less `strip` leading folders of its names."""

    source: PerArchitecture
    target: str
    strip: int = 0
    sha256: PerArchitecture | None = None
    only: tuple[Architecture, ...] = ()
    place: Place | None = field(default=None, compare=False)

    @classmethod
    def from_document(cls, value: Document, place: Place | None) -> Self:
        """From a mapping that the schema's `archive` has accepted."""
        return cls(
            source=PerArchitecture.from_document(value["source"]),
            target=value["target"],
            strip=value.get("strip", 0),
            sha256=_per_architecture(value.get("sha256")),
            only=among(value.get("only", ())),
            place=place,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class FromDisk:
    """Files from below `root`. `mode` is None or the mode of all of them; no `include` means everything."""

    source: str
    target: str
    mode: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only: tuple[Architecture, ...] = ()
    place: Place | None = field(default=None, compare=False)

    @classmethod
    def from_document(cls, value: Document, place: Place | None) -> Self:
        """From a mapping that the schema's `file` has accepted, without `image`."""
        return cls(source=value["source"], **_taken(value), place=place)


@dataclass(frozen=True, kw_only=True, slots=True)
class FromImage:
    """Files out of another image; `source` is an absolute path in it. The rest is as in FromDisk."""

    image: PerArchitecture
    source: str
    target: str
    mode: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only: tuple[Architecture, ...] = ()
    place: Place | None = field(default=None, compare=False)

    @classmethod
    def from_document(cls, value: Document, place: Place | None) -> Self:
        """From a mapping that the schema's `file` has accepted, with `image`."""
        image = PerArchitecture.from_document(value["image"])
        return cls(image=image, source=value["source"], **_taken(value), place=place)


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """Where the image goes: repositories, and tags for each of them."""

    to: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """What the user asked for. `bootstrap`, `build`, `archives` and `files` are None when not given.

    `default_build` says that the language's own build is the build.

    `path` is the file that was loaded, `folder` where it lies, `sources` all files that were read, base first. `root`
    is a path that was made from the spec file's, without looking at the disk. `places` has every value by its dotted
    path.
    """

    path: str
    folder: str
    kind: Kind
    name: str
    language: str
    version: str | None
    os: str
    base: PerArchitecture | None
    architectures: tuple[Architecture, ...]
    root: str
    handler: str | None
    bootstrap: Bootstrap | None
    build: tuple[Step, ...] | None
    archives: tuple[Archive, ...] | None
    files: tuple[FromDisk | FromImage, ...] | None
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    tests: tuple[Expectation, ...]
    push: Push
    packages: Packages = field(default_factory=Packages)
    sources: tuple[str, ...]
    default_build: bool = False
    places: Mapping[str, Place] = field(compare=False, repr=False)

    @classmethod
    def from_document(
        cls,
        value: Document,
        places: Mapping[str, Place],
        *,
        path: str,
        folder: str,
        root: str,
        sources: tuple[str, ...],
    ) -> Self:
        """From a document that the schema and all rules have accepted."""
        bootstrap, push = value.get("bootstrap"), value.get("push", {})
        return cls(
            path=path,
            folder=folder,
            kind=Kind(value.get("kind", Kind.FUNCTION)),
            name=value["name"],
            language=value["language"],
            version=value.get("version"),
            os=value["os"],
            base=_per_architecture(value.get("base")),
            architectures=among(value.get("architectures", ())) or ARCHITECTURES,
            root=root,
            handler=value.get("handler"),
            bootstrap=bootstrap and start.from_document(bootstrap, places.get("bootstrap")),
            build=_items(value, "build", places, Step.from_document),
            archives=_items(value, "archives", places, Archive.from_document),
            files=_items(value, "files", places, file_from_document),
            environment=dict(value.get("environment", {})),
            labels=dict(value.get("labels", {})),
            tests=_items(value, "tests", places, Expectation.from_document) or (),
            push=Push(to=tuple(push.get("to", ())), tags=tuple(push.get("tags", ()))),
            packages=Packages.from_document(value, places),
            sources=sources,
            places=places,
        )


def file_from_document(value: Document, place: Place | None) -> FromDisk | FromImage:
    """From a mapping that the schema's `file` has accepted."""
    return (FromImage if "image" in value else FromDisk).from_document(value, place)


def _taken(value: Document) -> dict[str, Any]:
    """What files from disk and out of an image have in common."""
    return {
        "target": value["target"],
        "mode": int(value["mode"], 8) if "mode" in value else None,
        "include": tuple(value.get("include", ())),
        "exclude": tuple(value.get("exclude", ())),
        "only": among(value.get("only", ())),
    }


def _per_architecture(value: str | Mapping[str, str] | None) -> PerArchitecture | None:
    return None if value is None else PerArchitecture.from_document(value)


def _items(
    document: Document, key: str, places: Mapping[str, Place], make: Callable[[Any, Place | None], _T]
) -> tuple[_T, ...] | None:
    """The items under `key`, a single one standing for a list of one; None when there is no such key."""
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, list):
        return (make(value, places.get(key)),)
    return tuple(make(item, places.get(f"{key}.{index}")) for index, item in enumerate(value))
