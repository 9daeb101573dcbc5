"""The one table of the architectures' names; nothing else spells them."""

from __future__ import annotations

from collections.abc import Iterable

from imagekit.errors import UsageError
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """One processor architecture by all its names: Lambda's (`name`), OCI's, RPM's, ELF's machine number, uname's."""

    name: str
    oci: str
    rpm: str
    elf_machine: int
    spellings: tuple[str, ...]

    @property
    def platform(self) -> str:
        """As `--platform` and the OCI specifications write it."""
        return f"linux/{self.oci}"

    def __str__(self) -> str:
        return self.name


X86_64 = Architecture(name="x86_64", oci="amd64", rpm="x86_64", elf_machine=62, spellings=("x64",))
ARM64 = Architecture(name="arm64", oci="arm64", rpm="aarch64", elf_machine=183, spellings=("arm64/v8",))

#: In the order in which everything is listed.
ARCHITECTURES: tuple[Architecture, ...] = (X86_64, ARM64)


def by_name(name: str) -> Architecture:
    """The architecture with Lambda's name `name`; raises KeyError."""
    return {item.name: item for item in ARCHITECTURES}[name]


def by_oci(name: str) -> Architecture:
    """The architecture with OCI's name `name`; raises KeyError."""
    return {item.oci: item for item in ARCHITECTURES}[name]


def among(names: Iterable[str]) -> tuple[Architecture, ...]:
    """The architectures with these names, each once, in the order of the table."""
    wanted = frozenset(names)
    return tuple(item for item in ARCHITECTURES if item.name in wanted)


def from_text(text: str) -> Architecture:
    """What a person may write for a platform: `linux/arm64`, `arm64`, `aarch64`, `amd64`, `x86_64` …"""
    word = text.strip().lower().removeprefix("linux/")
    for item in ARCHITECTURES:
        if word in {item.name, item.oci, item.rpm, *item.spellings}:
            return item
    known = ", ".join(item.platform for item in ARCHITECTURES)
    raise UsageError(f"unknown platform {text!r}", hint=f"use one of {known}")
