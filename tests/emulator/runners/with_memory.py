"""Where a control group has the memory controller: test_control_group.py runs this in a kernel of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.emulator.runners.test_ordinary_user import place

__all__ = ["place"]
TOP = Path("/sys/fs/cgroup")
MIB = 1 << 20


def groups(top: Path = TOP) -> list[Path]:
    return sorted(top.glob("imagekit-*"))


def test_a_sandbox_has_a_group_with_bounds(open_sandbox):
    sandbox = open_sandbox(memory=64, temporary=100)
    assert sandbox.sandbox.keeps_memory.startswith("by a control group")
    (group,) = groups()
    assert (group / "memory.max").read_text() == f"{164 * MIB}\n"
    assert (group / "memory.oom.group").read_text() == "1\n"
    waiting = sandbox.start("wait")
    waiting.line()
    assert len((group / "cgroup.procs").read_text().split()) == 1
    sandbox.sandbox.close()
    assert groups() == []


def test_the_limit_is_kept_by_what_the_group_says(open_sandbox):
    sandbox = open_sandbox(memory=64, temporary=300)
    assert sandbox.says("fill", "/tmp/x", "200") == "200"  # a disk on Lambda: no memory
    assert sandbox.start("eat", "30").process.wait(20) == 0
    assert 30 * MIB <= sandbox.sandbox.peak_memory() < 50 * MIB
    other, hungry = sandbox.start("wait"), sandbox.start("eat", "200")
    assert hungry.process.wait(20) == -signal.SIGKILL
    assert other.process.wait(20) == -signal.SIGKILL


def test_behind_it_stands_the_kernel(open_sandbox):
    """Its bound is brought below the limit, so that it is crossed first, however soon the next look comes."""
    sandbox = open_sandbox(memory=64, temporary=1)
    (group,) = groups()
    (group / "memory.max").write_text(str(40 * MIB))
    other, hungry = sandbox.start("wait"), sandbox.start("eat", "200")
    assert hungry.process.wait(20) == -signal.SIGKILL
    assert other.process.wait(20) == -signal.SIGKILL  # memory.oom.group: all of it goes
    events = dict(line.split() for line in (group / "memory.events").read_text().splitlines())
    assert int(events["oom_kill"]) >= 1
    sandbox.sandbox.close()


def test_an_ordinary_user_has_groups_below_what_is_delegated(name, make_image, native, place):
    user = place.joinpath("own").stat().st_uid
    delegated = TOP / "delegated"
    (delegated / "app").mkdir(parents=True)
    (delegated / "cgroup.subtree_control").write_text("+memory")
    for folder in (delegated, delegated / "app"):
        for item in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
            os.chown(folder / item, user, user)
    (place / "tar").write_bytes(make_image(native).tar)
    python = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    enter = f'echo 0 >{delegated}/app/cgroup.procs && exec setpriv --reuid {user} --regid {user} --clear-groups "$@"'
    ran = subprocess.run(
        ["sh", "-c", enter, "-", python, "-m", "tests.emulator.runners.ordinary", name, place / "tar", place / "own"],
        cwd=place,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=False,
        timeout=200,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    seen = json.loads(ran.stdout)
    assert seen["keeps"].startswith("by a control group")
    assert seen["hungry"] == -signal.SIGKILL
    assert groups(delegated) == []
    (delegated / "app").rmdir()
    delegated.rmdir()
