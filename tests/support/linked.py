"""Programs of this machine's packages with the libraries that they are linked against, for both architectures."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from tests.support.commands import good
from tests.support.tools import ARM64_SYSROOT, missing, need

#: Where an image has the loader, by OCI's name of the architecture.
LOADERS = {"amd64": ("usr/lib64", "ld-linux-x86-64.so.2"), "arm64": ("usr/lib", "ld-linux-aarch64.so.1")}
ROOTS = {"amd64": "/", "arm64": ARM64_SYSROOT}
TRIPLES = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_NEEDED = re.compile(r"\(NEEDED\).*\[([^\]]+)\]")


def found(architecture: str, path: str) -> Path:
    """A file of the packages of an architecture."""
    real = Path(ROOTS[architecture], path.lstrip("/"))
    if not real.exists():
        missing(f"there is no {real}; scripts/ci-tools installs it")
    return real


def library(architecture: str, name: str) -> bytes:
    """A library."""
    return _library(architecture, name).read_bytes()


@functools.cache
def linked(architecture: str, *names: str) -> dict[str, bytes]:
    """These libraries and all that they need, by name, without the loader."""
    loader = LOADERS[architecture][1]
    waiting, seen = [*names], {}
    while waiting:
        name = waiting.pop()
        if name not in seen and name != loader:
            path = _library(architecture, name)
            seen[name] = path.read_bytes()
            waiting += needs(path)
    return seen


def needs(program: Path) -> list[str]:
    """The names of the libraries that a program or a library is linked against."""
    return _NEEDED.findall(good(need("readelf"), "-d", program).out)


def system(architecture: str) -> dict[str, bytes]:
    """The libraries that Amazon Linux has, where it has them, with a Bash and what that needs."""
    folder, loader = LOADERS[architecture]
    bash = found(architecture, "/bin/bash")
    names = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libstdc++.so.6", "libgcc_s.so.1")
    libraries = linked(architecture, *names, *needs(bash))
    return {
        f"{folder}/{loader}": library(architecture, loader),
        "usr/bin/bash": bash.read_bytes(),
        **{f"usr/lib64/{name}": data for name, data in libraries.items()},
    }


def _library(architecture: str, name: str) -> Path:
    places = [Path(ROOTS[architecture], base, TRIPLES[architecture], name) for base in ("lib", "usr/lib")]
    there = [path for path in places if path.exists()]
    if not there:
        missing(f"there is no {name} for {architecture}; scripts/ci-tools installs it")
    return there[0]
