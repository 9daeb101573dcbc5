"""The local Lambda against AWS's own emulator: the round trip of an event, events in a second, a long stream; and what
comes before, unpacking an image and building a changed one.

    python benchmarks/emulator.py [--rounds 5] [--events 1000] [--rie FILE] [--json FILE]

Both start the same program: imagekit's runtime client with a worker that answers with the event. A caller in a process
of its own sends 1 KB over a connection that it keeps, and measures from before its first byte until it has read the
answer: that is more than what an emulator adds, as the runtime's own time is in it. Nothing is confined, so that only
the emulators differ. Rounds alternate; figures are medians of the rounds, ratios medians of the ratios within each.

Unpacking an image and `imagekit dev` are measured by `local_images.py`, which needs a static busybox for the latter.

AWS's emulator comes out of the wheel of aws-sam-cli, or is given with --rie. It takes one event at a time, and streams
nothing: there it has no figure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import local_images  # noqa: E402 - the path has to be set first
from imagekit.emulator.service import Lambda  # noqa: E402
from imagekit.emulator.settings import Settings, World  # noqa: E402
from tests.emulator.unconfined import PYTHON, Unconfined, image  # noqa: E402

SAM = "aws-sam-cli==1.170.0"
NAME = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
PATH = "/2015-03-31/functions/function/invocations"
STREAM_PATH = "/2021-11-15/functions/function/response-streaming-invocations"
WORKER = "ready()\nfor event in frames():\n    answer(event, event.body)\n"
STREAMER = """
event = take()
piece = b"x" * 65536
stream(event, (piece for _ in range(int(event.body) // len(piece))))
take()
"""
SIZE = 1024
STREAMED = 1 << 30
GOALS = {
    "round trip, ms": 1.0,
    "ratio": 1.5,
    "events/s over 8 environments": 1000.0,
    "memory grown, MiB": 8.0,
    "root file system unpacked, MB/s": 300.0,
    "dev, save to answer, s": 1.0,
}


def bootstrap(folder: Path) -> list[str]:
    """The runtime client with its worker, in a folder; how it is started."""
    shutil.copy(ROOT / "imagekit/client/bin" / NAME / "bootstrap", folder / "bootstrap")
    (folder / "worker.py").write_text(WORKER)
    words = (*PYTHON, str(ROOT / "tests/client/scripted.py"), str(folder / "worker.py"))
    lines = ["mode=worker", f"directory={folder}", *(f"argument={word}" for word in words)]
    (folder / "bootstrap.conf").write_text("".join(f"{line}\n" for line in lines))
    return [str(folder / "bootstrap"), "main.handler"]


def serve(folder: Path, environments: int, script: str) -> None:
    """The local Lambda, until its stdin ends; says its port. Runs in a process of its own."""
    if script:
        (folder / "stream.py").write_text(script)
        command = [*PYTHON, str(ROOT / "tests/emulator/raw.py"), str(folder / "stream.py")]
    else:
        command = bootstrap(folder)
    settings = Settings(timeout=300, environments=environments, largest_stream=2 * STREAMED)
    world = World(now=time.time, random=os.urandom)
    with Lambda(settings, Unconfined(folder), image(*command, folder=folder), world) as function:
        _, port = function.serve("127.0.0.1", 0)
        print(port, flush=True)
        threading.Thread(target=lambda: (sys.stdin.read(), function.stop()), daemon=True).start()
        function.run()


@contextmanager
def own(environments: int, script: str = "") -> Iterator[tuple[int, int]]:
    """The local Lambda: its port and its process."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, __file__, "--serve", folder, "--environments", str(environments), "--script", script]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.stdin.close()
            process.wait(20)


@contextmanager
def aws(program: Path) -> Iterator[tuple[int, int]]:
    """AWS's emulator: its port and its process."""
    with tempfile.TemporaryDirectory() as folder:
        ports = []
        for _ in range(2):
            with socket.create_server(("127.0.0.1", 0)) as server:
                ports.append(server.getsockname()[1])
        words = [
            str(program),
            f"--runtime-interface-emulator-address=127.0.0.1:{ports[0]}",
            f"--runtime-api-address=127.0.0.1:{ports[1]}",
            "--log-level=error",
            *bootstrap(Path(folder)),
        ]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            wait_for(ports[0])
            yield ports[0], process.pid
        finally:
            os.killpg(process.pid, 9)
            process.wait()


def wait_for(port: int) -> None:
    """Until somebody listens there."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"nobody listens on {port}")


class Caller:
    """A connection that sends an event and measures until its answer is there."""

    def __init__(self, port: int, body: bytes) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._message = head.encode() + body
        self._body = body
        self._held = b""
        self._began = 0.0

    def send(self) -> None:
        self._began = time.perf_counter()
        self.sock.sendall(self._message)

    def take(self) -> float | None:
        """Read what is there; the seconds once the answer is complete."""
        self._held += self.sock.recv(65536)
        head, found, rest = self._held.partition(b"\r\n\r\n")
        if not found or len(rest) < len(self._body):
            return None
        assert head.startswith(b"HTTP/1.1 200"), head
        assert rest == self._body, rest[:200]
        self._held = b""
        return time.perf_counter() - self._began


def call(port: int, callers: int, events: int) -> tuple[float, list[float]]:
    """Send so many events over so many connections; seconds for all, and of each."""
    body = json.dumps({"text": "x" * (SIZE - 12)}).encode()
    made = [Caller(port, body) for _ in range(callers)]
    selector = selectors.DefaultSelector()
    for caller in made:
        selector.register(caller.sock, selectors.EVENT_READ, caller)
    seconds: list[float] = []
    left = events - callers
    began = time.perf_counter()
    for caller in made:
        caller.send()
    while len(seconds) < events:
        for key, _ in selector.select():
            took = key.data.take()
            if took is None:
                continue
            seconds.append(took)
            if left > 0:
                left -= 1
                key.data.send()
    whole = time.perf_counter() - began
    for caller in made:
        caller.sock.close()
    return whole, seconds


def resident(pid: int, name: str) -> float:
    """MiB of a process's memory: `VmRSS`, or `VmHWM` for the most so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"no {name}")


def long_stream() -> tuple[float, float]:
    """Seconds for 1 GB, and how many MiB the emulator's memory grew by."""
    with own(1, STREAMER) as (port, pid), socket.create_connection(("127.0.0.1", port)) as connection:
        before = resident(pid, "VmRSS")
        body = str(STREAMED).encode()
        head = f"POST {STREAM_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        head += "Connection: close\r\n\r\n"
        began = time.perf_counter()
        connection.sendall(head.encode() + body)
        buffer, size = bytearray(1 << 20), 0
        while count := connection.recv_into(buffer):
            size += count
        assert size > STREAMED, size
        return time.perf_counter() - began, resident(pid, "VmHWM") - before


def measured(rie: Path | None, rounds: int, events: int) -> dict[str, float]:
    """All figures."""
    found: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    for number in range(rounds):
        sides = [("imagekit", own(1)), *([("aws-lambda-rie", aws(rie))] if rie else [])]
        times = {}
        for name, side in sides[:: -1 if number % 2 else 1]:
            with side as (port, _):
                call(port, 1, 50)
                seconds = call(port, 1, events)[1]
                times[name] = statistics.median(seconds) * 1000
                add(f"round trip, ms: {name}", times[name])
                add(f"round trip, ms, 99 %: {name}", statistics.quantiles(seconds, n=100)[98] * 1000)
        if rie:
            add("ratio", times["imagekit"] / times["aws-lambda-rie"])
        with own(8) as (port, _):
            call(port, 8, 100)
            add("events/s over 8 environments", events * 4 / call(port, 8, events * 4)[0])
    seconds, grown = long_stream()
    add("1 GB streamed, s", seconds)
    add("memory grown, MiB", grown)
    return {**{name: statistics.median(values) for name, values in found.items()}, **local_images.measured(rounds)}


def fetched(folder: Path) -> Path | None:
    """AWS's emulator out of its wheel; None when that cannot be had."""
    words = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder), SAM]
    if subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *words], check=False).returncode:
        return None
    (wheel,) = folder.glob("*.whl")
    program = folder / "aws-lambda-rie"
    with zipfile.ZipFile(wheel) as opened:
        program.write_bytes(opened.read(f"samcli/local/rapid/aws-lambda-rie-{NAME}"))
    program.chmod(0o755)
    return program


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--rie", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--environments", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--script", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve, given.environments, given.script)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measured(given.rie or fetched(Path(folder)), given.rounds, given.events)
    for name, value in found.items():
        goal = GOALS.get(name.removesuffix(": imagekit"))
        print(f"{name:40} {value:10.3f}" + (f"   goal {goal}" if goal is not None else ""))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
