"""A value that may differ between architectures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Self

from imagekit.architecture import Architecture
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PerArchitecture:
    """A text for all architectures, or one by architecture name."""

    text: str | None = None
    by_name: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_document(cls, value: str | Mapping[str, str]) -> Self:
        """From a text, or a mapping by architecture name."""
        return cls(text=value) if isinstance(value, str) else cls(by_name=dict(value))

    def of(self, architecture: Architecture) -> str | None:
        """The text for one architecture; None when it has none."""
        return self.by_name.get(architecture.name, self.text)
