"""Who is measured: a command that speaks the Runtime API, ready to run."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PARTS = Path(__file__).resolve().parent
#: What Lambda sets, where a client or a worker looks at it.
LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "measured",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/measured",
    "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_REGION": "eu-west-1",
    "LANG": "C.UTF-8",
}


class Missing(Exception):
    """A candidate cannot be measured on this machine; the text says what it needs."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One client. `sizes` are the loads that make sense for it, all when empty; `stream` are bytes of its answers."""

    name: str
    command: tuple[str, ...]
    handler: str = "echo.handler"
    environment: Mapping[str, str] = field(default_factory=dict)
    sizes: tuple[str, ...] = ()
    stream: int = 0


class Workshop:
    """A folder for all that is compiled and installed; what is there already is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.task = self.folder / "task"
        self.scratch = self.folder / "tmp"
        for made in (self.task, self.scratch):
            shutil.rmtree(made, ignore_errors=True)
        shutil.copytree(PARTS / "handlers", self.task)  # interpreters leave compiled files beside their sources
        self.scratch.mkdir()

    @property
    def environment(self) -> dict[str, str]:
        """What every candidate sees."""
        around = {"PATH": os.environ["PATH"], "HOME": str(self.scratch), "TMPDIR": str(self.scratch)}
        return {**around, **LAMBDA, "LAMBDA_TASK_ROOT": str(self.task)}

    def compiled(self, name: str, *sources: Path) -> Path:
        """A static program out of C sources, made again when they change."""
        compiler = _compiler()
        inputs = [
            path.read_bytes() for path in sorted({near for path in sources for near in path.parent.glob("*.[ch]")})
        ]
        digest = hashlib.sha256(b"\0".join([" ".join(compiler).encode(), *inputs])).hexdigest()[:16]
        program = self.folder / "programs" / f"{name}-{digest}"
        if not program.exists():
            program.parent.mkdir(exist_ok=True)
            flags = ["-static", "-s", "-std=gnu11", "-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]
            made = program.with_suffix(".made")
            names = ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")
            caches = {name: os.environ.get(name, str(self.folder / "zig")) for name in names}
            run([*compiler, *flags, "-o", str(made), *map(str, sources)], self.folder, environment=caches)
            made.rename(program)
        return program

    def installed(self, name: str, install: Callable[[Path], None]) -> Path:
        """A folder that `install` fills, once; the name holds the version."""
        folder = self.folder / "peers" / name
        mark = folder / ".installed"
        if not mark.exists():
            print(f"installing {name} …", file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            install(folder)
            mark.touch()
        return folder


def _compiler() -> list[str]:
    """The one that the runtime client is built with, else the system's."""
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", "-target", f"{os.uname().machine}-linux-musl"]
    return [need("cc")]


def need(program: str, package: str = "") -> str:
    """The path of a program; raises Missing."""
    path = shutil.which(program)
    if path is None:
        raise Missing(f"needs {package or program}")
    return path


def run(command: list[str], folder: Path, *, environment: Mapping[str, str] | None = None) -> str:
    """Run a command of an installation, what it prints; raises Missing with the end of that when it fails."""
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-600:]
        raise Missing(f"`{' '.join(command[:4])} …` failed: {said}")
    return done.stdout
