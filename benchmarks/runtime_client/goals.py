"""What imagekit's runtime client shall reach, against a peer in the same rounds or for itself."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

from benchmarks.runtime_client.results import Results
from imagekit import client
from imagekit.architecture import ARCHITECTURES

COLD, STREAM = "cold start", "stream"
_NATIVE, _STREAMED, _BINARY = "native", "native stream", "the program"
_CPP, _GO, _NODE = "aws-lambda-cpp", "aws-lambda-go", "aws-lambda-ric"
_PHP, _PERL, _BASH = "curl loop in PHP", "HTTP::Tiny loop", "bash with curl"


@dataclass(frozen=True)
class Ratio:
    """A figure of ours as a part of a peer's."""

    ours: str
    peer: str
    load: str
    figure: str
    limit: float

    @property
    def who(self) -> frozenset[str]:
        """The candidates that have to be measured for it."""
        return frozenset({self.ours, self.peer})

    @property
    def text(self) -> str:
        figure = {"rt": " round trip", "time": "", "cpu": " CPU"}.get(self.figure, f" {self.figure}")
        return f"{self.ours} ÷ {self.peer}, {self.load}{figure}"

    @property
    def wanted(self) -> str:
        return f"≤ {self.limit:g}"

    def measured(self, results: Results) -> float | None:
        return results.ratio(self.ours, self.peer, self.load, self.figure)

    def missing(self, results: Results) -> str:
        absent = (who for who in (self.ours, self.peer) if results.median(who, self.load, self.figure) is None)
        return "; ".join(f"{who} {results.why(who, self.load)}" for who in absent)

    def is_met(self, value: float) -> bool:
        return value <= self.limit


@dataclass(frozen=True)
class Figure:
    """A figure of ours alone; what was measured is divided by `divisor` to be in `unit`."""

    text: str
    ours: str
    load: str
    figure: str
    limit: float
    unit: str
    divisor: float = 1
    at_least: bool = False

    @property
    def who(self) -> frozenset[str]:
        """The candidates that have to be measured for it."""
        return frozenset({self.ours} - {_BINARY})

    @property
    def wanted(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:,g} {self.unit}"

    def measured(self, results: Results) -> float | None:
        found = results.median(self.ours, self.load, self.figure)
        return None if found is None else found / self.divisor

    def missing(self, results: Results) -> str:
        return f"{self.ours} {results.why(self.ours, self.load)}"

    def is_met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


GOALS: tuple[Ratio | Figure, ...] = (
    Ratio(_NATIVE, "bare loop in C", "1 KB", "rt", 2.0),
    Ratio(_NATIVE, _CPP, "1 KB", "rt", 0.7),
    Ratio(_NATIVE, _CPP, "100 KB", "rt", 0.7),
    Ratio(_NATIVE, _CPP, "6 MB", "rt", 0.7),
    Ratio(_NATIVE, _CPP, COLD, "time", 0.1),
    Ratio(_NATIVE, _GO, "1 KB", "rt", 0.5),
    Ratio(_NATIVE, _GO, "100 KB", "rt", 0.7),
    Ratio(_NATIVE, _GO, "6 MB", "rt", 1.3),
    Ratio(_NATIVE, _GO, COLD, "time", 0.15),
    Ratio("nodejs", _NODE, "1 KB", "rt", 0.75),
    Ratio("nodejs", _NODE, "1 KB", "cycle", 0.65),
    Ratio("nodejs", _NODE, "1 KB", "cpu", 0.75),
    Ratio("nodejs", _NODE, "100 KB", "rt", 1.0),
    Ratio("nodejs", _NODE, "6 MB", "rt", 1.0),
    Ratio("nodejs", _NODE, COLD, "time", 0.9),
    Ratio("python", "awslambdaric", "1 KB", "rt", 0.7),
    Ratio("php", _PHP, "1 KB", "rt", 0.95),
    Ratio("php", _PHP, "100 KB", "rt", 1.15),
    Ratio("php", _PHP, "6 MB", "rt", 1.15),
    Ratio("php", _PHP, COLD, "time", 1.05),
    Ratio("ruby", "net/http loop", "1 KB", "rt", 0.5),
    Ratio("ruby", "net/http loop", COLD, "time", 0.8),
    Ratio("perl", _PERL, "1 KB", "rt", 0.01),
    Ratio("perl", _PERL, COLD, "time", 0.2),
    Ratio("bash", _BASH, "1 KB", "rt", 0.01),
    Figure("6 MB events that bash answers in a round", "bash", "6 MB", "events", 1, "", at_least=True),
    Figure("1 KB events a second", _NATIVE, "1 KB", "rate", 25_000, "/s", at_least=True),
    Figure("CPU for a 1 KB event, native worker and all", _NATIVE, "1 KB", "cpu", 20, "µs"),
    Figure("cold start, native worker and all", _NATIVE, COLD, "time", 1, "ms", 1000),
    Figure("cold start, the client alone", "per event", COLD, "time", 1, "ms", 1000),
    Figure("RSS of the client after 1 KB events", _NATIVE, "1 KB", "client", 0.5, "MB", 1024),
    Figure("RSS of the client after 6 MB events", _NATIVE, "6 MB", "client", 1, "MB", 1024),
    Figure("RSS of the client at its peak, 6 MB events", _NATIVE, "6 MB", "peak", 13, "MB", 1024),
    Figure("speed of a streamed answer of 1 GB", _STREAMED, STREAM, "speed", 0.5, "GB/s", at_least=True),
    Figure("growth of the client's RSS during it", _STREAMED, STREAM, "growth", 1, "MB", 1024),
    *(Figure(f"size for {name}", _BINARY, name.name, "size", 120, "KB", 1024) for name in ARCHITECTURES),
    *(Figure(f"size for {name}, by gzip", _BINARY, name.name, "gzip", 64, "KB", 1024) for name in ARCHITECTURES),
)


def add_sizes(results: Results) -> None:
    """What the client's programs for both architectures have."""
    for architecture in ARCHITECTURES:
        path = client.path(architecture)
        if path.exists():
            data = path.read_bytes()
            figures = {"size": float(len(data)), "gzip": float(len(gzip.compress(data, mtime=0)))}
            results.add(0, _BINARY, architecture.name, figures)
        else:
            results.leave_out(_BINARY, architecture.name, "is not built: pip install --editable .")
