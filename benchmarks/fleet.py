"""Many specs: in one process, over several, and on a machine that has nothing but other machines' layers.

    python benchmarks/fleet.py [--specs 100] [--runs 3] [--workers 1,2,4,8] [--work DIR]

Needs docker-registry and npm. Every spec is a function of 20 small files on Node.js 19 out of its archive, for two
platforms; the base, the archives' mirror and the registry that takes the images are on loopback.

* one process: `push` of all specs, cold, and with nothing changed;
* workers: the jobs that `matrix` names, over so many processes with a checkout and a cache each, as so many machines
  have them, and one `join` at the end; its digests are compared with those of the one process;
* clean runner: W2 of `main_job.py` on a machine without a cache, with and without the layers of another one;
* `matrix --changed-since` over 500 specs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.main_job import IMAGEKIT, Registry, make_node_archive, make_w2, serving, timed  # noqa: E402

SPEC = """name: {name}
language: custom
os: al2023
version: '19.9.0'
bootstrap: {{path: bootstrap}}
archives:
  - source:
      x86_64: 'https://nodejs.org/dist/v{{version}}/node-v{{version}}-linux-x64.tar.gz'
      arm64: 'https://nodejs.org/dist/v{{version}}/node-v{{version}}-linux-arm64.tar.gz'
    target: /var/lang
    strip: 1
files:
  - {{source: src, target: /var/task}}
"""


class Fleet:
    """A checkout with specs, and the registries around it."""

    def __init__(self, work: Path, specs: int, base: Registry, target: Registry, mirror: str) -> None:
        self.work, self.base, self.target, self.mirror = work, base, target, mirror
        self.folder = work / "checkout"
        self.names = [f"s{number:03}" for number in range(specs)]
        for name in self.names:
            make_spec(self.folder / name, name)
        self.run(["lock", *self.names], self.folder, "cache")

    def environment(self, cache: str) -> dict[str, str]:
        """Of one machine."""
        return {
            **os.environ,
            "IMAGEKIT_CACHE_DIR": str(self.work / cache),
            "IMAGEKIT_MIRROR": f"public.ecr.aws={self.base.host},nodejs.org={self.mirror}",
            "IMAGEKIT_TO": f"{self.target.host}/fleet/{{name}}",
        }

    def run(self, arguments: Sequence[str], folder: Path, cache: str) -> tuple[float, float, int]:
        """Wall and CPU seconds, and peak memory, of one command."""
        return timed([str(IMAGEKIT), *arguments], folder, self.environment(cache))

    def forget(self, *, images: bool = True) -> None:
        """Nothing is cached, and nothing was pushed."""
        if images:
            self.target.empty()
        for path in self.work.glob("cache*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob("*/.imagekit"):
            shutil.rmtree(path, ignore_errors=True)

    def digests(self) -> dict[str, str]:
        """What the tags name now."""
        found = {}
        for name in self.names:
            ran = subprocess.run(
                [str(IMAGEKIT), "inspect", "--json", f"{self.target.host}/fleet/{name}:latest"],
                capture_output=True, check=True, env=self.environment("cache-look"),
            )  # fmt: skip
            found[name] = json.loads(ran.stdout)["digest"]
        return found

    def over(self, workers: int) -> tuple[float, float]:
        """Wall and CPU seconds of the jobs over so many machines, and of the join."""
        ran = subprocess.run(
            [str(IMAGEKIT), "matrix", *self.names, "--jobs", str(max(2, workers * 2))],
            cwd=self.folder, env=self.environment("cache"), capture_output=True, check=True,
        )  # fmt: skip
        document = json.loads(ran.stdout)
        shares: list[list[str]] = [[] for _ in range(workers)]
        for number, job in enumerate(document["jobs"]):
            shares[number % workers].append(f"{job['command']} >> {self.work}/references/{job['id']}")
        folders = [self.work / f"machine-{number}" for number in range(workers)]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(self.folder, folder)
        shutil.rmtree(self.work / "references", ignore_errors=True)
        (self.work / "references").mkdir()
        before, started = os.times(), time.perf_counter()
        running = [
            subprocess.Popen(
                ["sh", "-e", "-c", "\n".join(share)], cwd=folder, stderr=subprocess.DEVNULL,
                env=self.environment(f"cache-{number}")
                | {"PATH": f"{IMAGEKIT.parent}:{os.environ['PATH']}"},
            )
            for number, (share, folder) in enumerate(zip(shares, folders, strict=True))
        ]  # fmt: skip
        if any(process.wait() for process in running):
            raise SystemExit("a job failed")
        join = shlex.split(document["join"])[1:-1]
        subprocess.run(
            [str(IMAGEKIT), *join, str(self.work / "references")],
            cwd=self.folder, env=self.environment("cache-join"), check=True, capture_output=True,
        )  # fmt: skip
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return time.perf_counter() - started, cpu


def make_spec(folder: Path, name: str) -> None:
    """A function with code of its own."""
    (folder / "src").mkdir(parents=True)
    for number in range(20):
        (folder / "src" / f"{number}.js").write_text(f"exports.name = '{name}-{number}';\n" * 50)
    (folder / "bootstrap").write_text("#!/bin/sh\nexec /var/lang/bin/node /var/task/0.js\n")
    (folder / "bootstrap").chmod(0o755)
    (folder / "runtime.yaml").write_text(SPEC.format(name=name))


def one_process(fleet: Fleet) -> dict[str, str]:
    """All specs in one command, twice."""
    fleet.forget()
    images = 2 * len(fleet.names)
    for phase in ("cold", "no change"):
        wall, cpu, memory = fleet.run(["push", *fleet.names], fleet.folder, "cache")
        each = f"{1000 * wall / images:.0f} ms an image"
        print(f"one process, {phase:9} {images} images: {wall:6.2f} s, {each}, CPU {cpu:.1f} s, {memory} MB")
        time.sleep(2.2)  # files just written are not trusted by their times
    return fleet.digests()


def workers(fleet: Fleet, numbers: Sequence[int], whole: dict[str, str]) -> None:
    """The same over several machines."""
    images = 2 * len(fleet.names)
    for number in numbers:
        fleet.forget()
        wall, cpu = fleet.over(number)
        same = "the same digests" if fleet.digests() == whole else "OTHER DIGESTS"
        print(
            f"{number} workers: {wall:6.2f} s, {1000 * wall / images:.0f} ms an image, "
            f"CPU {1000 * cpu / images:.0f} ms an image, {same}"
        )


def clean_runner(fleet: Fleet, runs: int) -> None:
    """W2 where only the registry knows the layers."""
    folder = fleet.work / "w2"
    make_w2(folder, fleet.work / "mirror")
    cache = f"{fleet.target.host}/fleet/cache"
    command = ["build", "--quiet", "--push", "--to", f"{fleet.target.host}/out", "-t", "v1"]
    fleet.forget()
    fleet.run(["lock"], folder, "cache")
    fleet.run([*command, "--cache-to", cache], folder, "cache")
    found: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(runs):
        for how, more in (("without", ()), ("with", ("--cache-from", cache))):
            fleet.forget(images=False)
            shutil.rmtree(folder / ".imagekit", ignore_errors=True)
            to = f"{fleet.target.host}/out-{how}-{len(found[how])}"
            run = [*command[:4], to, *command[5:], *more]
            found[how].append(fleet.run(run, folder, "cache")[0])
    for how, seconds in found.items():
        print(f"clean runner, W2 {how} the layers of another: {statistics.median(seconds):.2f} s ({len(seconds)} runs)")


def matrix(fleet: Fleet, number: int) -> None:
    """Which of many specs a branch changed."""
    folder = fleet.work / "many"
    for spec in range(number):
        make_spec(folder / f"s{spec:03}", f"s{spec:03}")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], cwd=folder, check=True)
    names = sorted(path.name for path in folder.glob("s*"))
    wall, cpu, _ = fleet.run(["matrix", *names, "--changed-since", "HEAD"], folder, "cache")
    print(f"matrix over {number} specs: {wall:.2f} s, CPU {cpu:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--specs", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(ROOT / "imagekit")], check=True)
    with contextlib.ExitStack() as stack:
        work = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        base, target = Registry(work / "registry-base"), Registry(work / "registry-target")
        for registry in (base, target):
            registry.start()
            stack.callback(registry.stop)
        main_job = str(ROOT / "benchmarks" / "main_job.py")
        subprocess.run([sys.executable, main_job, "--make-base", base.host], check=True)
        for architecture in ("x64", "arm64"):
            make_node_archive(work / "mirror", architecture)
        mirror = stack.enter_context(serving(work / "mirror"))
        fleet = Fleet(work, options.specs, base, target, mirror)
        whole = one_process(fleet)
        clean_runner(fleet, options.runs)
        matrix(fleet, 500)
        workers(fleet, [int(text) for text in options.workers.split(",") if text], whole)


if __name__ == "__main__":
    main()
