"""Versions: epoch, version, release, and the order in which rpm sees them (rpm, rpmio/rpmvercmp.c)."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Final, Self

from imagekit.errors import BuildFailed
from imagekit.values import dataclass

_SEGMENT: Final = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")


@dataclass(frozen=True, kw_only=True, slots=True)
class Evr:
    """A version. `<` and its like are rpm's order, in which `1.0` and `1.00` are the same; `==` compares the text."""

    epoch: int = 0
    version: str
    release: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`[EPOCH:]VERSION[-RELEASE]`; raises BuildFailed for an epoch that is no number."""
        epoch, colon, rest = text.partition(":")
        if not colon:
            epoch, rest = "0", text
        version, _, release = rest.partition("-")
        if not (epoch.isascii() and epoch.isdigit() and len(epoch) <= 10):
            raise BuildFailed(f"{text[:100]!r} is no version", hint="a version is [EPOCH:]VERSION[-RELEASE]")
        return cls(epoch=int(epoch), version=version, release=release)

    def compare(self, other: Evr) -> int:
        """-1, 0 or 1, as this one is older, the same, or newer."""
        if self.epoch != other.epoch:
            return -1 if self.epoch < other.epoch else 1
        return compare(self.version, other.version) or compare(self.release, other.release)

    def __lt__(self, other: Evr) -> bool:
        return self.compare(other) < 0

    def __le__(self, other: Evr) -> bool:
        return self.compare(other) <= 0

    def __gt__(self, other: Evr) -> bool:
        return self.compare(other) > 0

    def __ge__(self, other: Evr) -> bool:
        return self.compare(other) >= 0

    def __str__(self) -> str:
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{epoch}{self.version}{'-' if self.release else ''}{self.release}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Nevra:
    """The name of one build of one package: name, epoch, version, release, architecture."""

    name: str
    evr: Evr
    arch: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """`NAME-[EPOCH:]VERSION-RELEASE.ARCH`; raises BuildFailed for anything else."""
        rest, _, arch = text.rpartition(".")
        name, _, evr = rest.rpartition("-")
        name, _, version = name.rpartition("-")
        if not (name and version and evr and arch):
            raise BuildFailed(
                f"{text[:200]!r} is no package", hint="a package's full name is NAME-[EPOCH:]VERSION-RELEASE.ARCH"
            )
        return cls(name=name, evr=Evr.parse(f"{version}-{evr}"), arch=arch)

    def __str__(self) -> str:
        """As `parse` reads it; the epoch only when it is not zero, and no dot where there is no architecture."""
        return f"{self.name}-{self.evr}{'.' if self.arch else ''}{self.arch}"


def compare(one: str, two: str) -> int:
    """-1, 0 or 1, as a version or release is older than, the same as, or newer than another.

    Runs of digits and of letters are compared one by one, what is between them only separates. `~` makes older than
    the version without it, `^` newer than that and older than all that comes after; digits are newer than letters.
    """
    if one == two:
        return 0
    for left, right in zip_longest(_SEGMENT.findall(one), _SEGMENT.findall(two), fillvalue=""):
        order = _tilde(left, right)
        if order is None:
            order = _caret(left, right)
        if order is None:
            order = _segment(left, right)
        if order:
            return order
    return 0


def _tilde(left: str, right: str) -> int | None:
    """The order where one of them is `~`."""
    if left == right == "~":
        return 0
    return -1 if left == "~" else 1 if right == "~" else None


def _caret(left: str, right: str) -> int | None:
    """The order where one of them is `^`: newer than the end, older than anything else."""
    if "^" not in (left, right):
        return None
    if left == right:
        return 0
    return (-1 if right else 1) if left == "^" else (1 if left else -1)


def _segment(left: str, right: str) -> int:
    """Two runs; numbers by their value, however many digits they have."""
    if not (left and right):
        return 1 if left else -1
    if left[0].isdigit() != right[0].isdigit():
        return 1 if left[0].isdigit() else -1
    if left[0].isdigit():
        left, right = left.lstrip("0"), right.lstrip("0")
        if len(left) != len(right):
            return 1 if len(left) > len(right) else -1
    return (left > right) - (left < right)
