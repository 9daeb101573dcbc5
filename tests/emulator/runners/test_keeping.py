"""What /tmp held, kept: from every runner's sandboxes, and out of folders and tars that mean harm."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagekit.emulator.runners import keeping
from imagekit.errors import BuildFailed

MIB = 1 << 20


def test_what_tmp_holds_is_kept_and_its_rules_stay(open_sandbox, tmp_path):
    sandbox = open_sandbox(memory=64, temporary=20, keeps_temporary=True)
    assert sandbox.says("install", "/tmp/program") == "993:990"
    assert int(sandbox.says("fill", "/tmp/full", "30")) <= 20
    os.mkdir(tmp_path / "kept")
    assert sandbox.sandbox.keep(str(tmp_path / "kept")) == 0
    program, full = (tmp_path / "kept" / name for name in ("program", "full"))
    assert program.read_bytes().startswith(b"\x7fELF")
    assert program.stat().st_mode & 0o777 == 0o755
    assert 18 * MIB < full.stat().st_size <= 20 * MIB
    assert sandbox.says("id") == "993:990"


def test_what_was_killed_for_its_memory_is_kept_too(open_sandbox, tmp_path):
    sandbox = open_sandbox(memory=50, temporary=50, keeps_temporary=True)
    assert sandbox.says("fill", "/tmp/before", "2") == "2"
    sandbox.start("eat", "200").process.wait(20)
    os.mkdir(tmp_path / "kept")
    assert sandbox.sandbox.keep(str(tmp_path / "kept")) == 0
    assert (tmp_path / "kept/before").stat().st_size == 2 * MIB


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder as a hostile function leaves it."""
    top = tmp_path / "source"
    (top / "folder/inner").mkdir(parents=True)
    (top / "folder/inner/file").write_text("content")
    (top / "link").symlink_to("/etc/passwd")
    (top / "out").symlink_to("../../..")
    (top / "setuid").write_text("x")
    (top / "setuid").chmod(0o6755)
    (top / "closed").write_text("x")
    (top / "closed").chmod(0)
    os.mkfifo(top / "pipe")
    with open(top / "huge", "wb") as file:
        file.write(b"begin")
        file.seek(1 << 42)
        file.write(b"end")
    (top / os.fsdecode(b"\xff\n")).write_text("odd")
    return top


def copied(source: Path, folder: Path) -> int:
    folder.mkdir()
    opened = os.open(source, os.O_RDONLY)
    try:
        return keeping.copied(opened, str(folder))
    finally:
        os.close(opened)


def test_a_folder_is_copied_without_following_anything(source, tmp_path):
    kept = tmp_path / "kept"
    assert copied(source, kept) == 1  # the pipe
    assert (kept / "folder/inner/file").read_text() == "content"
    assert (kept / "link").is_symlink()
    assert os.readlink(kept / "out") == "../../.."
    assert stat.S_IMODE((kept / "setuid").stat().st_mode) & 0o7000 == 0
    assert (kept / "closed").read_text() == "x"
    assert (kept / os.fsdecode(b"\xff\n")).read_text() == "odd"
    huge = (kept / "huge").stat()
    assert huge.st_size == (1 << 42) + 3
    assert huge.st_blocks < 64
    with open(kept / "huge", "rb") as file:
        file.seek(1 << 42)
        assert file.read() == b"end"


def test_folders_in_folders_have_a_bound(tmp_path):
    deep = tmp_path / "source"
    deep.mkdir()
    here = os.open(deep, os.O_RDONLY)
    for _ in range(200):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    assert copied(deep, tmp_path / "kept") == 1


def tar(*members: tuple[str, bytes, str]) -> bytes:
    """Names, kinds, and what a member holds or leads to."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, text in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o644
            if kind == tarfile.REGTYPE:
                info.size = len(text)
            else:
                info.linkname = text
            archive.addfile(info, io.BytesIO(text.encode()) if kind == tarfile.REGTYPE else None)
    return out.getvalue()


def test_a_tar_is_unpacked_into_its_folder_and_nowhere_else(tmp_path):
    data = tar(
        ("./", tarfile.DIRTYPE, ""),
        ("./a", tarfile.REGTYPE, "a"),
        ("./folder/", tarfile.DIRTYPE, ""),
        ("./folder/b", tarfile.REGTYPE, "b"),
        ("../escaped", tarfile.REGTYPE, "x"),
        ("/absolute", tarfile.REGTYPE, "inside"),
        ("out", tarfile.SYMTYPE, str(tmp_path)),
        ("out/through", tarfile.REGTYPE, "x"),
        ("out", tarfile.REGTYPE, "again"),
        ("device", tarfile.CHRTYPE, ""),
        ("hard", tarfile.LNKTYPE, "../../etc/passwd"),
    )
    (tmp_path / "kept").mkdir()
    left_out = keeping.extracted([data[at : at + 700] for at in range(0, len(data), 700)], str(tmp_path / "kept"), MIB)
    assert left_out == 5
    assert sorted(item.name for item in tmp_path.iterdir()) == ["kept"]
    assert sorted(item.name for item in (tmp_path / "kept").iterdir()) == ["a", "absolute", "folder", "out"]
    assert (tmp_path / "kept/folder/b").read_text() == "b"


def test_a_tar_holds_no_more_than_a_tmp(tmp_path):
    info = tarfile.TarInfo("hole")
    info.size = 1 << 40
    with pytest.raises(BuildFailed, match="most is a hole"):
        keeping.extracted([info.tobuf()], str(tmp_path), MIB)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_tar_is_an_error_or_leaves_something_out(tmp_path_factory, data):
    good = tar(("a", tarfile.REGTYPE, "a" * 600), ("b/", tarfile.DIRTYPE, ""), ("b/c", tarfile.SYMTYPE, "../a"))
    at = data.draw(st.integers(0, len(good) - 1))
    changed = good[:at] + bytes([data.draw(st.integers(0, 255))]) + good[at + 1 :]
    cut = changed[: data.draw(st.integers(0, len(changed)))] if data.draw(st.booleans()) else changed
    folder = tmp_path_factory.mktemp("kept")
    (folder / "in").mkdir()
    with contextlib.suppress(BuildFailed):
        assert keeping.extracted([cut], str(folder / "in"), MIB) <= 3
    assert [item.name for item in folder.iterdir()] == ["in"]
