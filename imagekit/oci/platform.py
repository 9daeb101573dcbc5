"""A platform: operating system, architecture and variant (image-spec, image-index.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from imagekit.architecture import Architecture
from imagekit.oci.canonical import Json
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """A platform in normal form: a variant that only names the architecture's default is left out."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def of(cls, architecture: Architecture) -> Self:
        """Linux on this architecture."""
        return cls(os="linux", architecture=architecture.oci)

    @classmethod
    def from_mapping(cls, document: Mapping[str, Json]) -> Self:
        """Out of an index entry or a config; `arm64` is `arm64/v8`, `amd64` is `amd64/v1`."""
        architecture = str(document.get("architecture", ""))
        variant = str(document.get("variant", ""))
        if (architecture, variant) in {("arm64", "v8"), ("amd64", "v1")}:
            variant = ""
        return cls(os=str(document.get("os", "")), architecture=architecture, variant=variant)

    @property
    def is_known(self) -> bool:
        """False for the `unknown/unknown` that build tools give to attestations."""
        return "unknown" not in (self.os, self.architecture)

    def to_mapping(self) -> dict[str, Json]:
        """As the specifications write it."""
        document = {"os": self.os, "architecture": self.architecture}
        return document | {"variant": self.variant} if self.variant else document

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)
