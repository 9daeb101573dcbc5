"""What was said of packages while their layer was made: it is kept beside the layer, and told whenever it is used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, Self

from imagekit.engines.codes import LEFT_OUT, OUT_OF_REACH
from imagekit.findings import CODES, Finding, Place, Severity
from imagekit.oci import canonical
from imagekit.values import dataclass

_MAX_LINES: Final = 1000
_HINTS: Final = {OUT_OF_REACH: "put what the function needs of them in place with `files`, where everybody can read it"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """Sentences with the codes of their findings, in the order in which they were said."""

    lines: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_record(cls, record: bytes) -> Self:
        """Out of a cache; a record that is none says nothing."""
        try:
            lines = [(str(code), str(text)) for code, text in json.loads(record)[:_MAX_LINES]]
        except (ValueError, TypeError):
            return cls()
        # A registry's layers may come with sentences of somebody else's.
        return cls(lines=tuple(line for line in lines if line[0] in CODES and line[1].isprintable()))

    @property
    def record(self) -> bytes:
        """As it is kept."""
        return canonical.to_bytes([list(line) for line in self.lines])

    def findings(self, place: Place | None) -> tuple[Finding, ...]:
        """The sentences as warnings."""
        return tuple(
            Finding(code=code, severity=Severity.WARNING, message=text, hint=_HINTS.get(code, ""), place=place)
            for code, text in self.lines
        )


class Saying:
    """Collects what is said; an engine's `warn`."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []

    def __call__(self, text: str, code: str = LEFT_OUT, /) -> None:
        """One sentence."""
        self._lines.append((code, text))

    @property
    def said(self) -> Said:
        """All of it, each once."""
        return Said(lines=tuple(dict.fromkeys(self._lines)))


def together(said: Sequence[tuple[Said, Place | None]]) -> tuple[Finding, ...]:
    """The warnings of several layers, each once."""
    return tuple(dict.fromkeys(finding for one, place in said for finding in one.findings(place)))
