"""Dockerfiles of Lambda functions as people have them, after AWS's documentation, and the specs that they become."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.bench import Bench

CASES = Path(__file__).resolve().parent / "dockerfiles"


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_the_spec_is_valid_and_what_it_could_not_is_said(case: str, bench: Bench, update: bool) -> None:
    shutil.copytree(CASES / case / "context", bench.folder, dirs_exist_ok=True)
    shutil.copy(CASES / case / "Dockerfile", bench.folder)
    outcome = bench.run("init", "--from", "Dockerfile").ok()
    found = {"runtime.yaml": (bench.folder / "runtime.yaml").read_text(), "said.txt": outcome.err}
    for name, text in found.items():
        if update:
            (CASES / case / name).write_text(text)
        assert text == (CASES / case / name).read_text()
    assert bench.run("validate").code == 0
