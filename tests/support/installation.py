"""imagekit for another interpreter: the package, its data and its dependencies in one folder for PYTHONPATH."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

from tests.support.commands import CHECKOUT, run
from tests.support.tools import missing


def install(folder: Path, version: str, machine: str = "x86_64") -> Path:
    """Install for a Python (`3.13`) on a machine (`aarch64`); anybody may read it. Returns the folder."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    command = ("install", "--quiet", "--target", folder, "--no-compile", "--only-binary=:all:")
    platforms = (f"--platform={name}_{machine}" for name in ("manylinux2014", "manylinux_2_28"))
    fit = (f"--python-version={version}", *platforms, "--implementation=cp")
    ran = run(sys.executable, "-m", "pip", "--disable-pip-version-check", *command, *fit, *project["dependencies"])
    if ran.code:
        missing(f"the dependencies for Python {version} on {machine} cannot be had: {ran.err[-500:]}")
    for name in ("imagekit", "base_images", "specs"):
        ignored = shutil.ignore_patterns("__pycache__", ".imagekit", "build")
        shutil.copytree(CHECKOUT / name, folder / name, ignore=ignored)
    if version == ".".join(map(str, sys.version_info[:2])):
        # The same for all machines, and compiling is slow under emulation.
        run(sys.executable, "-m", "compileall", "-q", folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder
