"""Every example built: the first time, and again with nothing changed.

    python benchmarks/examples.py [--runs 5] [--work DIR] [NAME …]

Needs what the examples' tests need (`scripts/ci-tools`); those whose compiler is not here are left out. What the
examples name is on loopback, as in the tests. A figure is that of a whole process, in seconds; what compilers and
installers of dependencies take, by the lines that imagekit prints of them, is told apart. The last line is one process
for all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pwd
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.docker_registry import docker_registry  # noqa: E402 - the path has to be set first
from tests.support.examples import ROWS, Row, World  # noqa: E402
from tests.support.registry import Registry  # noqa: E402
from tests.support.tools import ARM64_SYSROOT  # noqa: E402

IMAGEKIT = Path(sys.executable).with_name("imagekit")
#: A line of the progress about a command of the host, and how long it took.
_STEP = re.compile(r"^\S+ (?:step \d+|dependencies): .*?(?:in ([0-9.]+) s)?$", re.MULTILINE)


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """The stand-ins, as the tests have them."""
    shells = {"amd64": shutil.which("busybox") or "", "arm64": f"{ARM64_SYSROOT}/bin/busybox"}
    programs = {
        name: {"sh": data, "busybox": data} for name, path in shells.items() for data in [Path(path).read_bytes()]
    }
    for name in ("images", "world"):
        (folder / name).mkdir()
    with Registry() as files, docker_registry(folder / "images") as images:
        made = World(files, images, folder / "world")
        made.bases(programs)
        yield made


def environment(made: World, cache: Path) -> dict[str, str]:
    home = pwd.getpwuid(os.getuid()).pw_dir
    own = {"HOME": home, "IMAGEKIT_MIRROR": made.mirrors, "IMAGEKIT_CACHE_DIR": str(cache)}
    return {**os.environ, **own, "PATH": f"{IMAGEKIT.parent}:{os.environ['PATH']}"}


def lacks(row: Row) -> str:
    """A tool of the row that is not here."""
    named = [tool.format(rpm=machine) for tool in (*row.tools, *row.rare) for machine in ("x86_64", "aarch64")]
    return next((tool for tool in named if shutil.which(tool) is None), "")


def timed(words: Sequence[str], folder: Path, settings: dict[str, str]) -> tuple[float, float, float]:
    """Wall and processor time of a process, and what of the wall time host commands took."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ran = subprocess.run([IMAGEKIT, *words], cwd=folder, env=settings, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ran.returncode:
        raise SystemExit(f"{folder.name}: {ran.stderr}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used, sum(float(found or 0) for found in _STEP.findall(ran.stderr))


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--work", type=Path)
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    work = given.work or Path(tempfile.mkdtemp(prefix="imagekit-examples-"))
    work.mkdir(parents=True, exist_ok=True)
    names = given.names or sorted(path.parent.name for path in ROOT.glob("specs/*/runtime.yaml"))
    found: dict[str, list[float]] = {}
    with world(work) as made:
        settings = environment(made, work / "cache")
        print(f"{'':16}{'first':>8}{'less compilers':>16}{'again':>8}{'less compilers':>16}{'processor':>11}")
        for name in names:
            row = ROWS.get(name, Row())
            if missing := lacks(row):
                print(f"{name:16}{missing} is not here")
                continue
            folder = work / name
            subprocess.run(
                [IMAGEKIT, "init", name, "--directory", folder], env=settings, check=True, capture_output=True
            )
            row.stands_in(made)
            row.prepare(folder)
            first, _, compiled = timed(["build"], folder, settings)
            again = [timed(["build"], folder, settings) for _ in range(given.runs)]
            wall, used = median([one[0] for one in again]), median([one[1] for one in again])
            less = median([one[0] - one[2] for one in again])
            found[name] = [first, first - compiled, wall, less, used]
            print(f"{name:16}{first:8.2f}{first - compiled:16.2f}{wall:8.2f}{less:16.2f}{used:11.2f}")
        together = [timed(["build", *found], work, settings) for _ in range(given.runs)]
        wall, less = median([one[0] for one in together]), median([one[0] - one[2] for one in together])
        print(f"{f'all {len(found)}':16}{'':24}{wall:8.2f}{less:16.2f}{median([one[1] for one in together]):11.2f}")
    print(json.dumps(found))
    if not given.work:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
