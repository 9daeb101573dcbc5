"""The client's parsers under libFuzzer, with AddressSanitizer and UndefinedBehaviorSanitizer: a short run each."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.commands import CHECKOUT
from tests.support.tools import need

_SOURCE = CHECKOUT / "imagekit/client/source"
_FUZZ = CHECKOUT / "tests/client/fuzz"
#: What each harness is linked with: the parsers stand alone.
_PARTS = {
    "answer": ("answer", "http", "span"),
    "frames": ("frames", "buffer", "span"),
    "configuration": ("configuration", "span"),
    "json": ("json", "buffer", "span"),
}
_SECONDS = 5


@pytest.mark.real
@pytest.mark.parametrize("name", _PARTS)
def test_a_parser_takes_any_bytes(name: str, tmp_path: Path) -> None:
    program = tmp_path / name
    sources = [_FUZZ / f"{name}.c", *(_SOURCE / f"{part}.c" for part in _PARTS[name])]
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", f"-I{_SOURCE}"]
    sanitizers = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run([need("clang"), *flags, *sanitizers, *map(str, sources), "-o", str(program)], check=True)
    found = tmp_path / "found"
    found.mkdir()
    corpus = [str(found), str(_FUZZ / "corpus" / name)]
    limits = [f"-max_total_time={_SECONDS}", "-max_len=70000", "-timeout=10", "-rss_limit_mb=1024"]
    ran = subprocess.run([str(program), *limits, *corpus], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]
