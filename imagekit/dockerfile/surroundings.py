"""What a Dockerfile is read against: the systems and languages that there are, and the folder that is its context."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final, Self

from imagekit.values import dataclass

_DIGEST: Final = re.compile(r"@sha256:[0-9a-f]{64}")
_TAG: Final = re.compile(r":[\w][\w.-]*$")


class Kind(StrEnum):
    """What a path of the context is; `NONE` is not there."""

    FILE = "file"
    FOLDER = "folder"
    NONE = ""


class Form(StrEnum):
    """What an image has beside its system: nothing that starts, an entrypoint, or a whole runtime."""

    PLAIN = "plain"
    PROVIDED = "provided"
    RUNTIME = "runtime"


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """An operating system: its own base, patterns of the images that are built on it, its well-known folders."""

    name: str
    reference: str
    images: tuple[str, ...] = ()
    plain_images: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, name: str, document: Mapping[str, Any]) -> Self:
        """Out of `base.yaml`."""
        return cls(
            name=name,
            reference=str(document.get("reference", "")),
            images=tuple(document.get("images", ())),
            plain_images=tuple(document.get("plain_images", ())),
            directories=tuple(document.get("directories", ())),
        )

    def form(self, image: str) -> Form | None:
        """What an image of this system is; None for one that is not known to be of it."""
        tagged = _DIGEST.sub("", image)
        tagged = tagged if _TAG.search(tagged) else f"{tagged}:latest"
        if any(fnmatchcase(tagged, pattern) for pattern in self.plain_images):
            return Form.PLAIN
        if not any(fnmatchcase(tagged, pattern) for pattern in self.images):
            return None
        own = posixpath.basename(repository(self.reference))
        last = posixpath.basename(repository(image))
        return Form.PROVIDED if last == own or last.endswith(f"-{own}") else Form.RUNTIME


@dataclass(frozen=True, kw_only=True, slots=True)
class Compiled:
    """A language that is compiled ahead of time: the images that people do it in, what its build makes, and whether
    that is for any architecture on any machine.
    """

    name: str
    title: str
    builders: tuple[str, ...]
    bootstrap: str
    cross: bool

    @classmethod
    def from_mapping(cls, name: str, document: Mapping[str, Any]) -> Self:
        """Out of `language.yaml`."""
        return cls(
            name=name,
            title=str(document["title"]),
            builders=tuple(document.get("builders", ())),
            bootstrap=str(document.get("bootstrap", "")),
            cross=document.get("cross", "true") == "true",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """`systems`, the newest first; `any_language` is the name of the one that nothing is known of.

    `kind` looks at a path of the context; `ignored` are the lines of its .dockerignore.
    """

    systems: tuple[System, ...]
    languages: tuple[Compiled, ...]
    any_language: str
    kind: Callable[[str], Kind]
    ignored: tuple[str, ...] = ()

    def system(self, image: str) -> tuple[System, Form | None]:
        """The system of an image, and what the image is; the newest one, and None, where it is not known."""
        for system in self.systems:
            if form := system.form(image):
                return system, form
        return self.systems[0], None

    def compiled(self, image: str) -> Compiled | None:
        """The language that an image is for compiling."""
        name = repository(image)
        return next((one for one in self.languages if any(fnmatchcase(name, it) for it in one.builders)), None)

    def excluded(self, source: str) -> tuple[str, ...]:
        """The patterns of .dockerignore for a folder of the context, as a .gitignore in it would have them."""
        return tuple(_excluded(self.ignored, source))

    @property
    def is_plainly_ignored(self) -> bool:
        """False where .dockerignore takes back what lies deeper than a gitignore pattern can."""
        return not any(line.startswith("!") and "/" in line.strip("!/") for line in self.ignored)


def _excluded(lines: Sequence[str], source: str) -> Iterator[str]:
    for line in lines:
        mark, pattern = ("!", line[1:]) if line.startswith("!") else ("", line)
        pattern = pattern.strip().removeprefix("./").strip("/")
        if not pattern or line.startswith("#"):
            continue
        if pattern.startswith("**"):
            yield f"{mark}{pattern}"
        elif source == ".":
            yield f"{mark}/{pattern}"
        elif pattern.startswith(f"{source}/"):
            yield f"{mark}/{pattern.removeprefix(f'{source}/')}"


def repository(image: str) -> str:
    """An image's name without digest and tag."""
    return _TAG.sub("", _DIGEST.sub("", image))
