"""News: newer versions of packages, and the advisories that they answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from imagekit.rpm.evr import Nevra
from imagekit.rpm.updateinfo import Advisory
from imagekit.values import dataclass

#: Severities from the least to the worst; what has none, or another, is below all of them.
SEVERITIES: Final = ("low", "medium", "important", "critical")
#: What others call them.
_ALSO: Final = {"moderate": "medium", "high": "important"}


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """A package of which there is a newer version; `in_base` when the base brought it, else the lock holds it."""

    architecture: str
    had: Nevra
    now: Nevra
    in_base: bool
    advisories: tuple[Advisory, ...] = ()

    @property
    def name(self) -> str:
        """The package's name."""
        return self.had.name

    @property
    def remedy(self) -> str:
        """What brings the newer version in: a line of the spec, or a command."""
        return f"upgrade: [{self.name}]" if self.in_base else f"imagekit lock --upgrade={self.name}"

    def is_as_bad_as(self, severity: str) -> bool:
        """True when an advisory for security has at least this severity."""
        least = SEVERITIES.index(severity)
        return any(item.is_security and _rank(item.severity) >= least for item in self.advisories)

    def to_mapping(self) -> dict[str, Any]:
        """For machines."""
        return {
            "architecture": self.architecture,
            "name": self.name,
            "locked": str(self.had.evr),
            "now": str(self.now.evr),
            "in_base": self.in_base,
            "remedy": self.remedy,
            "advisories": [
                {
                    "id": item.id,
                    "type": item.type,
                    "severity": item.severity,
                    "issued": item.issued,
                    "cves": list(item.cves),
                }
                for item in self.advisories
            ],
        }


def news(
    pairs: Iterable[tuple[Nevra, Nevra]], advisories: Iterable[Advisory], architecture: str, *, in_base: bool
) -> Iterator[News]:
    """What is newer, each with the advisories between the old version and the new one."""
    known = tuple(advisories)
    for had, now in pairs:
        yield News(
            architecture=architecture,
            had=had,
            now=now,
            in_base=in_base,
            advisories=tuple(item for item in known if _answers(item, had, now)),
        )


def _answers(advisory: Advisory, had: Nevra, now: Nevra) -> bool:
    return any(
        (item.name, item.arch) in {(had.name, had.arch), (now.name, now.arch)} and had.evr < item.evr <= now.evr
        for item in advisory.packages
    )


def _rank(severity: str) -> int:
    word = severity.lower()
    word = _ALSO.get(word, word)
    return SEVERITIES.index(word) if word in SEVERITIES else -1
