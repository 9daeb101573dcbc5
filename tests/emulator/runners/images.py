"""One small image for either architecture: a program that tries what a function may try, and files to try it on."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from imagekit.architecture import Architecture
from imagekit.emulator.ports import RootFilesystem
from imagekit.oci.config import Config
from imagekit.oci.digest import Digest
from imagekit.oci.platform import Platform
from imagekit.rootfs.unpack import Layer, unpacked
from tests.emulator.runners.running import PROBE
from tests.support.tools import missing

_FOLDERS = {"dev": 0o755, "etc": 0o755, "proc": 0o755, "tmp": 0o1777, "var": 0o755, "var/runtime": 0o755,
            "var/task": 0o755, "opt": 0o755, "locked": 0o700}  # fmt: skip
_FILES = {"var/task/private": 0o600, "var/task/public": 0o644, "locked/inner": 0o644, "var/task/script": 0o644}


@dataclass(frozen=True)
class Made:
    """The image unpacked, and what gives its archive to an engine."""

    filesystem: RootFilesystem
    archive: bytes
    tar: bytes

    def opened(self, _: RootFilesystem) -> AbstractContextManager[Iterable[bytes]]:
        return contextlib.nullcontext([self.archive])


def make(architecture: Architecture, folder: Path) -> Made:
    """Compile, pack and unpack it."""
    tar = _tar(_compiled(architecture, folder))
    config = Config(
        platform=Platform(os="linux", architecture=architecture.oci),
        diff_ids=(Digest.of(tar),),
        environment={"FROM_IMAGE": "yes"},
    )
    blob = gzip.compress(tar, 1, mtime=0)
    layer = Layer(opener=lambda: contextlib.nullcontext(iter([blob])), diff_id=config.diff_ids[0])
    place = unpacked(str(folder / "images"), [layer], "probe:1")
    reference = f"probe:{architecture.oci}"
    filesystem = RootFilesystem(reference=reference, architecture=architecture, config=config, folder=place)
    return Made(filesystem, _archive(reference, config.to_bytes(), tar), tar)


def _compiled(architecture: Architecture, folder: Path) -> bytes:
    """By the system's compiler where there is one: the other one compiles its library first."""
    out = folder / f"probe-{architecture}"
    source = str(Path(__file__).with_name("probe.c"))
    words = ["-Os", "-s", "-static", "-o", str(out), source]
    compiler = shutil.which(f"{architecture.rpm}-linux-gnu-gcc")
    if compiler:
        subprocess.run([compiler, *words], check=True)
    elif find_spec("ziglang"):
        cache = {name: str(folder / "zig") for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")}
        zig = [sys.executable, "-m", "ziglang", "cc", "-target", f"{architecture.rpm}-linux-musl"]
        subprocess.run([*zig, *words], check=True, env={**os.environ, **cache})
    else:
        missing("there is neither gcc nor ziglang")
    return out.read_bytes()


def _tar(program: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, mode in _FOLDERS.items():
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, mode
            archive.addfile(info)
        for name, mode in _FILES.items():
            _add(archive, name, mode, b"content\n")
        _add(archive, PROBE[1:], 0o755, program)
    return out.getvalue()


def _add(archive: tarfile.TarFile, name: str, mode: int, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.mode, info.size = mode, len(data)
    archive.addfile(info, io.BytesIO(data))


def _archive(reference: str, config: bytes, tar: bytes) -> bytes:
    """As `docker save` writes it."""
    out = io.BytesIO()
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in {
            "config.json": config,
            "layer.tar": tar,
            "manifest.json": json.dumps(manifest).encode(),
        }.items():
            _add(archive, name, 0o644, data)
    return out.getvalue()
