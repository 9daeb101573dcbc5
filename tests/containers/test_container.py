"""Containers of real engines: commands with their output, files in and out, and nothing that stays behind."""

from __future__ import annotations

import pytest

from imagekit.containers import images, transfer
from imagekit.containers.container import Container, Form, container
from imagekit.containers.owners import Owner
from imagekit.containers.processes import Command, TookTooLong
from imagekit.rootfs.entry import Entry, Kind
from tests.containers.conftest import picture

pytestmark = pytest.mark.real
OWNER = Owner.of_this_process()


@pytest.fixture
def form(connected, architecture):
    return Form(image=images.ready(connected, picture(architecture)), architecture=architecture)


def said(box: Container, script: str, **more) -> tuple[int, str]:
    """The exit code of a script and what it wrote."""
    pieces: list[bytes] = []
    code = box.run(Command(words=("/bin/sh", "-c", script), **more), pieces.append, lambda _: None)
    return code, b"".join(pieces).decode()


def names(connected) -> list[str]:
    return [found["Id"] for found in connected.api.containers(all=True)]


def test_commands_run_as_root_with_their_output_and_code(connected, form):
    with container(connected, form, OWNER) as box:
        assert said(box, "echo out; echo err >&2; exit 7") in ((7, "out\nerr\n"), (7, "err\nout\n"))
        assert said(box, "id -u; pwd; echo $FROM_IMAGE $MORE", directory="/tmp", environment={"MORE": "x y"}) == (
            0,
            "0\n/tmp\nyes x y\n",
        )
        assert said(box, "uname -m")[1].strip() == form.architecture.rpm
        assert said(box, "head -c 5 > /tmp/given; cat /tmp/given", given=b"12345") == (0, "12345")
        code, text = said(box, "seq 1 200000")
        assert (code, text.split()) == (0, [str(number) for number in range(1, 200001)])
    assert names(connected) == []


def test_a_command_that_hangs_has_a_limit_and_what_it_left_ends_with_the_container(connected, form):
    with container(connected, form, OWNER) as box:
        assert said(box, "setsid sleep 1000 >/dev/null 2>&1 & echo left") == (0, "left\n")
        with pytest.raises(TookTooLong, match="within 2 s"):
            said(box, "sleep 1000", limit=2)
    assert names(connected) == []


def test_a_daemon_that_holds_the_output_does_not_hold_the_command(connected, form):
    with container(connected, form, OWNER) as box:
        assert said(box, "sleep 1000 & echo left") == (0, "left\n")


def test_files_go_in_and_out(connected, form, tmp_path):
    items = [
        (Entry(path="made", kind=Kind.DIRECTORY, mode=0o755), None),
        (Entry(path="made/run", mode=0o755, size=17), b"#!/bin/sh\necho hi"),
        (Entry(path="made/link", kind=Kind.SYMLINK, target="run", mode=0o777), None),
    ]
    with container(connected, form, OWNER) as box:
        box.put(items)
        assert said(
            box, "./link && mkdir out && cp run out/ && ln out/run out/same && ln -s run out/l", directory="/made"
        )[1].startswith("hi")
        with box.taken("/made/out") as reader:
            assert reader
            files = transfer.unpack(reader, str(tmp_path), "the output")
        assert sorted(files) == ["out/run", "out/same"]
        assert (tmp_path / "out/l").read_text() == "#!/bin/sh\necho hi"
        assert (tmp_path / "out/run").stat().st_mode & 0o777 == 0o755
        with box.taken("/made/nothing") as reader:
            assert reader is None
        changed = dict(box.changes())
        assert changed["/made/out/run"] == 1
        assert changed.get("/etc/passwd") is None


def test_the_image_is_loaded_once(connected, architecture):
    import contextlib
    from dataclasses import replace

    wanted = picture(architecture)
    images.ready(connected, wanted)

    def fails():
        raise AssertionError("it is there")
        yield

    assert images.ready(connected, replace(wanted, archive=contextlib.contextmanager(fails))) == wanted.reference
