"""An image config: what a container starts, and the diff IDs of its layers (image-spec, config.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final, Self

from imagekit.errors import RemoteFailed
from imagekit.oci import canonical
from imagekit.oci.canonical import Json
from imagekit.oci.descriptor import text_mapping
from imagekit.oci.digest import Digest
from imagekit.oci.platform import Platform
from imagekit.values import dataclass

#: Fields of `config` that are carried over from a base untouched. `OnBuild`, `Healthcheck`, `Shell` and Docker's
#: ids mean nothing to an image that nobody builds on with a Dockerfile.
_KEPT: Final = ("User", "ExposedPorts", "Volumes", "StopSignal")


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """How a layer came to be; an `empty_layer` entry stands for a change of the config only."""

    created: str = ""
    created_by: str = ""
    comment: str = ""
    author: str = ""
    empty_layer: bool = False

    @classmethod
    def from_mapping(cls, document: Json) -> Self:
        """Out of a foreign config."""
        fields = document if isinstance(document, dict) else {}
        return cls(
            created=str(fields.get("created") or ""),
            created_by=str(fields.get("created_by") or ""),
            comment=str(fields.get("comment") or ""),
            author=str(fields.get("author") or ""),
            empty_layer=fields.get("empty_layer") is True,
        )

    def to_mapping(self) -> dict[str, Json]:
        """As a config holds it; empty fields are left out."""
        fields = {
            "created": self.created,
            "created_by": self.created_by,
            "comment": self.comment,
            "author": self.author,
        }
        document: dict[str, Json] = {key: value for key, value in fields.items() if value}
        return document | {"empty_layer": True} if self.empty_layer else document


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """One platform's config. `environment` keeps the order in which the base declares it."""

    platform: Platform
    diff_ids: tuple[Digest, ...]
    created: str = ""
    author: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_directory: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, Json] = field(default_factory=dict)
    history: tuple[History, ...] = ()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Out of a foreign config of either family; raises RemoteFailed."""
        document = canonical.mapping_from_bytes(data, "the image config")
        inner = document.get("config")
        settings = inner if isinstance(inner, dict) else {}
        return cls(
            platform=Platform.from_mapping(document),
            diff_ids=_diff_ids(document),
            created=str(document.get("created") or ""),
            author=str(document.get("author") or ""),
            environment=_environment(settings.get("Env")),
            entrypoint=_words(settings.get("Entrypoint"), "Entrypoint"),
            command=_words(settings.get("Cmd"), "Cmd"),
            working_directory=str(settings.get("WorkingDir") or ""),
            labels=text_mapping(settings.get("Labels")),
            kept={key: settings[key] for key in _KEPT if settings.get(key)},
            history=tuple(History.from_mapping(item) for item in _list(document.get("history"))),
        )

    def to_bytes(self) -> bytes:
        """The canonical bytes; their digest is the image ID."""
        settings: dict[str, Json] = dict(self.kept)
        settings["Env"] = [f"{name}={value}" for name, value in self.environment.items()]
        settings["Entrypoint"] = list(self.entrypoint)
        settings["Cmd"] = list(self.command)
        settings["WorkingDir"] = self.working_directory
        settings["Labels"] = dict(self.labels)
        document: dict[str, Json] = {
            **self.platform.to_mapping(),
            "config": {key: value for key, value in settings.items() if value},
            "rootfs": {"type": "layers", "diff_ids": [str(item) for item in self.diff_ids]},
            "history": [item.to_mapping() for item in self.history],
        }
        if self.created:
            document["created"] = self.created
        if self.author:
            document["author"] = self.author
        return canonical.to_bytes(document)


def _diff_ids(document: Mapping[str, Json]) -> tuple[Digest, ...]:
    rootfs = document.get("rootfs")
    return tuple(Digest.parse(item) for item in _list(rootfs.get("diff_ids") if isinstance(rootfs, dict) else None))


def _environment(items: Json) -> dict[str, str]:
    pairs = [item.partition("=") for item in _words(items, "Env")]
    return {name: value for name, _, value in pairs if name}


def _words(value: Json, name: str) -> tuple[str, ...]:
    """A list of texts; a config may also say null."""
    items = _list(value)
    if not all(isinstance(item, str) for item in items):
        raise RemoteFailed(f"the image config's {name} is not a list of texts")
    return tuple(items)


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
