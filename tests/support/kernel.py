"""A Linux of its own for a test: a kernel that is a program, over this machine's files, where we are root.

What a test needs of a kernel may be another one's here (control groups of version 2 that have the memory controller).
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.commands import CHECKOUT, Ran, run
from tests.support.tools import need

#: A folder in memory, the only one that can be written to.
FOLDER = "/mnt"
_INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME={folder} TMPDIR={folder} PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs {folder} -o exec,size=1g
ip link set lo up
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
cd {checkout}
echo begin-of-output
{settings} {command} 2>&1
echo "end-of-output $?"
halt -f
"""


def in_own_kernel(command: Sequence[str], folder: Path, settings: Mapping[str, str], seconds: float = 900) -> Ran:
    """Run a command there, in the checkout; its output, stderr with it, and its exit code."""
    program = need("linux.uml")
    script = folder / "init"
    words = shlex.join(["env", *(f"{name}={value}" for name, value in settings.items())])
    script.write_text(
        _INIT.format(folder=FOLDER, checkout=CHECKOUT, settings=words, command=shlex.join(command)), encoding="utf-8"
    )
    script.chmod(0o755)
    options = ["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "mem=2500M", "quiet"]
    # Its memory is a file of its own, its console stdout.
    ran = run(
        *(program, *options, "con=null", "con0=null,fd:1", f"umid=imagekit-{os.getpid()}", f"init={script}"),
        settings={"HOME": str(folder)},
        seconds=seconds,
    )
    found = re.search(r"begin-of-output\r?\n(.*)end-of-output (\d+)", ran.out, re.DOTALL)
    assert found, ran.out[-3000:] + ran.err[-3000:]
    return Ran(int(found[2]), found[1], ran.err)
