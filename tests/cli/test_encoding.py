"""A locale whose file names are not UTF-8 changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import elf

SPEC = """name: letters
language: custom
os: scratch
handler: app
bootstrap: {path: bootstrap}
files:
  - {source: grüße/, target: /var/task}
"""
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("settings", [{}, ASCII], ids=["as the machine is", "ascii"])
def test_names_of_files_are_read_and_shown_as_utf_8(settings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "grüße").mkdir()
    (tmp_path / "grüße/zoë.txt").write_text("x")
    (tmp_path / "bootstrap").write_bytes(elf(183))
    (tmp_path / "runtime.yaml").write_text(SPEC, encoding="utf-8")
    command = [sys.executable, "-m", "imagekit", "build", "--platform", "arm64", "--output", "oci:out"]
    environment = {**os.environ, **settings}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    shown = subprocess.run(
        [*command[:3], "inspect", "oci:out"], cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=True
    )
    assert "grüße/".encode() in shown.stdout
