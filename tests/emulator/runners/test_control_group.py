"""Control groups as they are elsewhere: of version 2 with the memory controller, and none at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support.commands import CHECKOUT, run
from tests.support.kernel import FOLDER, in_own_kernel
from tests.support.tools import need, need_root

_HERE = "tests/emulator/runners"
#: A program where no control group is seen, and so none can be made.
_WITHOUT = ("unshare", "--mount", "sh", "-c", 'umount --recursive --lazy /sys/fs/cgroup && exec "$@"', "-")


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


@pytest.mark.real
def test_a_crowd_is_bound_where_there_is_no_group(tmp_path: Path) -> None:
    need_root()
    need("bwrap")
    options = ["-q", "-x", "--color=no", "-p", "no:cacheprovider", "-m", "", f"--basetemp={tmp_path}/tests"]
    tests = [f"{_HERE}/without_groups.py", f"{_HERE}/test_table.py"]
    only = ["-k", "not docker and (without_groups or table_tells and processes)"]
    ran = run(*_WITHOUT, sys.executable, "-m", "pytest", *options, *tests, *only, folder=CHECKOUT)
    assert ran.code == 0, ran.out + ran.err
    assert "10 passed" in ran.out, ran.out
