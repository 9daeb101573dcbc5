"""Dependencies as imagekit installs them: the command of language.yaml, in a folder with its inputs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from imagekit import language
from imagekit.architecture import ARCHITECTURES
from imagekit.spec import placeholders
from tests.support.tools import need

#: e_machine of an ELF header, by architecture.
MACHINES = {"x86_64": 62, "arm64": 183}


def install(name: str, architecture: str, files: Mapping[str, str], work: Path, version: str = "") -> Path:
    """Run it for a platform; the folder that it filled."""
    known = language.read(name)
    how = known.dependencies[0]
    for tool in how.toolchain:
        need(tool.command)
    (found,) = (each for each in ARCHITECTURES if each.name == architecture)
    words = {"version": version, "rpm_arch": found.rpm, "oci_arch": found.oci, **known.words(found)}
    added = {variable: placeholders.expand(text, words) for variable, text in known.environment.items()}
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for path, text in files.items():
        (work / path).write_text(text, encoding="utf-8")
    output = work / how.folder
    environment = {**os.environ, **added, "IMAGEKIT_OUTPUT": str(output), "IMAGEKIT_RPM_ARCH": found.rpm}
    done = subprocess.run(["sh", "-c", how.run], cwd=work, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return output


def machine(program: Path) -> int:
    """The e_machine of an ELF file."""
    header = program.read_bytes()[:20]
    assert header[:4] == b"\x7fELF"
    return int.from_bytes(header[18:20], "little")
