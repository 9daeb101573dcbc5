"""What was measured: for each figure one value a round."""

from __future__ import annotations

import statistics
from collections.abc import Iterator


class Results:
    """Figures by candidate, load and name. A ratio is the median of the ratios of the same round."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str, str], dict[int, float]] = {}
        #: Why a candidate has no figures; the load is empty where it has none at all.
        self.absent: dict[tuple[str, str], str] = {}

    def add(self, round_: int, candidate: str, load: str, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self.values.setdefault((candidate, load, name), {})[round_] = value

    def leave_out(self, candidate: str, load: str, why: str) -> None:
        self.absent[candidate, load] = why

    def is_out(self, candidate: str, load: str) -> bool:
        return (candidate, load) in self.absent or (candidate, "") in self.absent

    def why(self, candidate: str, load: str) -> str:
        """The beginning of the reason why there are no figures; it was told in full when it came up."""
        reason = self.absent.get((candidate, load)) or self.absent.get((candidate, "")) or "was not measured"
        return reason if len(reason) <= 60 else f"{reason[:60]}…"

    def all(self, candidate: str, load: str, name: str) -> list[float]:
        """One value for each round, sorted; none where it was not measured."""
        return sorted(self.values.get((candidate, load, name), {}).values())

    def median(self, candidate: str, load: str, name: str) -> float | None:
        found = self.all(candidate, load, name)
        return statistics.median(found) if found else None

    def ratio(self, one: str, other: str, load: str, name: str) -> float | None:
        """Of `one` to `other`."""
        ours = self.values.get((one, load, name), {})
        theirs = self.values.get((other, load, name), {})
        ratios = [ours[number] / theirs[number] for number in ours.keys() & theirs.keys() if theirs[number]]
        return statistics.median(ratios) if ratios else None

    def __iter__(self) -> Iterator[tuple[str, list[float]]]:
        """Everything, for a file."""
        for (candidate, load, name), values in self.values.items():
            yield f"{candidate} | {load} | {name}", list(values.values())
