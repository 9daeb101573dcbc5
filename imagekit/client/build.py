"""Makes the runtime client: `source/` becomes one static program for each architecture, the same bits everywhere.

It runs before imagekit is installed, in the build hook of the wheel: standard library only.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

__all__ = ["TARGETS", "build", "fingerprint"]

#: Folder below `bin/`, which is the architecture's name everywhere in imagekit, and the compiler's name for it.
TARGETS: Final = {"x86_64": "x86_64-linux-musl", "arm64": "aarch64-linux-musl"}

#: -O2: with -Os the compiler makes its libc byte by byte as well, which is twice as slow for 6 KB less.
_FLAGS: Final = (
    *("-std=c11", "-D_GNU_SOURCE", "-mcpu=baseline", "-O2", "-static", "-s"),
    *("-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", "-Wl,--build-id=none"),
    *("-fno-sanitize=all", "-fno-asynchronous-unwind-tables", "-fno-ident"),
    *("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes"),
)


def build(folder: Path, environment: Mapping[str, str]) -> None:
    """Compile both programs into `folder`/bin/<architecture>/bootstrap; nothing when they are current.

    `folder` is the one of this file, with `source/` in it; `environment` is the compiler's and cannot change a bit.
    Raises CalledProcessError where the compiler fails.
    """
    stamp = folder / "bin/.fingerprint"
    programs = [folder / "bin" / name / "bootstrap" for name in TARGETS]
    wanted = fingerprint(folder)
    if stamp.exists() and stamp.read_text() == wanted and all(program.exists() for program in programs):
        return
    with TemporaryDirectory(prefix="imagekit-client-") as scratch:
        for program, target in zip(programs, TARGETS.values(), strict=True):
            program.parent.mkdir(parents=True, exist_ok=True)
            _compile(folder / "source", target, program, _caches(environment, Path(scratch)))
    stamp.write_text(wanted)


def fingerprint(folder: Path) -> str:
    """A digest over all that decides about the programs' bits: sources, flags, compiler, version of imagekit."""
    digest = hashlib.sha256(repr((_FLAGS, _compiler_version(), _version(folder))).encode())
    for source in sorted((folder / "source").glob("*.[ch]")):
        content = hashlib.sha256(source.read_bytes()).hexdigest()
        digest.update(f"{source.name} {content}\n".encode())
    return digest.hexdigest()


def _version(folder: Path) -> str:
    """imagekit's version, read from its text: imagekit may not be importable yet."""
    found = re.search(r'^__version__ = "([^"]+)"$', (folder.parent / "__init__.py").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{folder.parent / '__init__.py'} says no version")
    return found[1]


def _compiler_version() -> str:
    from importlib.metadata import version

    return version("ziglang")


def _caches(environment: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """What it makes of its own libc, most of the work, stays in the user's cache; what it makes of ours does not."""
    found = {**environment, "ZIG_LOCAL_CACHE_DIR": str(scratch / "cache")}
    if not {"HOME", "XDG_CACHE_HOME", "ZIG_GLOBAL_CACHE_DIR"} & found.keys():
        found["ZIG_GLOBAL_CACHE_DIR"] = str(scratch / "global")
    return found


def _compile(source: Path, target: str, program: Path, environment: Mapping[str, str]) -> None:
    """One program; it comes into its place whole or not at all."""
    files = sorted(file.name for file in source.glob("*.c"))
    version = f'-DVERSION="{_version(source.parent)}"'
    unfinished = program.with_suffix(".unfinished")
    arguments = ("-target", target, *_FLAGS, version, f"-ffile-prefix-map={source}=.", *files, "-o", str(unfinished))
    _run(arguments, source, environment)
    unfinished.chmod(0o755)
    unfinished.replace(program)


def _run(arguments: Sequence[str], source: Path, environment: Mapping[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *arguments], cwd=source, env=environment, check=True)
