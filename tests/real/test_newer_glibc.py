"""What a compiler links against a glibc is found in the program, for both architectures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support.commands import good, imagekit
from tests.support.docker_registry import Bases

pytestmark = pytest.mark.real

#: strlcpy came with glibc 2.38.
SOURCE = """
#include <string.h>
int main(int count, char **words) { char copy[8]; return (int)strlcpy(copy, words[count - 1], sizeof copy); }
"""


def test_a_program_for_a_newer_glibc_is_refused(aws: Bases, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(SOURCE)
    for name, machine in {"x86_64": "x86_64", "arm64": "aarch64"}.items():
        (tmp_path / name).mkdir()
        words = ("-m", "ziglang", "cc", "-target", f"{machine}-linux-gnu.2.38", "-o", f"{name}/app", "main.c")
        good(sys.executable, *words, folder=tmp_path)
    spec = {"name": "app", "language": "custom", "os": "al2023", "bootstrap": {"path": "{architecture}/app"}}
    (tmp_path / "runtime.yaml").write_text(json.dumps(spec))
    ran = imagekit("build", folder=tmp_path, settings=aws.settings)
    assert ran.code == 1, ran.err
    needs = "needs glibc 2.38 for `strlcpy`, and Amazon Linux 2023 has 2.34"
    assert f"'/var/runtime/bootstrap' for x86_64 and arm64 {needs}" in ran.err
