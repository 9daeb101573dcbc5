"""The main job against its peers: build two platforms and push them, cold, warm and with nothing changed.

    python benchmarks/main_job.py [--runs 5] [--peers umoci,buildah] [--work DIR] [W1] [W2]

Needs docker-registry and a Go toolchain (W1), npm (W2), and the peers: umoci with skopeo, buildah. Every figure is that
of whole processes on one machine in one run; peers alternate with imagekit, so that a noisy minute hits both.

W1: a static Go program at /var/runtime/bootstrap. W2: the layout of Node.js 19 (a 41 MB tar.gz) to /var/lang, a
bootstrap script, and 5,003 small files to /var/task, most of them below node_modules.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.bases import StandIn  # noqa: E402 - the path has to be set first

IMAGEKIT = Path(sys.executable).with_name("imagekit")
#: Bytes of the base's files for each architecture, before compression; the real one has some 110 MB.
BASE_SIZE = 112_000_000
PHASES = ("cold", "warm", "no change")


class Registry:
    """A docker-registry on loopback whose storage can be emptied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{probe.getsockname()[1]}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder.with_suffix(".yml")
        settings.write_text(
            f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.folder}}}, delete: {{enabled: true}}}}\n"
            f"http: {{addr: '{self.host}'}}\n"
        )
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(["docker-registry", "serve", str(settings)], stdout=quiet, stderr=quiet)
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(tuple(self.host.split(":"))):
                return
            time.sleep(0.02)
        raise SystemExit("docker-registry does not start")

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()

    def empty(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.start()


def timed(arguments: list[str], cwd: Path, environment: dict[str, str]) -> tuple[float, float, int]:
    """Wall and CPU seconds, and the peak memory in MB, of a process and its children."""
    started = time.perf_counter()
    log = cwd / "last.log"
    with log.open("wb") as output:
        process = subprocess.Popen(arguments, cwd=cwd, env=environment, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{log.read_text(errors='replace')[-3000:]}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


# --- the workloads ----------------------------------------------------------------------------------------------------


GO = """package main
import ("fmt"; "net/http"; "encoding/json"; "crypto/tls"; "os"; "text/template"; "database/sql")
var changed = "CHANGED"
func main() {
  _ = tls.Config{}; _ = template.New("x"); _ = sql.ErrNoRows
  http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(os.Args) })
  fmt.Println(changed, http.ListenAndServe(os.Getenv("ADDR"), nil))
}
"""


def make_w1(folder: Path) -> Callable[[int], None]:
    """Two programs of 9.8 MB; the change flips one byte of each."""
    source = folder / "source"
    source.mkdir(parents=True)
    (source / "main.go").write_text(GO)
    (source / "go.mod").write_text("module example\n\ngo 1.21\n")
    for name, architecture in (("x86_64", "amd64"), ("arm64", "arm64")):
        target = folder / "build" / name / "bootstrap"
        environment = {**os.environ, "CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": architecture}
        subprocess.run(["go", "build", "-o", str(target), "."], cwd=source, env=environment, check=True)
        data = target.read_bytes()
        target.write_bytes(data + b"\0" * max(0, 9_800_000 - len(data)))
    (folder / "runtime.yaml").write_text(
        "name: w1\nlanguage: custom\nos: al2023\nbootstrap: {path: 'build/{architecture}/bootstrap'}\n"
    )

    def change(number: int) -> None:
        for name in ("x86_64", "arm64"):
            with (folder / "build" / name / "bootstrap").open("r+b") as file:
                file.seek(-8, os.SEEK_END)
                file.write(number.to_bytes(8, "big"))

    return change


def make_w2(folder: Path, mirror: Path) -> Callable[[int], None]:
    """Node.js archives behind a URL, a script, and 5,003 files; the change is one line of the handler."""
    (folder / "src").mkdir(parents=True)
    rnd = random.Random(1)
    words = [rnd.randbytes(rnd.randint(2, 9)).hex() for _ in range(3000)]
    for number in range(5000):
        path = folder / "src" / "node_modules" / f"package{number // 20}" / f"file{number}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"exports.{word} = '{word}';\n" for word in rnd.choices(words, k=70)))
    for name in ("index.js", "other.js", "package.json"):
        (folder / "src" / name).write_text("{}\n")
    (folder / "bootstrap").write_text("#!/bin/sh\nexec /var/lang/bin/node /var/task/index.js\n")
    (folder / "bootstrap").chmod(0o755)
    for arch in ("x64", "arm64"):
        make_node_archive(mirror, arch)
    (folder / "runtime.yaml").write_text(
        "name: w2\nlanguage: custom\nos: al2023\nversion: '19.9.0'\nbootstrap: {path: bootstrap}\n"
        "archives:\n  - source:\n"
        "      x86_64: 'https://nodejs.org/dist/v{version}/node-v{version}-linux-x64.tar.gz'\n"
        "      arm64: 'https://nodejs.org/dist/v{version}/node-v{version}-linux-arm64.tar.gz'\n"
        "    target: /var/lang\n    strip: 1\n"
        "files:\n  - {source: src, target: /var/task}\n"
    )

    def change(number: int) -> None:
        (folder / "src" / "index.js").write_text(f"exports.handler = async () => {number};\n")

    return change


def make_node_archive(mirror: Path, arch: str) -> None:
    """The official archive's layout, with the newest 19.x that npm has for the architecture in it."""
    target = mirror / "dist" / "v19.9.0" / f"node-v19.9.0-linux-{arch}.tar.gz"
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            ["npm", "pack", "--silent", f"node-linux-{arch}@19"], cwd=scratch, check=True, stdout=subprocess.DEVNULL
        )
        packed = next(Path(scratch).glob("*.tgz"))
        with tarfile.open(packed) as source, tarfile.open(target, "w:gz", compresslevel=6) as made:
            for member in source:
                member.name = member.name.replace("package", f"node-v19.9.0-linux-{arch}", 1)
                made.addfile(member, source.extractfile(member) if member.isfile() else None)


def system_files(architecture: str) -> dict[str, bytes]:
    """This system's own programs and libraries, as many as a base holds; one byte tells the architectures apart."""
    found: dict[str, bytes] = {}
    size = 0
    for path in sorted(path for folder in ("/usr/bin", "/usr/lib") for path in Path(folder).rglob("*")):
        if size < BASE_SIZE and path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
            data = path.read_bytes()
            size += len(data)
            found["-".join(path.parts[2:])[-200:]] = data + architecture.encode()
    return found


# --- who builds -------------------------------------------------------------------------------------------------------


class Bench:
    """One workload in one folder, with a registry that holds the base and one that takes the result."""

    def __init__(self, work: Path, name: str, base: Registry, target: Registry, mirror: str) -> None:
        self.work, self.name, self.base, self.target, self.mirror = work, name, base, target, mirror
        self.folder = work / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.change = make_w1(self.folder) if name == "W1" else make_w2(self.folder, work / "mirror")
        self.number = 0
        self.environment = {
            **os.environ,
            "IMAGEKIT_CACHE_DIR": str(work / "cache"),
            "IMAGEKIT_MIRROR": f"public.ecr.aws={base.host},nodejs.org={mirror}",
            "BUILDAH_ISOLATION": "chroot",
            "STORAGE_DRIVER": "vfs" if os.geteuid() else "overlay",
        }
        subprocess.run([str(IMAGEKIT), "lock"], cwd=self.folder, env=self.environment, check=True, capture_output=True)

    def phase(self, peer: str, phase: str) -> tuple[float, float, int]:
        """Run one peer once in one phase."""
        if phase == "cold":
            self.target.empty()
            for name in ("cache", f"peer-{peer}"):
                shutil.rmtree(self.work / name, ignore_errors=True)
            shutil.rmtree(self.folder / ".imagekit", ignore_errors=True)
            if peer == "buildah":
                subprocess.run(["buildah", "rmi", "--all", "--force"], capture_output=True, check=False)
        if phase == "warm":
            self.number += 1
            self.change(self.number)
            time.sleep(2.2)  # files just written are not trusted by their times
            if peer.startswith("imagekit"):
                self._settle(peer)
        return timed(self.command(peer), self.folder, self.environment)

    def _settle(self, peer: str) -> None:
        """One untimed run on the state before, so that the change is all that is new; then the change."""
        timed(self.command(peer), self.folder, self.environment)
        time.sleep(2.2)
        timed(self.command(peer), self.folder, self.environment)
        self.number += 1
        self.change(self.number)

    def command(self, peer: str) -> list[str]:
        if peer.startswith("imagekit"):
            speed = ["--compression", "fast"] if peer.endswith("fast") else ["--compression", "default"]
            to = f"{self.target.host}/out"
            return [str(IMAGEKIT), "build", "--quiet", "--push", "--to", to, "-t", "v1", *speed]
        script = ROOT / "benchmarks" / f"{peer}.sh"
        folder = self.work / f"peer-{peer}"
        return [
            "sh",
            "-e",
            str(script),
            self.name,
            self.base.host,
            self.target.host,
            str(folder),
            str(self.work / "mirror"),
        ]


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A web server for the archives."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=["W1", "W2"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", default="umoci,buildah")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--make-base", metavar="HOST", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make_base:
        programs = {name: system_files(name) for name in ("amd64", "arm64")}
        StandIn.make(programs=programs, on_build=False).push(options.make_base, "lambda/provided", "al2023")
        return
    # As pip does it at an install; else each start compiles anew where PYTHONDONTWRITEBYTECODE is set.
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(ROOT / "imagekit")], check=True)
    with contextlib.ExitStack() as stack:
        work = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        base, target = Registry(work / "registry-base"), Registry(work / "registry-target")
        for registry in (base, target):
            registry.start()
            stack.callback(registry.stop)
        # In a process of its own: what this one once held would count as the peak of all that it starts.
        subprocess.run([sys.executable, __file__, "--make-base", base.host], check=True)
        mirror = stack.enter_context(serving(work / "mirror"))
        for workload in options.workloads:
            bench = Bench(work, workload, base, target, mirror)
            report(
                workload,
                measure(bench, ["imagekit", "imagekit-fast", *filter(None, options.peers.split(","))], options.runs),
            )
    print(f"peak memory of the benchmark itself: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def measure(bench: Bench, peers: list[str], runs: int) -> dict[tuple[str, str], list[tuple[float, float, int]]]:
    found: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
    for _ in range(runs):
        for peer in peers:
            for phase in PHASES:
                found.setdefault((peer, phase), []).append(bench.phase(peer, phase))
    return found


def report(workload: str, found: dict[tuple[str, str], list[tuple[float, float, int]]]) -> None:
    print(f"\n{workload}: wall seconds, median (min-max) | CPU seconds | peak MB | imagekit as a part of the peer")
    own = {phase: statistics.median(run[0] for run in found[("imagekit", phase)]) for phase in PHASES}
    for (peer, phase), measured in found.items():
        walls = sorted(run[0] for run in measured)
        wall = statistics.median(walls)
        cpu = statistics.median(run[1] for run in measured)
        memory = max(run[2] for run in measured)
        line = f"{peer:14} {phase:10} {wall:6.2f} ({walls[0]:.2f}-{walls[-1]:.2f}) | {cpu:5.2f} | {memory:4}"
        print(f"{line} | {own[phase] / wall:.2f}")
    print(
        json.dumps(
            {f"{peer} {phase}": [round(run[0], 3) for run in measured] for (peer, phase), measured in found.items()}
        )
    )


if __name__ == "__main__":
    main()
