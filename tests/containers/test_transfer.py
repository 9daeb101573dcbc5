"""Files into a container and out of one: what comes out was made by whoever ran there."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.containers import transfer
from imagekit.errors import BuildFailed
from imagekit.rootfs.entry import Entry, Kind
from imagekit.rootfs.tar_reader import Limits


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644, data: bytes = b"") -> tuple:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = kind, target, mode, len(data)
    return info, data


def packed(*members: tuple) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def unpack(data: bytes, folder: Path, limits: Limits | None = None) -> tuple[str, ...]:
    folder.mkdir()
    with transfer.reading([data], "the output", limits or Limits()) as reader:
        return transfer.unpack(reader, str(folder), "the output")


def test_files_folders_and_links_come_out_with_ordinary_modes(tmp_path):
    data = packed(
        member("out/", tarfile.DIRTYPE, mode=0o7000),
        member("out/run", mode=0o4711, data=b"run"),
        member("out/secret", mode=0o600, data=b"read me"),
        member("out/same", tarfile.LNKTYPE, "out/run"),
        member("out/link", tarfile.SYMTYPE, "../../etc/passwd"),
    )
    assert unpack(data, tmp_path / "out") == ("out/run", "out/secret", "out/same")
    modes = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "out/out").iterdir() if path.is_file()}
    assert {name: modes[name] for name in ("run", "secret", "same")} == {"run": 0o755, "secret": 0o644, "same": 0o755}
    assert (tmp_path / "out/out/link").is_symlink()
    assert (tmp_path / "out/out/same").read_bytes() == b"run"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([member("../x")], "climbs out"),
        ([member("/etc/x")], "is absolute"),
        ([member("a", tarfile.SYMTYPE, "/etc"), member("a/x")], "a symlink of the same archive"),
        ([member("a", tarfile.LNKTYPE, "/etc/passwd")], "leads to '/etc/passwd'"),
        ([member("a", tarfile.SYMTYPE, "/etc/passwd"), member("b", tarfile.LNKTYPE, "a")], "the hard link 'b'"),
        ([member("a"), member("a")], "twice"),
        ([member("a"), member("a", tarfile.SYMTYPE, "/etc")], "twice"),
        ([member("a", tarfile.CHRTYPE)], "device"),
        ([member("a", tarfile.FIFOTYPE)], "pipe"),
        ([member("a"), member("a/b")], "no folder"),
        ([member("a", tarfile.SYMTYPE, "/tmp"), member("a", tarfile.DIRTYPE)], "twice"),
    ],
)
def test_what_is_hostile_is_refused(tmp_path, members, message):
    with pytest.raises(BuildFailed, match=message):
        unpack(packed(*members), tmp_path / "out")


def test_there_are_bounds(tmp_path):
    with pytest.raises(BuildFailed, match="more than 3 entries"):
        unpack(packed(*(member(str(number)) for number in range(9))), tmp_path / "one", Limits(entries=4 - 1))
    with pytest.raises(BuildFailed, match="more than 2,000 bytes"):
        unpack(packed(member("a", data=bytes(9000))), tmp_path / "two", Limits(total=2000))
    with pytest.raises(BuildFailed, match="cut off"):
        unpack(packed(member("a", data=bytes(9000)))[:5000], tmp_path / "three")


def test_a_deep_tree_comes_out(tmp_path):
    deep = "/".join(["d"] * 1900)
    assert unpack(packed(member(deep + "/file")), tmp_path / "out") == (deep + "/file",)
    subprocess.run(["rm", "-rf", tmp_path / "out"], check=True)  # Python's own way is not as deep


@given(st.data())
def test_no_tar_leads_out_of_its_folder(tmp_path_factory, data):
    names = st.sampled_from(["a", "a/b", "a/b/c", "./a", "b", "../b", "/b", "a/../b", "", ".", "a//b"])
    kinds = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])
    members = data.draw(st.lists(st.builds(member, names, kinds, names, st.just(0o644)), max_size=6))
    folder = tmp_path_factory.mktemp("case")
    try:
        unpack(packed(*members), folder / "inner")
    except BuildFailed:
        pass
    else:
        assert all(path.is_relative_to(folder / "inner") for path in folder.rglob("*/*"))
    assert [path.name for path in folder.iterdir()] == ["inner"]


def test_what_goes_in_is_a_tar_of_its_entries():
    items = [
        (Entry(path="d", kind=Kind.DIRECTORY, mode=0o755), None),
        (Entry(path="d/a", size=3), lambda: b"abc"),
        (Entry(path="d/b", size=5), lambda: io.BytesIO(b"12345")),
        (Entry(path="d/l", kind=Kind.SYMLINK, target="a", mode=0o777), None),
    ]
    with tarfile.open(fileobj=io.BytesIO(b"".join(transfer.archive(items)))) as tar:
        assert tar.getnames() == ["d", "d/a", "d/b", "d/l"]
        assert tar.extractfile("d/b").read() == b"12345"


@pytest.mark.parametrize("content", [b"ab", b"abcd"])
def test_a_file_that_changes_on_its_way_is_told(content):
    with pytest.raises(BuildFailed, match="changed while it was read"):
        list(transfer.archive([(Entry(path="a", size=3), content)]))
