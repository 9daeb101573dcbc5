"""Memory by a control group: what is made where, what is read, and that processes really are in it."""

import os
import signal
from pathlib import Path

import pytest

from imagekit.emulator.ports import Confines
from imagekit.emulator.runners import confined, emulated, grouped, holder
from imagekit.emulator.runners.emulated import Interpreter
from imagekit.emulator.runners.grouped import Group
from imagekit.emulator.runners.wardens import Warden
from tests.emulator.runners.running import Opened
from tests.support.tools import elsewhere, missing, need_root


def hierarchy(folder: Path, **controllers: str) -> dict[str, str]:
    """Files as the kernel shows them: a mount, the group of this process, and what each group hands on."""
    (folder / "mounts").write_text(f"proc /proc proc rw 0 0\ncgroup2 {folder}/fs cgroup2 rw 0 0\n")
    (folder / "own").write_text("1:name=systemd:/elsewhere\n0::/user/app/mine\n")
    (folder / "fs/user/app/mine").mkdir(parents=True)
    for path in ("", "user", "user/app", "user/app/mine"):
        (folder / "fs" / path / "cgroup.procs").write_text("")
        (folder / "fs" / path / "cgroup.subtree_control").write_text(
            controllers.get(path.replace("/", "_") or "top", "")
        )
    return {"mounts": str(folder / "mounts"), "own": str(folder / "own")}


def test_nothing_is_made_where_memory_is_not_handed_on(tmp_path):
    group = grouped.made(Confines(), **hierarchy(tmp_path, top="cpu pids", user="cpu"))
    assert group == Group()
    assert "no control group" in group.text
    assert group.opened() == []
    group.remove()


def test_nothing_is_made_without_the_second_version(tmp_path):
    (tmp_path / "none").write_text("")
    assert grouped.made(Confines(), mounts=str(tmp_path / "none"), own=str(tmp_path / "none")) == Group()


def test_a_group_that_takes_no_bounds_is_removed_again(tmp_path):
    """A plain folder has no `memory.max`, as a group without the controller has none."""
    files = hierarchy(tmp_path, user="cpu memory")
    assert grouped.made(Confines(), **files) == Group()
    assert sorted(item.name for item in (tmp_path / "fs/user").iterdir() if item.is_dir()) == ["app"]


def test_a_group_of_version_1_that_counts_nothing_is_removed_again(tmp_path):
    (tmp_path / "pids/own").mkdir(parents=True)
    (tmp_path / "mounts").write_text(f"cgroup {tmp_path}/pids cgroup rw,relatime,pids 0 0\n")
    (tmp_path / "own").write_text("8:pids:/own\n0::/\n")
    assert grouped.made(Confines(), mounts=str(tmp_path / "mounts"), own=str(tmp_path / "own")) == Group()
    assert os.listdir(tmp_path / "pids/own") == []


@pytest.mark.real
def test_processes_of_root_are_bound_by_a_group_of_version_1(open_sandbox, name):
    need_root()
    if name == "docker":
        return  # the engine has a group of its own
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    if not any(kind == "cgroup" and "pids" in options.split(",") for _, _, kind, options, *_ in mounts):
        elsewhere("this machine has no control groups of version 1 that count processes")
    before = grouped.made(Confines())
    try:
        if not before.crowd:
            missing("no group of version 1 can be made")
        assert Path(before.crowd, "pids.max").read_text() == "1024\n"
    finally:
        before.remove()
    assert not os.path.exists(before.crowd)
    parent = Path(before.crowd).parent
    sandbox = open_sandbox()
    waiting = sandbox.start("wait")
    waiting.line()
    (crowd,) = parent.glob(f"imagekit-{os.getpid()}-*")
    assert (crowd / "pids.current").read_text() == "1\n"
    sandbox.sandbox.close()
    assert not crowd.exists()


def test_groups_of_runs_that_are_over_are_removed(tmp_path):
    files = hierarchy(tmp_path, user_app="memory")
    gone, alive, foreign = "imagekit-999999999-ab", f"imagekit-{os.getpid()}-cd", "other-999999999"
    for name in (gone, alive, foreign):
        (tmp_path / "fs/user/app" / name).mkdir()
    grouped.made(Confines(), **files)
    left = {item.name for item in (tmp_path / "fs/user/app").iterdir()}
    assert {alive, foreign} <= left
    assert gone not in left


@pytest.fixture
def group(tmp_path):
    """A real control group, of a hierarchy that may have no memory: its figures are files of the test."""
    need_root()
    tops = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines() if " cgroup2 " in line]
    if not tops or not os.access(tops[0], os.W_OK):
        missing("there is no cgroup v2 to make a group in")
    real = Path(tops[0], f"imagekit-test-{os.getpid()}")
    real.mkdir()
    folder = tmp_path / "group"
    folder.mkdir()
    (folder / "cgroup.procs").symlink_to(real / "cgroup.procs")
    (folder / "memory.current").write_text(f"{100 << 20}\n")
    (folder / "memory.stat").write_text(f"anon {10 << 20}\nfile {90 << 20}\nfile_mapped {5 << 20}\nshmem 1\n")
    yield folder, real
    real.rmdir()


@pytest.mark.real
def test_processes_are_put_into_the_group_and_held_to_its_figures(group, make_image, native):
    folder, real = group
    image = make_image(native).filesystem
    plan = {**confined.plan_of(image, Confines(memory=64), Interpreter()), "do": "make"}
    first = os.memfd_create("holder")
    os.write(first, holder.holder(emulated.native()))
    try:
        held = Group(folder=str(folder), text="x")
        made = confined.opened(Warden(), plan, found=Interpreter(), group=held, descriptors=[first])
    finally:
        os.close(first)
    sandbox = Opened(made)
    waiting = sandbox.start("wait")
    waiting.line()
    assert len((real / "cgroup.procs").read_text().split()) == 1
    assert sandbox.sandbox.peak_memory() == 15 << 20  # neither /tmp nor the page cache
    (folder / "memory.current").write_text(f"{200 << 20}\n")
    assert waiting.process.wait(10) == -signal.SIGKILL
    assert sandbox.sandbox.peak_memory() == 115 << 20
    for name in ("cgroup.procs", "memory.current", "memory.stat"):
        (folder / name).unlink()
    sandbox.close()
    assert not folder.exists()
