"""imagekit's runtime client against its peers: round trip, CPU, memory, cold start, streaming, and the goals for them.

    python benchmarks/runtime_client.py [--rounds 7] [--only NAME]… [--work DIR] [--json FILE]

A Runtime API in C gives out one event of JSON again and again, as soon as it is asked. "rt" is from just before it
writes the event until the last byte of the answer was read; "cycle" is until the next GET next. Handlers answer
with their event, parsed and written again where the language has JSON; native programs and bash with its bytes. CPU is
that of all processes of a client for one event, from its first GET next on; RSS and PSS are theirs, too, once all
events are answered. A cold start is from the start of the process to its first GET next. Answers are compared with the
event before figures count. PHP has its curl and Perl its Cpanel::JSON::XS on both sides.

All candidates run once a round, in an order that turns round by round: a noisy minute hits all. Tables show the median
of the rounds, of rt and cold start also smallest and largest; a ratio is the median of the ratios within each round.

Peers are installed into --work, which is kept between runs: with pip, npm (needs cmake, make, g++, autoconf, automake,
libtool), Go, and apt, which brings modules of PHP and Perl that the system lacks. A peer that cannot be had is said and
left out, and so is one that fails.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.runtime_client import foreign, own  # noqa: E402 - the path has to be set first
from benchmarks.runtime_client.candidates import Candidate, Missing, Workshop  # noqa: E402
from benchmarks.runtime_client.goals import COLD, GOALS, STREAM, Ratio, add_sizes  # noqa: E402
from benchmarks.runtime_client.measuring import LOADS, Emulator, Failed  # noqa: E402
from benchmarks.runtime_client.results import Results  # noqa: E402

#: Processes that are started in each round for the cold start.
STARTS = 5


def prepared(shop: Workshop, only: list[str], results: Results) -> list[Candidate]:
    """All candidates that this machine can measure."""
    makers = {**own.makers(), **foreign.makers()}
    compared = [name for goal in GOALS if isinstance(goal, Ratio) for name in (goal.ours, goal.peer)]
    found = []
    for name in dict.fromkeys((*compared, *makers)):  # who is compared runs side by side
        if only and name not in only:
            continue
        try:
            found.append(makers[name](shop))
        except Missing as reason:
            results.leave_out(name, "", str(reason))
            print(f"left out: {name}: {reason}", file=sys.stderr)
    return found


def parts(candidate: Candidate) -> Iterator[str]:
    """What is measured of a candidate."""
    if candidate.stream:
        yield STREAM
        return
    yield from (load for load in LOADS if load in (candidate.sizes or LOADS))
    yield COLD


def measure(emulator: Emulator, candidate: Candidate, part: str) -> dict[str, float]:
    if part == STREAM:
        return emulator.stream(candidate)
    if part == COLD:
        times = sorted(emulator.start(candidate, STARTS))
        return {"time": times[len(times) // 2], "best": times[0]}
    return emulator.load(candidate, part)


def play(emulator: Emulator, candidates: list[Candidate], number: int, results: Results) -> None:
    """One round: forwards, backwards, and each time from another one on."""
    turned = candidates[number % len(candidates) :] + candidates[: number % len(candidates)]
    for part in (*LOADS, COLD, STREAM):
        for candidate in turned if number % 2 == 0 else reversed(turned):
            if part not in parts(candidate) or results.is_out(candidate.name, part):
                continue
            try:
                results.add(number, candidate.name, part, measure(emulator, candidate, part))
            except Failed as reason:
                results.leave_out(candidate.name, part, str(reason))
                print(f"left out: {candidate.name}, {part}: {reason}", file=sys.stderr)


def shown(value: float | None) -> str:
    """Three digits, or as many as there are before the point."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def spread(values: list[float], divisor: float = 1) -> str:
    """The median, smallest and largest of sorted values."""
    if not values:
        return "-"
    middle, least, most = (shown(value / divisor) for value in (statistics.median(values), values[0], values[-1]))
    return f"{middle} ({least}-{most})"


def table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as what is in them, those without a head to the left."""
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    for row in (heads, *rows):
        cells = zip(heads, row, widths, strict=True)
        line = " | ".join(text.rjust(width) if head else text.ljust(width) for head, text, width in cells)
        print(line.rstrip())


def report(candidates: list[Candidate], results: Results) -> None:
    names = [candidate.name for candidate in candidates]
    for load in LOADS:
        print(f"\n{load}, times in µs")
        rows = []
        for name in names:
            if values := results.all(name, load, "rt"):
                figures = [shown(results.median(name, load, figure)) for figure in ("p99", "cycle", "rate", "cpu")]
                memory = [shown((results.median(name, load, figure) or 0) / 1024) for figure in ("rss", "pss")]
                rows.append((name, spread(values), *figures, *memory))
        table(("", "rt", "p99", "cycle", "events/s", "CPU", "RSS MB", "PSS MB"), rows)
    print(f"\n{COLD} in ms")
    cold = [(name, spread(values, 1000)) for name in names if (values := results.all(name, COLD, "time"))]
    table(("", "time"), cold)


def judge(results: Results, asked: set[str]) -> None:
    """The table of goals, of those for which all candidates were asked for."""
    rows = []
    for goal in GOALS:
        if goal.who <= asked:
            value = goal.measured(results)
            verdict = f"not measured: {goal.missing(results)}" if value is None else "NOT MET"
            if value is not None and goal.is_met(value):
                verdict = "met"
            rows.append((goal.text, goal.wanted, shown(value), verdict))
    print()
    table(("", "goal", "measured", ""), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="one candidate; repeat for more")
    parser.add_argument("--scale", type=float, default=1, help="part of the events of each run")
    parser.add_argument("--work", type=Path, help="folder for what is installed and compiled, outside of the checkout")
    parser.add_argument("--json", type=Path, help="a file for every figure of every round")
    options = parser.parse_args()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    work = options.work or cache / "imagekit-benchmarks" / "runtime_client"
    work.mkdir(parents=True, exist_ok=True)
    shop, results = Workshop(work), Results()
    candidates = prepared(shop, options.only, results)
    emulator = Emulator(shop, options.scale)
    print(
        f"{os.cpu_count()} CPUs; load before: {os.getloadavg()[0]:.1f} (at 0.5 and more, figures are not to be trusted)"
    )
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        play(emulator, candidates, number, results)
    add_sizes(results)
    report(candidates, results)
    judge(results, set(options.only or {**own.makers(), **foreign.makers()}))
    if options.json:
        options.json.write_text(json.dumps(dict(results), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
