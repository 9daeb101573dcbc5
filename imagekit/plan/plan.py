"""The plan: everything that will happen for one platform, before it happens, as data.

A layer's key in the cache is the digest of its part of the plan: what it is made of, where that goes, which names of
the base it meets, by which codec. Two platforms with an equal part share the layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagekit.oci import canonical
from imagekit.oci.digest import Digest
from imagekit.plan.parts import UNBUILT, FilesPart, Part
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerPlan:
    """One layer: its parts in order. `base` is the digest of the base's names that it is written against.

    `is_lowest` is what imagekit itself puts into an empty image: there are no names below that it could meet.
    """

    name: str
    parts: tuple[Part, ...]
    base: Digest
    codec: str
    layer_format: int
    is_lowest: bool = False

    @property
    def is_ready(self) -> bool:
        """False while a part has yet to be built."""
        return not any(isinstance(part, FilesPart) and part.digest is None for part in self.parts)

    @property
    def key(self) -> Digest:
        """The layer's name in the cache."""
        document = {
            "parts": [part.to_mapping() for part in self.parts],
            "base": str(self.base),
            "codec": self.codec,
            "layer_format": self.layer_format,
        }
        return Digest.of(canonical.to_bytes(document))

    @property
    def title(self) -> str:
        """What the history entry and people call it."""
        sources = dict.fromkeys(part.source for part in self.parts if part.source)
        return f"imagekit {self.name}: {', '.join(sources)}"

    def to_mapping(self) -> dict[str, Any]:
        """As `imagekit plan --json` prints it."""
        return {
            "name": self.name,
            "key": str(self.key) if self.is_ready else UNBUILT,
            "parts": [{"source": part.source, **part.to_mapping()} for part in self.parts],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What the image config says beyond the base's: environment is complete, labels are added to the base's."""

    created: str
    environment: Mapping[str, str]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    working_directory: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def to_mapping(self) -> dict[str, Any]:
        """As `imagekit plan --json` prints it."""
        return {
            "created": self.created,
            "environment": dict(self.environment),
            "entrypoint": list(self.entrypoint),
            "command": list(self.command),
            "working_directory": self.working_directory,
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One platform's plan; `base` is the manifest's digest, None for an empty base."""

    architecture: str
    base_reference: str
    base: Digest | None
    layers: tuple[LayerPlan, ...]
    settings: Settings

    def to_mapping(self) -> dict[str, Any]:
        """As `imagekit plan --json` prints it and golden tests compare it."""
        return {
            "architecture": self.architecture,
            "base": {"reference": self.base_reference, "manifest": str(self.base) if self.base else None},
            "layers": [layer.to_mapping() for layer in self.layers],
            "settings": self.settings.to_mapping(),
        }
