"""The tar writer, read back by tarfile and by GNU tar."""

import io
import subprocess
import tarfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagekit.rootfs.entry import Entry, Kind
from imagekit.rootfs.tar import END, header, padding


def archive(*items: tuple[Entry, bytes]) -> bytes:
    return b"".join(header(entry) + data + padding(len(data)) for entry, data in items) + END


def read(raw: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as tar:
        return tar.getmembers()


def test_a_plain_file_is_one_ustar_block_without_names():
    block = header(Entry(path="var/task/a.txt", mode=0o644, size=3, mtime=1_700_000_000))
    assert len(block) == 512
    assert block[257:265] == b"ustar\x0000"
    assert block[265:329] == bytes(64)
    (member,) = read(block + b"abc" + padding(3) + END)
    assert (member.name, member.mode, member.size, member.mtime) == ("var/task/a.txt", 0o644, 3, 1_700_000_000)
    assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
    assert member.isreg()
    assert not member.pax_headers


def test_the_fields_are_byte_for_byte_what_tarfile_writes():
    info = tarfile.TarInfo("usr/bin/tool")
    info.mode, info.size, info.mtime, info.uid, info.gid = 0o755, 12345, 1_600_000_000, 12, 34
    entry = Entry(path="usr/bin/tool", mode=0o755, size=12345, mtime=1_600_000_000, uid=12, gid=34)
    ours, theirs = header(entry), info.tobuf(tarfile.USTAR_FORMAT)
    assert ours[:148] == theirs[:148]
    assert ours[156:329] == theirs[156:329]
    assert ours[345:] == theirs[345:]
    assert ours[329:345] == b"0000000\0" * 2, "device numbers are octal zeros, as Go writes them"


def test_directories_and_symlinks_have_no_content():
    raw = archive(
        (Entry(path="d", kind=Kind.DIRECTORY, mode=0o1777, size=4096), b""),
        (Entry(path="l", kind=Kind.SYMLINK, mode=0o777, target="d/x", size=3), b""),
    )
    directory, link = read(raw)
    assert directory.isdir()
    assert (directory.mode, directory.size) == (0o1777, 0)
    assert link.issym()
    assert (link.linkname, link.size) == ("d/x", 0)
    assert raw.startswith(b"d/\0")


LONG = "/".join(["directory"] * 24) + "/name"
DEEP = "/".join(["directory"] * 40) + "/name"


@pytest.mark.parametrize(
    ("entry", "records"),
    [
        (Entry(path="n" * 100), set()),
        (Entry(path="n" * 101), {"path"}),
        (Entry(path="p" * 155 + "/" + "n" * 100), set()),
        (Entry(path="p" * 156 + "/" + "n" * 99), {"path"}),
        (Entry(path=LONG), set()),
        (Entry(path=DEEP), {"path"}),
        (Entry(path="d" * 99, kind=Kind.DIRECTORY), set()),
        (Entry(path="d" * 100, kind=Kind.DIRECTORY), {"path"}),
        (Entry(path="grün"), {"path"}),
        (Entry(path="l", kind=Kind.SYMLINK, target="t" * 100), set()),
        (Entry(path="l", kind=Kind.SYMLINK, target="t" * 101), {"linkpath"}),
        (Entry(path="l", kind=Kind.SYMLINK, target="zü"), {"linkpath"}),
        (Entry(path="f", mtime=-1), {"mtime"}),
        (Entry(path="f", mtime=1 << 33), {"mtime"}),
        (Entry(path="f", mtime=(1 << 33) - 1), set()),
        (Entry(path="f", uid=1 << 21, gid=(1 << 21) - 1), {"uid"}),
        (Entry(path="f", gid=1 << 21), {"gid"}),
        (Entry(path="f", xattrs={"security.capability": b"\x01\x00\x00\x02\n="}), {"SCHILY.xattr.security.capability"}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_pax_header_says_only_what_ustar_cannot(entry, records):
    (member,) = read(archive((entry, b"")))
    assert set(member.pax_headers) == records
    assert (member.name, member.linkname) == (entry.path, entry.target)
    assert (member.uid, member.gid, member.mtime) == (entry.uid, entry.gid, entry.mtime)


def test_a_file_of_eight_gibibytes_and_more_keeps_its_size():
    raw = header(Entry(path="big", size=1 << 33))
    info = tarfile.TarInfo.frombuf(raw[-512:], "utf-8", "strict")
    assert info.size == 0
    assert b"18 size=8589934592\n"[3:] in raw
    with tarfile.open(fileobj=io.BytesIO(raw + END), mode="r|") as tar:
        assert tar.next().size == 1 << 33
    assert len(header(Entry(path="big", size=(1 << 33) - 1))) == 512


def test_xattrs_are_what_gnu_tar_and_star_write():
    raw = archive((Entry(path="ping", xattrs={"security.capability": b"\x01\0\0\x02", "user.a": b"1"}), b""))
    assert b"34 SCHILY.xattr.security.capability" not in raw[:512]
    assert b"SCHILY.xattr.security.capability=\x01\0\0\x02\n" in raw
    assert raw.index(b"security.capability") < raw.index(b"user.a")


def test_the_length_of_a_record_counts_its_own_digits_across_powers_of_ten():
    for length in range(60, 1100):
        (member,) = read(archive((Entry(path="l", kind=Kind.SYMLINK, target="ü" * 10 + "t" * length), b"")))
        assert len(member.linkname) == length + 10


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda name: name not in {".", ".."}
)
PATHS = st.lists(NAMES, min_size=1, max_size=8).map("/".join)
ENTRIES = st.builds(
    Entry,
    path=PATHS,
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 1 << 31),
    gid=st.integers(0, 1 << 31),
    mtime=st.integers(-(1 << 40), 1 << 40),
    xattrs=st.dictionaries(st.just("user.x"), st.binary(max_size=20).filter(lambda value: b"\n" not in value)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(ENTRIES, st.binary(max_size=1500)), max_size=6))
def test_what_is_written_is_what_tarfile_reads(items):
    items = [(replace(entry, size=len(data)), data) for entry, data in items]
    with tarfile.open(fileobj=io.BytesIO(archive(*items)), mode="r:") as tar:
        found = [(m.name, m.mode, m.uid, m.gid, m.mtime, tar.extractfile(m).read()) for m in tar.getmembers()]
    assert found == [(e.path, e.mode, e.uid, e.gid, e.mtime, data) for e, data in items]


def test_gnu_tar_reads_it(tmp_path):
    raw = archive(
        (Entry(path="grün", kind=Kind.DIRECTORY, mode=0o755), b""),
        (Entry(path="grün/" + "n" * 120, size=5, mtime=0), b"12345"),
        (Entry(path="link", kind=Kind.SYMLINK, mode=0o777, target="grün/" + "n" * 120), b""),
        (Entry(path="ping", size=0, uid=1 << 22, xattrs={"user.x": b"1"}), b""),
    )
    (tmp_path / "layer.tar").write_bytes(raw)
    result = subprocess.run(
        ["tar", "--numeric-owner", "--full-time", "-tvf", str(tmp_path / "layer.tar")],
        capture_output=True,
        check=True,
        text=True,
        env={"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
    )
    assert result.stderr == ""
    listing = [line.split() for line in result.stdout.splitlines()]
    assert [line[0] for line in listing] == ["drwxr-xr-x", "-rw-r--r--", "lrwxrwxrwx", "-rw-r--r--"]
    assert [line[1] for line in listing] == ["0/0", "0/0", "0/0", "4194304/0"]
    assert listing[1][2:] == ["5", "1970-01-01", "00:00:00", "grün/" + "n" * 120]
    assert listing[2][-1] == "grün/" + "n" * 120
