"""How Lambda starts the image: a program of the spec's own or of another image, or the embedded runtime client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Final, TypeAlias

from imagekit.findings import Place
from imagekit.spec.by_architecture import PerArchitecture
from imagekit.values import dataclass


class Mode(StrEnum):
    """What the runtime client does with a command (docs/runtime-client.md, "bootstrap.conf")."""

    WORKER = "worker"
    PER_EVENT = "per_event"
    COMMAND = "command"


#: The keys of `bootstrap` of which a spec names one.
FORMS: Final = ("path", *Mode, "image")
#: What Lambda starts (LAMBDA_RUNTIME_DIR).
STARTED: Final = "/var/runtime/bootstrap"
#: The runtime client's settings, with the forms that they make sense for.
SETTINGS: Final[Mapping[str, tuple[Mode, ...]]] = {
    "channel": (Mode.WORKER,),
    "max_workers": (Mode.WORKER, Mode.PER_EVENT),
    "deadline_margin": (Mode.WORKER, Mode.PER_EVENT),
    "shutdown": (Mode.WORKER, Mode.PER_EVENT),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """An executable below `root` that speaks the Runtime API itself."""

    path: PerArchitecture
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """The embedded runtime client in front of a command inside the image; no command stands for the language's worker.

    `settings` are lines of `bootstrap.conf`; `environment` is what the command sees unless the image says otherwise.
    """

    mode: Mode = Mode.WORKER
    command: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Brought:
    """What starts, with all that it needs, out of a third party's image: `paths`, which stay where they are there."""

    image: PerArchitecture
    paths: tuple[str, ...]
    place: Place | None = field(default=None, compare=False)


Bootstrap: TypeAlias = Program | Client | Brought


def from_document(value: Mapping[str, Any], place: Place | None) -> Bootstrap:
    """From a mapping that the schema's `bootstrap`, and the rules, have accepted."""
    if "path" in value:
        return Program(path=PerArchitecture.from_document(value["path"]), place=place)
    if "image" in value:
        return Brought(image=PerArchitecture.from_document(value["image"]), paths=tuple(value["paths"]), place=place)
    mode = next((mode for mode in Mode if mode in value), Mode.WORKER)
    settings = {name: str(value[name]) for name in SETTINGS if name in value}
    return Client(mode=mode, command=tuple(value.get(mode, ())), settings=settings, place=place)
