"""Packages against dnf: from a request to a finished layer, beside `dnf --installroot`, which makes no layer.

    python benchmarks/packages.py [--runs 5] [--work DIR] [JOB…]

Needs root, rpm, dnf, createrepo_c, gpg, and apt-get, which downloads the Debian packages that are made into RPM
packages (once for a DIR). The jobs are about 5, 50 and 200 packages. Repository and base image are served on loopback,
both begin without metadata and packages: imagekit has read the base before, dnf has it unpacked. They alternate, so
that a noisy minute hits both. `arm64` is imagekit for the other architecture, whose packages are not the same size,
`both` for the two, `again` a build with nothing changed. Beside the medians the best run of each is compared, which
others on the machine disturb least.

Memory is the peak of imagekit's own process, and that of the largest process it starts (the solver's).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.commands import good  # noqa: E402 - the path has to be set first
from tests.support.packages.debian import DEBIAN_ARCHES  # noqa: E402
from tests.support.packages.shop import Shop, served  # noqa: E402
from tests.support.packages.world import Wanted, World, dnf_resolves, world  # noqa: E402

IMAGEKIT = [sys.executable, "-m", "imagekit"]
JOBS = {"small": ("vim",), "middle": ("php-cli", "php-curl"), "large": ("ffmpeg",)}
BASE = ("passwd", "bash", "dash", "coreutils", "libc-bin", "sed", "grep")
OURS = ("x86_64",)


@dataclass
class Figures:
    """Seconds of wall and CPU time and megabytes, a run each."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    own: list[int] = field(default_factory=list)
    largest: list[int] = field(default_factory=list)

    def add(self, wall: float, cpu: float, own: int, largest: int) -> None:
        self.wall.append(wall)
        self.cpu.append(cpu)
        self.own.append(own)
        self.largest.append(largest)

    def __str__(self) -> str:
        wall, cpu = statistics.median(self.wall), statistics.median(self.cpu)
        runs = " ".join(f"{value:.2f}" for value in self.wall)
        memory = f"memory {max(self.own):4d} MB, largest {max(self.largest):4d} MB"
        return f"{wall:7.2f} s  cpu {cpu:6.2f} s  {memory}   ({runs})"


def download(folder: Path, names: list[str]) -> None:
    """Debian's packages with all they depend on, for both architectures."""
    for arch in DEBIAN_ARCHES.values():
        place = folder / arch
        if place.exists():
            continue
        work = folder / f"apt-{arch}"
        for name in ("lists/partial", "archives/partial"):
            (work / name).mkdir(parents=True, exist_ok=True)
        (work / "status").touch()
        settings = {"APT::Architecture": arch, "APT::Architectures": arch, "APT::Sandbox::User": "root"}
        settings |= {"Dir::State::Lists": f"{work}/lists", "Dir::State::status": f"{work}/status"}
        settings["Dir::Cache"] = str(work)
        command = ["apt-get", "-qq", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]
        good(*command, "update")
        good(*command, "install", "-y", "--no-install-recommends", "--download-only", *names, seconds=1800)
        place.mkdir()
        for path in (work / "archives").glob("*.deb"):
            path.rename(place / path.name)
        shutil.rmtree(work)


def timed(command: list[str], folder: Path, settings: dict[str, str]) -> tuple[float, float, int, int]:
    """Run a process to its end: wall and CPU seconds, its own peak and the largest of those it starts in MB."""
    with open(folder / "last.log", "wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **settings}, stdout=log, stderr=log)
        peaks: dict[int, int] = {}
        watcher = threading.Thread(target=_watch, args=(process.pid, peaks))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{(folder / 'last.log').read_text(errors='replace')[-3000:]}")
    own = peaks.pop(process.pid, 0)
    return wall, usage.ru_utime + usage.ru_stime, own, max(peaks.values(), default=0)


def _watch(top: int, peaks: dict[int, int]) -> None:
    """The high-water marks of a process and those below it until it has ended; the kernel's sum knows them not."""
    while Path(f"/proc/{top}/status").exists():
        waiting = [top]
        while waiting:
            pid = waiting.pop()
            with contextlib.suppress(OSError):
                marks = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in line]
                if not marks and pid == top:
                    return  # it has ended and is waited for
                peaks[pid] = max((int(mark.split()[1]) // 1024 for mark in marks), default=peaks.get(pid, 0))
                for task in Path(f"/proc/{pid}/task").iterdir():
                    waiting += [int(child) for child in (task / "children").read_text().split()]
        time.sleep(0.02)


class Bench:
    """The world, served, with a cache that knows the base and nothing of the repository."""

    def __init__(self, made: World, shop: Shop, work: Path) -> None:
        self.made, self.shop, self.work = made, shop, work
        self.prepared, self.cache = work / "prepared", work / "cache"
        shop.spec(packages=["bash"])  # which the base has: its facts are read, and a repository of another revision
        with_other = {**shop.settings, "IMAGEKIT_CACHE_DIR": str(self.prepared)}
        timed([*IMAGEKIT, "build", "--compression", "fast"], shop.folder, with_other)
        for kind in ("lock", "state"):
            self._forget(kind)

    def _forget(self, kind: str) -> None:
        if kind == "lock":
            (self.shop.folder / "runtime.lock").unlink(missing_ok=True)
        else:
            shutil.rmtree(self.shop.folder / ".imagekit", ignore_errors=True)

    def imagekit(
        self, names: tuple[str, ...], architectures: tuple[str, ...], *, again: bool = False
    ) -> tuple[float, float, int, int]:
        """Lock and build; `again`: with everything as the last one left it."""
        self.shop.spec(packages=list(names), architectures=list(architectures))
        if not again:
            self._forget("lock")
            self._forget("state")
            shutil.rmtree(self.cache, ignore_errors=True)
            shutil.copytree(self.prepared, self.cache, symlinks=True)
        settings = {**self.shop.settings, "IMAGEKIT_CACHE_DIR": str(self.cache)}
        return timed([*IMAGEKIT, "build", "--compression", "fast"], self.shop.folder, settings)

    def dnf(self, names: tuple[str, ...]) -> tuple[float, float, int, int]:
        """Install into a copy of the base, scriptlets and all."""
        root = self.work / "root"
        shutil.rmtree(root, ignore_errors=True)
        self.made.copy("x86_64", root)
        file = self.work / "dnf.conf"
        key = self.work / "key.asc"
        key.write_bytes(self.made.workshop.key)
        file.write_text(
            "[main]\nreposdir=/nowhere\nvarsdir=/nowhere\npluginpath=/nowhere\ninstall_weak_deps=0\n[core]\nname=core\n"
            f"baseurl=http://{self.shop.registry.host}{self.made.repositories['x86_64']}/\ngpgcheck=1\ngpgkey=file://{key}\n"
        )
        command = ["dnf", "-c", str(file), f"--installroot={root}", "--releasever=1", "--assumeyes", "install", *names]
        return timed(command, self.work, self.made.workshop.settings)


def report(bench: Bench, job: str, runs: int) -> None:
    """Run a job by everybody in turn, and print."""
    names = JOBS[job]
    (chosen,) = dnf_resolves(bench.made, "x86_64", [Wanted(names)])
    assert not chosen.problem, chosen.problem
    figures = {who: Figures() for who in ("dnf", "imagekit", "arm64", "both", "again")}
    for run in range(runs + 1):
        measured = {
            "dnf": bench.dnf(names),
            "imagekit": bench.imagekit(names, OURS),
            "arm64": bench.imagekit(names, ("arm64",)),
            "both": bench.imagekit(names, ("x86_64", "arm64")),
            "again": bench.imagekit(names, ("x86_64", "arm64"), again=True),
        }
        for who, values in measured.items():
            if run:  # the first warms up what the system caches
                figures[who].add(*values)
    print(f"\n{job}: {' '.join(names)}, {len(chosen.install)} packages")
    for who, values in figures.items():
        print(f"  {who:9s}{values}")
    for what, of in (("median", statistics.median), ("best", min)):
        dnf, ours, other, both = (of(figures[who].wall) for who in ("dnf", "imagekit", "arm64", "both"))
        mean = (ours + other) / 2
        print(f"  {what:7s}imagekit / dnf {ours / dnf:.2f}, both / mean of one {both / mean:.2f}", flush=True)


def other_repository(made: World) -> World:
    """The same site with a repository of one package, for what is read before the clock starts."""
    places = {arch: made.workshop.index(held[:1], made.site, arch) for arch, held in made.packages.items()}
    return replace(made, repositories=places)


def main() -> None:
    """Make the world, run the jobs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path("/tmp/imagekit-packages"))
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=", ".join(JOBS))
    given = parser.parse_args()
    work: Path = given.work
    # As pip does it at an install; else each start compiles anew where PYTHONDONTWRITEBYTECODE is set.
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(ROOT / "imagekit")], check=True)
    downloads = work / "debian"
    downloads.mkdir(parents=True, exist_ok=True)
    download(downloads, sorted({*BASE, *(name for names in JOBS.values() for name in names)}))
    for name in ("world", "app", "prepared", "cache"):
        shutil.rmtree(work / name, ignore_errors=True)
    (work / "world").mkdir()
    with world(work / "world", str(downloads)) as made, served(made) as registry:
        files = dict(registry.files)
        registry.files.update(other_repository(made).files)
        bench = Bench(made, Shop(work / "app" / "spec", registry, made), work)
        registry.files.update(files)
        counts = {arch: len(packages) for arch, packages in made.packages.items()}
        print(f"repository: {json.dumps(counts)} packages; {os.cpu_count()} CPUs")
        for job in given.jobs or JOBS:
            report(bench, job, given.runs)


if __name__ == "__main__":
    main()
