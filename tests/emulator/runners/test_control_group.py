"""Memory by control groups of version 2, in a kernel whose groups have the memory controller."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support.kernel import FOLDER, in_own_kernel
from tests.support.tools import need, need_root

_HERE = "tests/emulator/runners"


@pytest.mark.real
def test_memory_is_kept_by_a_group(tmp_path: Path) -> None:
    need_root()
    need("bwrap")
    options = ["-q", "-x", "--color=no", "-p", "no:cacheprovider", "-m", "", f"--basetemp={FOLDER}/tests"]
    ran = in_own_kernel(
        [sys.executable, "-m", "pytest", *options, f"{_HERE}/with_memory.py", f"{_HERE}/test_table.py", *_ONLY],
        tmp_path,
        {"CI": os.environ.get("CI", "")},
    )
    assert ran.code == 0, ran.out
    assert "12 passed" in ran.out, ran.out


#: The rules of the table that a group could break.
_ONLY = ("-k", "not docker and (with_memory or table_tells and memory)")
