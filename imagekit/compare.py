"""Two images compared by what their documents say: configs, labels, layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from imagekit.look import Seen
from imagekit.values import dataclass

#: Labels that name moments and digests; the layers and the base say what they mean.
_PASSING: Final = ("org.opencontainers.image.created",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One thing that is another in the second image; empty where it is not there at all."""

    what: str
    before: str
    after: str

    def to_mapping(self) -> dict[str, Any]:
        """For machines."""
        return {"what": self.what, "before": self.before, "after": self.after}


def changes(first: Seen, second: Seen) -> tuple[Change, ...]:
    """What differs between two images of one platform."""
    one, other = first.image.config, second.image.config
    return (
        *_of_mappings("variable", one.environment, other.environment),
        *_of("entrypoint", " ".join(one.entrypoint), " ".join(other.entrypoint)),
        *_of("command", " ".join(one.command), " ".join(other.command)),
        *_of("working directory", one.working_directory, other.working_directory),
        *_of_mappings("label", one.labels, other.labels),
        *_of_mappings("layer", _layers(first), _layers(second)),
    )


def _layers(seen: Seen) -> Mapping[str, str]:
    """Each layer's digest and size by what made it; the base's by their number."""
    found: dict[str, str] = {}
    for number, row in enumerate(seen.to_mapping()["layers"], 1):
        name = row["origin"].splitlines()[0][:80] or f"number {number}"
        unique = name if name not in found else f"{name} ({number})"
        found[unique] = f"{row['digest'].removeprefix('sha256:')[:12]}, {row['size']} B"
    return found


def _of_mappings(kind: str, one: Mapping[str, str], other: Mapping[str, str]) -> Iterator[Change]:
    for name in dict.fromkeys((*one, *other)):
        if name not in _PASSING:
            yield from _of(f"{kind} {name}", one.get(name, ""), other.get(name, ""))


def _of(what: str, before: str, after: str) -> Iterator[Change]:
    if before != after:
        yield Change(what=what, before=before, after=after)
