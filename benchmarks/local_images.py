"""Images on this machine: how fast a root file system is unpacked, and how soon `dev` shows what was changed.

The image is a system with this Python's and this machine's libraries in it, some hundred MB. Each round unpacks into a
folder that was not there before: a file system takes its time with names that were removed a moment ago. For
`imagekit dev` a program saves the handler, a script, and asks until the answer is the new one.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from imagekit.oci.digest import Digest
from imagekit.rootfs.unpack import Layer, unpacked
from tests.support import bases

OCI, NAME = {"x86_64": ("amd64", "x86_64"), "aarch64": ("arm64", "arm64")}[platform.machine()]
SIZE = 300 << 20
SHELL = "usr/bin/busybox"
SPEC = {
    "name": "answers",
    "language": "custom",
    "os": "al2023",
    "base": "oci:base",
    "architectures": [NAME],
    "bootstrap": {"per_event": [f"/{SHELL}", "sh", "/var/task/answer.sh"]},
    "files": [{"source": "answer.sh", "target": "/var/task/"}],
}


def library() -> bytes:
    """A tar of this Python's library and of the system's, up to so many bytes: small files first, then large ones."""
    out, own = io.BytesIO(), Path(sysconfig.get_path("stdlib"))
    files = [path for path in own.rglob("*") if "site-packages" not in path.parts]
    files += Path("/usr/lib").glob(f"{platform.machine()}-linux-gnu/*")
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in files:
            if out.tell() < SIZE and path.is_file() and not path.is_symlink():
                tar.add(path, f"opt/library{path}")
    return out.getvalue()


def unpack(tar: bytes, folder: Path, rounds: int) -> list[float]:
    """MB/s of each round."""
    blob = gzip.compress(tar, 6, mtime=0)
    pieces = [blob[place : place + (256 << 10)] for place in range(0, len(blob), 256 << 10)]
    layer = Layer(opener=lambda: nullcontext(iter(pieces)), diff_id=Digest.of(tar))
    found = []
    for number in range(rounds):
        began = time.perf_counter()
        unpacked(str(folder / f"unpacked-{number}"), [layer], "library")
        found.append(len(tar) / 1e6 / (time.perf_counter() - began))
    return found


def base(tar: bytes, folder: Path) -> None:
    """A base with the library and a shell, as an image layout."""
    shell = Path(shutil.which("busybox") or "").read_bytes()
    layers = [*(bases.layer(nodes) for nodes in bases.system_layers(OCI, {"sh": shell, "busybox": shell})), tar]
    made = bases.StandIn.of({OCI: layers})
    blobs = {**made.blobs, **made.manifests, bases.digest(made.index): made.index}
    (folder / "blobs/sha256").mkdir(parents=True)
    for name, data in blobs.items():
        (folder / "blobs/sha256" / name.removeprefix("sha256:")).write_bytes(data)
    entry = {"mediaType": made.index_type, "digest": bases.digest(made.index), "size": len(made.index)}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


@contextmanager
def developed(folder: Path) -> Iterator[Callable[[], str]]:
    """`imagekit dev` in a folder; what its function answers now, empty while it is started again."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "imagekit", "--quiet", "dev", "--port", str(port)]
    settings = {**os.environ, "IMAGEKIT_CACHE_DIR": str(folder / "cache")}
    process = subprocess.Popen(words, cwd=folder, env=settings, stderr=subprocess.DEVNULL)

    def ask() -> str:
        url = f"http://127.0.0.1:{port}/2015-03-31/functions/answers/invocations"
        try:
            with urllib.request.urlopen(url, data=b"{}", timeout=60) as answer:
                return str(answer.read().decode())
        except OSError:
            assert process.poll() is None, "imagekit dev has ended"
            return ""

    try:
        yield ask
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def until(ask: Callable[[], str], wanted: str) -> None:
    """Ask until this is the answer."""
    end = time.monotonic() + 60
    while (answer := ask().strip()) != wanted:
        assert time.monotonic() < end, answer
        time.sleep(0.005)


def develop(folder: Path, rounds: int) -> list[float]:
    """Seconds from each save to the first answer that is the new one."""
    (folder / "runtime.yaml").write_text(json.dumps(SPEC))
    handler, found = folder / "answer.sh", []
    handler.write_text('echo "[0]"\n')
    with developed(folder) as ask:
        until(ask, "[0]")
        for number in range(1, rounds + 1):
            time.sleep(0.5 + 0.03 * number)  # the moments between two looks at the files all come
            began = time.perf_counter()
            handler.write_text(f'echo "[{number}]"\n')
            until(ask, f"[{number}]")
            found.append(time.perf_counter() - began)
    return found


def measured(rounds: int) -> dict[str, float]:
    """Both figures."""
    tar = library()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {"root file system unpacked, MB/s": statistics.median(unpack(tar, folder, rounds))}
        if shutil.which("busybox"):
            base(tar, folder / "base")
            found["dev, save to answer, s"] = statistics.median(develop(folder, rounds))
        return found
