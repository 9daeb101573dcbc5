"""Archives as items of a layer: real ones by tarfile, zipfile and GNU tar, and hostile ones."""

import bz2
import contextlib
import gzip
import io
import lzma
import random
import struct
import subprocess
import sys
import tarfile
import zipfile

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagekit.errors import BuildFailed, ImagekitError, InvalidFile
from imagekit.rootfs.archive import read_archive
from imagekit.rootfs.entry import MTIME, Entry, Kind
from imagekit.rootfs.gzip import Codec
from imagekit.rootfs.layer import write_layer
from imagekit.rootfs.tar_reader import Limits

COMPRESS = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tar.xz": lzma.compress,
    "tar.bz2": bz2.compress,
    "tar.zst": zstandard.ZstdCompressor().compress,
}


def info(name: str, kind: bytes = tarfile.REGTYPE, **fields) -> tarfile.TarInfo:
    item = tarfile.TarInfo(name)
    item.type = kind
    for key, value in fields.items():
        setattr(item, key, value)
    return item


def tar(*items: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for given_item in items:
            item, data = given_item if isinstance(given_item, tuple) else (given_item, b"")
            item.size = len(data)
            archive.addfile(item, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture
def saved(tmp_path):
    def save(raw: bytes, name: str = "tool.tar") -> str:
        (tmp_path / name).write_bytes(raw)
        return str(tmp_path / name)

    return save


def contents(path: str, **options) -> dict[str, tuple[Entry, bytes]]:
    found = {}
    for entry, content in read_archive(path, **options):
        data = content() if callable(content) else content or b""
        if not isinstance(data, bytes):
            data = b"".join(iter(lambda stream=data: stream.read(1000), b""))
        found[entry.path] = (entry, data)
    return found


def layer(path: str, **options) -> tarfile.TarFile:
    sink = io.BytesIO()
    write_layer(read_archive(path, **options), sink, Codec(level=2))
    return tarfile.open(fileobj=io.BytesIO(sink.getvalue()))


NODE = (
    info("node-v19/", tarfile.DIRTYPE, mode=0o775, uid=1000, gid=1000, uname="builder", mtime=1_681_000_000),
    (info("node-v19/bin/node", mode=0o6775, uid=1000, mtime=1_681_000_001), b"\x7fELF" * 5000),
    info("node-v19/bin/npm", tarfile.SYMTYPE, linkname="../lib/npm-cli.js", mtime=1_681_000_002),
    (info("node-v19/lib/npm-cli.js", mode=0o640, mtime=1_681_000_003), b"#!/usr/bin/env node\n"),
)


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_tar_goes_into_the_target_whatever_its_compression_and_its_name(saved, kind):
    found = contents(saved(COMPRESS[kind](tar(*NODE)), "download"), target="var/lang", strip=1)
    assert list(found) == ["var/lang/bin/node", "var/lang/bin/npm", "var/lang/lib/npm-cli.js"]
    node, data = found["var/lang/bin/node"]
    assert (node.mode, node.uid, node.gid, node.mtime, node.size) == (0o755, 0, 0, 1_681_000_001, 20_000)
    assert data == b"\x7fELF" * 5000
    npm, _ = found["var/lang/bin/npm"]
    assert (npm.kind, npm.target, npm.mode) == (Kind.SYMLINK, "../lib/npm-cli.js", 0o777)
    assert found["var/lang/lib/npm-cli.js"][0].mode == 0o644


def test_every_compression_gives_the_same_layer(saved):
    digests = set()
    for kind, compress in COMPRESS.items():
        sink = io.BytesIO()
        items = read_archive(saved(compress(tar(*NODE)), kind), target="/var/lang/", strip=1)
        digests.add(write_layer(items, sink, Codec(level=2)).digest)
    assert len(digests) == 1


def test_directories_keep_their_mtime_and_get_a_mode_that_all_can_enter(saved):
    directory, _ = contents(saved(tar(*NODE)))["node-v19"]
    assert (directory.kind, directory.mode, directory.mtime) == (Kind.DIRECTORY, 0o755, 1_681_000_000)


def test_strip_drops_what_has_no_more_names(saved):
    raw = tar(info("./", tarfile.DIRTYPE), (info("top"), b"1"), (info("./a/b/c"), b"2"), (info("a//d"), b"3"))
    assert list(contents(saved(raw))) == ["top", "a/b/c", "a/d"]
    assert list(contents(saved(raw), strip=1)) == ["b/c", "d"]
    assert list(contents(saved(raw), strip=2)) == ["c"]
    with pytest.raises(
        BuildFailed, match=r"strip: 3 leaves nothing of tool\.tar; its entries are at most 3 deep"
    ) as caught:
        contents(saved(raw), strip=3, source="tool.tar")
    assert caught.value.hint
    assert list(contents(saved(tar()), strip=3)) == []


def test_what_gnu_tar_packs_comes_out_again(saved, tmp_path):
    source = tmp_path / "source"
    (source / ("deep/" * 30)).mkdir(parents=True)
    (source / ("deep/" * 30) / "grün.txt").write_text("x")
    (source / "tool").write_bytes(random.Random(1).randbytes(3 << 20))
    (source / "tool").chmod(0o755)
    (source / "link").symlink_to("tool")
    (source / "again").hardlink_to(source / "tool")
    for flag, name in (("-z", "t.tgz"), ("-J", "t.txz"), ("--zstd", "t.zst")):
        subprocess.run(["tar", "-C", str(source), "--sort=name", flag, "-cf", str(tmp_path / name), "."], check=True)
        with layer(str(tmp_path / name), target="opt") as found:
            assert found.extractfile("opt/tool").read() == (source / "tool").read_bytes()
            assert found.extractfile("opt/again").read() == (source / "tool").read_bytes()
            assert found.extractfile("opt/" + "deep/" * 30 + "grün.txt").read() == b"x"
            assert found.getmember("opt/link").issym()
            assert not [member for member in found.getmembers() if member.islnk()]


# Hard links


def test_hard_links_become_copies_at_the_end(saved):
    raw = tar(
        (info("git/bin/git", mode=0o755, mtime=7), b"program"),
        info("git/core/git-add", tarfile.LNKTYPE, linkname="git/bin/git"),
        info("git/core/git-am", tarfile.LNKTYPE, linkname="./git/core/git-add"),
        (info("git/readme"), b"text"),
    )
    found = contents(saved(raw), target="opt", strip=1)
    assert list(found) == ["opt/bin/git", "opt/readme", "opt/core/git-add", "opt/core/git-am"]
    assert {data for _, data in found.values()} == {b"program", b"text"}
    copy = found["opt/core/git-am"][0]
    assert (copy.kind, copy.mode, copy.mtime, copy.size) == (Kind.FILE, 0o755, 7, 7)


@pytest.mark.parametrize("size", [1000, 9 << 20])
@pytest.mark.parametrize("copies", [1, 2, 3])
def test_hard_links_to_small_and_large_files_have_their_content(saved, size, copies):
    data = random.Random(5).randbytes(size)
    links = [info(f"copy{number}", tarfile.LNKTYPE, linkname="a") for number in range(copies)]
    with layer(saved(gzip.compress(tar((info("a"), data), *links), 1))) as found:
        assert [found.extractfile(f"copy{number}").read() == data for number in range(copies)] == [True] * copies


def test_a_hard_link_may_lead_to_what_was_stripped_away_and_to_a_symlink(saved):
    raw = tar(
        (info("top"), b"1"),
        info("a/copy", tarfile.LNKTYPE, linkname="top"),
        info("a/link", tarfile.SYMTYPE, linkname="copy"),
        info("a/link2", tarfile.LNKTYPE, linkname="a/link"),
    )
    found = contents(saved(raw), strip=1)
    assert found["copy"][1] == b"1"
    assert (found["link2"][0].kind, found["link2"][0].target) == (Kind.SYMLINK, "copy")


@pytest.mark.parametrize("target", ["nothing", "/etc/passwd", "../x", "d", "self"])
def test_a_hard_link_to_what_is_no_file_of_the_archive_is_refused(saved, target):
    raw = tar(info("d", tarfile.DIRTYPE), info("self", tarfile.LNKTYPE, linkname=target))
    with pytest.raises(BuildFailed, match=r"'self' leads to .*, which is not in the archive"):
        contents(saved(raw))


# Hostile archives


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([info("../evil")], "climbs out"),
        ([info("a/../../evil")], "climbs out"),
        ([info("/etc/passwd")], "is absolute"),
        ([info("a/.wh.b")], "begins with .wh."),
        ([info(".wh..wh..opq")], "begins with .wh."),
        ([info("a/.wh.b/c")], "begins with .wh."),
        ([info("d/null", tarfile.CHRTYPE)], "'d/null' is a device or pipe"),
        ([info("d/disk", tarfile.BLKTYPE)], "'d/disk' is a device or pipe"),
        ([info("d/pipe", tarfile.FIFOTYPE)], "'d/pipe' is a device or pipe"),
        ([info("a", tarfile.SYMTYPE, linkname="/etc"), info("a/passwd")], "lies below 'a', a symlink"),
        ([info("a/b", tarfile.SYMTYPE, linkname="."), info("a/b/c/d", tarfile.DIRTYPE)], "lies below 'a/b'"),
        ([info("a", tarfile.SYMTYPE, linkname="t" * 5000)], "which is no path"),
        ([info("a", tarfile.SYMTYPE, linkname="")], "which is no path"),
        ([info("n" * 256)], "name longer than 255"),
        ([info("d/" * 2100 + "x")], "longer than 4096"),
        ([info("a\udcff")], "not UTF-8"),
        ([info("l", tarfile.SYMTYPE, linkname="\udcff")], "which is no path"),
    ],
)
def test_what_must_not_be_in_a_layer_is_refused_with_archive_and_entry(saved, items, message):
    path = saved(tar(*items))
    with pytest.raises(BuildFailed, match=message) as caught:
        contents(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert caught.value.hint


def test_the_target_counts_for_the_length_of_a_path(saved):
    raw = tar(info("d/" * 1000 + "x"))
    assert len(contents(saved(raw))) == 1
    with pytest.raises(BuildFailed, match="longer than 4096"):
        contents(saved(raw), target="/".join(["t" * 200] * 12))


def test_symlinks_that_lead_anywhere_are_kept_and_not_followed(saved):
    raw = tar(
        info("abs", tarfile.SYMTYPE, linkname="/etc/passwd"), info("up", tarfile.SYMTYPE, linkname="../../../../etc")
    )
    found = contents(saved(raw), target="opt")
    assert [(entry.target, data) for entry, data in found.values()] == [("/etc/passwd", b""), ("../../../../etc", b"")]


def test_a_name_twice_is_fine_with_the_same_content_alone(saved):
    same = saved(tar((info("a", mtime=1), b"1"), (info("./a", mtime=2), b"1")))
    with layer(same) as found:
        assert found.getnames() == ["a"]
    other = saved(tar((info("a"), b"1"), (info("a"), b"2")))
    with pytest.raises(BuildFailed, match="comes twice"):
        layer(other)


def test_a_symlink_in_the_place_of_a_directory_with_entries_is_refused(saved):
    with pytest.raises(BuildFailed, match="there is a directory in its place"):
        layer(saved(tar(info("a/b"), info("a", tarfile.SYMTYPE, linkname="/etc"))))


@pytest.mark.parametrize("kind", COMPRESS)
def test_what_is_cut_off_is_refused_wherever_that_is(saved, kind):
    plain = tar(*NODE)
    raw = COMPRESS[kind](plain)
    end = len(plain.rstrip(b"\0")) if kind == "tar" else len(raw) - 1
    for cut in {1, 5, end // 3, end // 2, end - 20} | ({end} if kind != "tar.zst" else set()):
        with pytest.raises(BuildFailed):
            contents(saved(raw[:cut]))


def test_a_bomb_is_stopped(saved):
    path = saved(gzip.compress(tar((info("zeros"), bytes(64 << 20))), 9))
    with pytest.raises(BuildFailed, match="unpacks to more than 10,000,000 bytes"):
        contents(path, limits=Limits(total=10_000_000))
    with pytest.raises(BuildFailed, match="more than 1 entries"):
        contents(saved(tar(*NODE)), limits=Limits(entries=1))


def test_many_deep_paths_do_not_fill_the_disk(saved):
    """Each entry implies a hundred directories of its own."""
    raw = tar(*(info(f"{number}/" + "d/" * 100 + "x") for number in range(1000)))
    with pytest.raises(BuildFailed, match="more than 100,000 directories"):
        layer(saved(gzip.compress(raw, 1)))


def test_no_archive_at_all(saved, tmp_path):
    for raw in (b"", b"MZ" + bytes(2000), b"<html>not found</html>" * 100):
        with pytest.raises(BuildFailed):
            contents(saved(raw))
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(InvalidFile, match="cannot be read"):
            contents(str(path))


# Zip


def zipped(*items: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in items:
            archive.writestr(name, data)
    return out.getvalue()


def member(name: str, mode: int = 0, system: int = 3, date=(2024, 5, 6, 7, 8, 10), attributes: int = 0):
    item = zipfile.ZipInfo(name, date)
    item.create_system = system
    item.external_attr = (mode << 16) | attributes
    item.compress_type = zipfile.ZIP_DEFLATED
    return item


def test_a_zip_goes_into_the_target_with_its_modes_symlinks_and_times(saved):
    raw = zipped(
        (member("top/"), b""),
        (member("top/bin/tool", 0o100700), b"x" * 3_000_000),
        (member("top/link", 0o120777), "bin/tööl".encode()),
        (member("top/grün", 0o100600), b"2"),
        (member("top/windows.exe", system=0), b"3"),
        (member("top/undated", 0o100644, date=(1980, 0, 0, 0, 0, 0)), b"4"),
    )
    found = contents(saved(raw, "x.whl"), target="opt", strip=1)
    assert list(found) == [f"opt/{name}" for name in ("bin/tool", "link", "grün", "windows.exe", "undated")]
    tool, data = found["opt/bin/tool"]
    assert (tool.mode, tool.size, tool.mtime, tool.uid) == (0o755, 3_000_000, 1_714_979_290, 0)
    assert data == b"x" * 3_000_000
    assert (found["opt/link"][0].kind, found["opt/link"][0].target) == (Kind.SYMLINK, "bin/tööl")
    assert [found[f"opt/{name}"][0].mode for name in ("grün", "windows.exe")] == [0o644, 0o644]
    assert found["opt/undated"][0].mtime == MTIME
    directory, _ = contents(saved(raw))["top"]
    assert (directory.kind, directory.mode) == (Kind.DIRECTORY, 0o755)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_zip_of_each_method_becomes_a_layer(saved, method):
    data = random.Random(2).randbytes(2_500_000)
    with layer(saved(zipped(("a", data), ("d/b", b""), method=method))) as found:
        assert found.extractfile("a").read() == data
        assert found.getnames() == ["a", "d", "d/b"]


def test_an_empty_zip_is_an_empty_layer(saved):
    assert contents(saved(zipped())) == {}


def with_flag(raw: bytes, flag: int) -> bytes:
    """All members say `flag` in their local and central headers."""
    out = bytearray(raw)
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = out.find(magic)
        while place >= 0:
            out[place + offset] |= flag
            place = out.find(magic, place + 4)
    return bytes(out)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (zipped(("../evil", b"")), "climbs out"),
        (zipped(("/etc/passwd", b"")), "is absolute"),
        (zipped(("a/.wh.b", b"")), "begins with .wh."),
        (zipped((member("n", 0o020666), b"")), "is a device"),
        (zipped((member("p", 0o010666), b"")), "is a device"),
        (zipped((member("a", 0o120777), b"/etc"), (member("a/passwd"), b"")), "lies below 'a', a symlink"),
        (zipped((member("a", 0o120777), b"t" * 5000)), "which is no path"),
        (zipped((member("a", 0o120777), b"t\0t")), "which is no path"),
        (with_flag(zipped(("secret", b"x")), 1), "'secret' is encrypted"),
        (zipped(("a", b"x" * 100), method=zipfile.ZIP_LZMA), "compressed by method 14"),
        (zipped(("a", b"x" * 100))[:-30], "is damaged"),
        (zipped(("a", b"x" * 100), method=zipfile.ZIP_STORED).replace(b"xxx", b"yyy"), "'a' is damaged"),
        (zipped(("ab", b"x")).replace(b"ab", b"a\0"), "holds a NUL"),
    ],
)
def test_a_zip_that_must_not_be_in_a_layer_is_refused(saved, raw, message):
    path = saved(raw, "x.zip")
    with pytest.raises(BuildFailed, match=message) as caught:
        contents(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert caught.value.hint


def test_a_zip_with_a_name_twice(saved):
    def twice(second: bytes) -> bytes:
        return zipped(("a1", b"same"), ("a2", second)).replace(b"a2", b"a1")

    with layer(saved(twice(b"same"))) as found:
        assert found.getnames() == ["a1"]
    with pytest.raises(BuildFailed, match="comes twice"):
        layer(saved(twice(b"else")))


def test_a_zip_bomb_is_stopped_before_it_is_unpacked(saved):
    path = saved(zipped(("a", bytes(20 << 20)), ("b", bytes(20 << 20))))
    with pytest.raises(BuildFailed, match="unpacks to 41,943,040 bytes"):
        contents(path, limits=Limits(total=30 << 20))
    with pytest.raises(BuildFailed, match="it has 2 entries"):
        contents(path, limits=Limits(entries=1))


def test_a_zip_that_unpacks_to_more_than_it_says_is_not_unpacked_further(saved):
    raw = zipped(("a", bytes(1 << 20)))
    path = saved(raw.replace(struct.pack("<L", 1 << 20), struct.pack("<L", 1000)))
    with pytest.raises(BuildFailed, match="'a' is damaged"):
        contents(path)


def test_a_zips_directory_is_not_read_into_memory_whatever_it_says(saved):
    raw = bytearray(zipped(("a", b"x")))
    end = raw.rindex(b"PK\x05\x06")
    raw[end + 12 : end + 16] = struct.pack("<L", 3 << 30)
    with pytest.raises(BuildFailed, match="damaged"):
        contents(saved(bytes(raw)))


# Any bytes


ZIP = zipped((member("d/a", 0o100644), b"x" * 500), (member("l", 0o120777), b"d/a"))
TAR = tar(
    (info("d/a"), b"x" * 500), info("l", tarfile.SYMTYPE, linkname="d/a"), info("h", tarfile.LNKTYPE, linkname="d/a")
)
SEEDS = [ZIP, *(compress(TAR) for compress in COMPRESS.values())]


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=5),
    st.integers(0, 3),
    st.binary(max_size=40),
)
def test_any_bytes_give_a_layer_or_an_error_of_ours(tmp_path, seed, flips, cut, junk):
    raw = bytearray(seed)
    for place, value in flips:
        raw[int(place * len(raw))] = value
    path = tmp_path / "any"
    path.write_bytes(raw[: len(raw) - cut * 7] + junk if cut else bytes(raw))
    with contextlib.suppress(ImagekitError), layer(str(path), limits=Limits(total=1 << 20)):
        pass


# Memory


def test_a_large_file_goes_through_in_little_memory(tmp_path):
    """A process of its own, so that its peak is that of this work alone."""
    with gzip.open(tmp_path / "big.tgz", "wb", 1) as out, tarfile.open(fileobj=out, mode="w|") as archive:
        item = info("big")
        item.size = 400 << 20
        archive.addfile(item, _Zeros())
    code = f"""
import resource, sys
from imagekit.rootfs.archive import read_archive
from imagekit.rootfs.gzip import Codec
from imagekit.rootfs.layer import write_layer
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open({str(tmp_path / "layer")!r}, "wb") as sink:
    write_layer(read_archive({str(tmp_path / "big.tgz")!r}), sink, Codec(level=2))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(result.stdout) * unit < 60 << 20


class _Zeros:
    def read(self, size: int) -> bytes:
        return bytes(size)
