"""Whatever ends imagekit, nothing of it stays in the engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import pytest

from imagekit.architecture import X86_64
from imagekit.containers import images, owners
from imagekit.containers.container import Form, container
from imagekit.containers.owners import Owner
from imagekit.errors import BuildFailed, Missing
from tests.containers.conftest import picture
from tests.support import pictures
from tests.support.bases import Node

pytestmark = pytest.mark.real
OWNER = Owner.of_this_process()
#: Makes a container, runs something in it, and says so.
PROGRAM = """
import os, signal, sys
from imagekit.architecture import X86_64
from imagekit.containers.connection import connected
from imagekit.containers.container import Form, container
from imagekit.containers.owners import Owner
from imagekit.containers.processes import Command
signal.signal(signal.SIGINT, signal.default_int_handler)
with connected(os.environ) as engine:
    form = Form(image=sys.argv[1], architecture=X86_64, memory={"/run/secrets": 1 << 20})
    with container(engine, form, Owner.of_this_process()) as box:
        script = "trap '' TERM INT; echo begun; sleep 1000 & sleep 1000"
        box.run(Command(words=("/bin/sh", "-c", script)), lambda data: print(data.decode(), flush=True), print)
"""


def everything(connected) -> list[str]:
    found = [item["Id"] for item in connected.api.containers(all=True)]
    return found + [item["Name"] for item in connected.api.volumes().get("Volumes") or ()]


def wait_until_empty(connected) -> None:
    end = time.monotonic() + 60
    while everything(connected):
        assert time.monotonic() < end, everything(connected)
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=str)
def test_a_run_that_is_ended_leaves_nothing(connected, running, number):
    name = images.ready(connected, picture(X86_64))
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, name], env={**os.environ, **running.settings}, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with process, closing(process.stdout):
        assert process.stdout.readline() == b"begun\n"
        assert len(everything(connected)) == 1
        process.send_signal(number)
    wait_until_empty(connected)


def test_what_an_engine_kept_of_dead_runs_is_removed_by_the_next(connected, running):
    name = images.ready(connected, picture(X86_64))
    dead = replace(OWNER, start="0")
    elsewhere = replace(dead, host="another-machine")
    for owner in (OWNER, dead, elsewhere):
        labels = [f"--label={key}={value}" for key, value in owner.labels.items()]
        running.docker("create", "--network=none", f"--name=of-{owner.host}-{owner.start}", *labels, name)
        running.docker("volume", "create", *labels, f"of-{owner.host}-{owner.start}")
    try:
        with container(connected, Form(image=name, architecture=X86_64), OWNER):
            pass
        left = running.docker("ps", "--all", "--format={{.Names}}").out.split()
        assert sorted(left) == sorted(f"of-{one.host}-{one.start}" for one in (OWNER, elsewhere))
        volumes = running.docker("volume", "ls", "--format={{.Name}}").out.split()
        assert sorted(volumes) == sorted(left)
    finally:
        for one in (OWNER, elsewhere):
            owners.remove(connected, f"of-{one.host}-{one.start}")
            connected.api.remove_volume(f"of-{one.host}-{one.start}")


def test_programs_that_the_engine_cannot_run_are_told(connected):
    """As where no emulation is registered: a shell for a machine that this kernel has no interpreter for."""
    foreign = bytearray(pictures.busybox(X86_64))
    foreign[18:20] = (0x1234).to_bytes(2, "little")
    from imagekit.architecture import ARM64

    name = images.ready(connected, pictures.picture(ARM64, shell=bytes(foreign)))
    with (
        pytest.raises(Missing, match="does not run programs of arm64") as caught,
        container(connected, Form(image=name, architecture=ARM64), OWNER),
    ):
        pytest.fail("it cannot run")
    assert "qemu-user-static" in caught.value.hint
    assert everything(connected) == []


def test_an_image_without_a_shell_is_told(connected):
    without = pictures.picture(X86_64, {"bin/sh": Node(b"", mode=0o644)})
    name = images.ready(connected, without)
    with (
        pytest.raises(BuildFailed, match="no command can run") as caught,
        container(connected, Form(image=name, architecture=X86_64), OWNER),
    ):
        pytest.fail("it cannot run")
    assert "/bin/sh" in caught.value.hint
    assert everything(connected) == []
