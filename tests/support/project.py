"""A project of a user with everything that a layer can go wrong with, and what its image has to hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.bases import system_layers

BOOTSTRAP = """#!/bin/sh
echo "$(busybox uname -m) $_HANDLER $PWD $LAMBDA_TASK_ROOT $GREETING"
"""
SPEC = """name: project
language: custom
os: {os}
handler: app.handler
bootstrap: {{path: "build/{{architecture}}/bootstrap"}}
environment: {{GREETING: hello}}
files:
  - {{source: src/, target: /var/task}}
  - {{source: lib/libown.so, target: /lib64/}}
  - {{source: tool, target: /bin/tool}}
  - {{source: data, target: /var/run/data, mode: "0755"}}
"""
_LONG = f"{'deep/' * 30}{'n' * 90}.txt"


@dataclass(frozen=True)
class Seen:
    """One path of a file system: its kind (`d`, `f`, `l`), mode, owner, and what it holds or points to."""

    kind: str
    mode: int = 0o777
    holds: str = ""
    owner: tuple[int, int] = (0, 0)

    @classmethod
    def file(cls, data: bytes, mode: int, owner: tuple[int, int] = (0, 0)) -> Seen:
        return cls("f", mode, hashlib.sha256(data).hexdigest(), owner)


def write(folder: Path, os_name: str = "al2023", size: int = 2_500_000) -> Path:
    """Write the project; `size` bytes of one file make its layer larger than a block of the codec. Returns the spec."""
    files = {
        "build/x86_64/bootstrap": (BOOTSTRAP.encode(), 0o700),
        "build/arm64/bootstrap": (BOOTSTRAP.encode(), 0o755),
        "src/private.txt": (b"private", 0o600),
        "src/run.sh": (b"#!/bin/sh\n", 0o710),
        "src/füü bar.txt": ("Grüße".encode(), 0o664),
        f"src/{_LONG}": (b"deep", 0o644),
        "src/large.bin": (large(size), 0o640),
        "lib/libown.so": (b"own library", 0o777),
        "tool": (b"#!/bin/sh\necho tool\n", 0o755),
        "data": (b"data", 0o644),
    }
    for name, (data, mode) in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
    (folder / "src/empty").mkdir()
    (folder / "src/empty").chmod(0o700)
    (folder / "src/link").symlink_to("private.txt")
    if os.geteuid() == 0:
        os.chown(folder / "src/private.txt", 1234, 5678)
    spec = folder / "runtime.yaml"
    spec.write_text(SPEC.format(os=os_name))
    return spec


def large(size: int) -> bytes:
    """Bytes that compress by half or so, always the same."""
    pieces = (hashlib.sha256(str(number).encode()).hexdigest().encode() for number in range(size // 64 + 1))
    return b"".join(pieces)[:size]


def expected(architecture: str, programs: Mapping[str, bytes], size: int = 2_500_000) -> dict[str, Seen]:
    """Every path of the project's image, with the base's below it; `architecture` is OCI's name."""
    found: dict[str, Seen] = {}
    for layer in system_layers(architecture, programs):
        for name, node in layer.items():
            if node.link:
                found[name] = Seen("l", 0o777, node.link)
            elif node.data is None:
                found[name] = Seen("d", node.mode)
            else:
                found[name] = Seen.file(node.data, node.mode)
    parts = _LONG.split("/")
    folders = ["var/task/empty", *("var/task/" + "/".join(parts[:depth]) for depth in range(1, len(parts)))]
    found |= {name: Seen("d", 0o755) for name in folders}
    return found | {
        "var/runtime/bootstrap": Seen.file(BOOTSTRAP.encode(), 0o755),
        "var/task/private.txt": Seen.file(b"private", 0o644),
        "var/task/run.sh": Seen.file(b"#!/bin/sh\n", 0o755),
        "var/task/füü bar.txt": Seen.file("Grüße".encode(), 0o644),
        f"var/task/{_LONG}": Seen.file(b"deep", 0o644),
        "var/task/large.bin": Seen.file(large(size), 0o644),
        "var/task/link": Seen("l", 0o777, "private.txt"),
        "usr/lib64/libown.so": Seen.file(b"own library", 0o755),
        "usr/bin/tool": Seen.file(b"#!/bin/sh\necho tool\n", 0o755),
        "run/data": Seen.file(b"data", 0o755),
    }
