"""Runs the emulator (`emulator/`) before one candidate, once for each figure."""

from __future__ import annotations

import json
import math
import subprocess
from dataclasses import dataclass
from typing import Any

from benchmarks.runtime_client.candidates import PARTS, Candidate, Workshop


class Failed(Exception):
    """A candidate did not answer every event, or not with the event."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """How many events of how many bytes; `warm` come first, are compared byte by byte and do not count."""

    size: int
    events: int
    warm: int
    seconds: float = 3


#: 6 MB stays below Lambda's limit of 6,291,556 bytes for clients, too, that write spaces into their JSON.
LOADS = {
    "1 KB": Load(size=1024, events=2000, warm=50),
    "100 KB": Load(size=102_400, events=300, warm=5),
    "6 MB": Load(size=5_800_000, events=12, warm=1, seconds=5),
}
#: The figures of one run that are told, in microseconds, events a second or KiB.
FIGURES = {
    "rt": ("rt", "p50"),
    "p99": ("rt", "p99"),
    "cycle": ("cycle", "p50"),
    "rate": ("per_second",),
    "cpu": ("cpu",),
    "rss": ("rss_kib",),
    "pss": ("pss_kib",),
    "client": ("client_kib",),
    "peak": ("peak_kib",),
    "growth": ("growth_kib",),
    "events": ("events",),
}


class Emulator:
    """`scale` is the part of the events that is given out: less than 1 for a trial of the benchmark itself."""

    def __init__(self, shop: Workshop, scale: float) -> None:
        self.shop = shop
        self.scale = scale
        self.program = shop.compiled("emulator", *sorted((PARTS / "emulator").glob("*.c")))

    def load(self, candidate: Candidate, name: str) -> dict[str, float]:
        """The figures of one run under a load; raises Failed."""
        load = LOADS[name]
        events = math.ceil(load.events * self.scale)
        words = [f"--events={events}", f"--warm={load.warm}", f"--size={load.size}", f"--seconds={load.seconds}"]
        return _figures(self._run(candidate, words))

    def stream(self, candidate: Candidate) -> dict[str, float]:
        """The figures of one streamed answer, and `speed` in GB/s."""
        found = _figures(self._run(candidate, ["--events=1", "--warm=0", f"--stream={candidate.stream}"]))
        return {**found, "speed": candidate.stream / found["rt"] / 1e3}

    def start(self, candidate: Candidate, count: int) -> list[float]:
        """Microseconds from the start of the process to its first GET next."""
        found: list[float] = self._run(candidate, [f"--starts={count}"])["cold"]
        return found

    def _run(self, candidate: Candidate, words: list[str]) -> dict[str, Any]:
        log = self.shop.folder / "last.log"
        environment = {**self.shop.environment, "_HANDLER": candidate.handler, **candidate.environment}
        with log.open("wb") as err:
            done = subprocess.run(
                [str(self.program), *words, "--", *candidate.command],
                cwd=self.shop.task,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=err,
                check=False,
            )
        if done.returncode:
            said = log.read_text(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
            raise Failed(" / ".join(line[:200] for line in said[-2:]))
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def _figures(found: dict[str, Any]) -> dict[str, float]:
    figures = {}
    for name, path in FIGURES.items():
        value: Any = found
        for word in path:
            value = value[word]
        figures[name] = float(value)
    return figures
