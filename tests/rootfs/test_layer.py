"""Layers that Lambda's loader takes."""

import gzip
import hashlib
import io
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagekit.errors import BuildFailed
from imagekit.oci.digest import Digest
from imagekit.rootfs.base_layout import BaseLayout, Directory
from imagekit.rootfs.entry import MTIME, Entry, Item, Kind
from imagekit.rootfs.gzip import LAYER_FORMAT, Codec
from imagekit.rootfs.layer import write_layer

LAYOUT = BaseLayout(
    directories={
        "usr": Directory(mtime=5),
        "usr/lib64": Directory(mode=0o555, uid=1, gid=2, mtime=6),
        "tmp": Directory(mode=0o1777, mtime=7),
    },
    symlinks={"lib64": "usr/lib64", "usr/tmp": "../tmp", "usr/lib64/libz.so": "libz.so.1"},
    files=frozenset({"etc/os-release", "usr/lib64/libz.so.1"}),
)


def file(path: str, data: bytes = b"", **fields) -> Item:
    return Entry(path=path, size=len(data), **fields), data


def directory(path: str, mode: int = 0o755, **fields) -> Item:
    return Entry(path=path, kind=Kind.DIRECTORY, mode=mode, **fields), None


def symlink(path: str, target: str) -> Item:
    return Entry(path=path, kind=Kind.SYMLINK, mode=0o777, target=target), None


def layer(*items: Item, layout: BaseLayout | None = LAYOUT, **options) -> bytes:
    sink = io.BytesIO()
    write_layer(items, sink, Codec(level=2), layout=layout, **options)
    return sink.getvalue()


def members(*items: Item, **options) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(layer(*items, **options)), mode="r:gz") as tar:
        found = tar.getmembers()
    assert len({member.name for member in found}) == len(found)
    return {member.name: member for member in found}


class Stream:
    """Gives `data` in pieces of `piece` bytes and knows whether it was closed."""

    def __init__(self, data: bytes, piece: int = 1000):
        self.file, self.piece, self.closed = io.BytesIO(data), piece, False

    def read(self, size: int) -> bytes:
        return self.file.read(min(size, self.piece))

    def close(self) -> None:
        self.closed = True


def test_every_missing_parent_stands_before_its_entry_once():
    found = members(file("var/task/src/a.js"), file("var/task/src/b.js"), file("var/task/c.js"))
    assert list(found) == ["var", "var/task", "var/task/src", "var/task/src/a.js", "var/task/src/b.js", "var/task/c.js"]
    assert {(m.mode, m.uid, m.gid, m.mtime) for m in found.values() if m.isdir()} == {(0o755, 0, 0, MTIME)}


def test_a_parent_repeats_mode_owner_and_mtime_of_the_base():
    found = members(file("usr/lib64/x.so"), file("tmp/y"))
    assert (found["usr"].mode, found["usr"].mtime) == (0o755, 5)
    lib = found["usr/lib64"]
    assert (lib.mode, lib.uid, lib.gid, lib.mtime) == (0o555, 1, 2, 6)
    assert found["tmp"].mode == 0o1777


def test_a_directory_entry_does_not_change_the_bases_directory_unless_directories_are_its_own():
    assert members(directory("usr/lib64", 0o700))["usr/lib64"].mode == 0o555
    own = members(directory("usr/lib64", 0o700, uid=9), removed=())
    assert (own["usr/lib64"].mode, own["usr/lib64"].uid, own["usr"].mtime) == (0o700, 9, 5)
    assert members(directory("opt/cache", 0o1777))["opt/cache"].mode == 0o1777


def test_targets_are_resolved_through_the_bases_symlinks():
    found = members(file("lib64/x.so", b"x"), directory("usr/tmp/work"), directory("lib64"))
    assert list(found) == ["usr", "usr/lib64", "usr/lib64/x.so", "tmp", "tmp/work"]


def test_a_symlink_of_the_base_may_only_be_replaced_by_one_that_hides_no_folder():
    assert members(symlink("lib64/libz.so", "libz.so.2"))["usr/lib64/libz.so"].linkname == "libz.so.2"
    assert list(members(symlink("lib64", "usr/lib64"))) == ["lib64"]


def test_a_file_may_take_the_place_of_a_file_of_the_base():
    assert members(file("etc/os-release", b"mine"))["etc/os-release"].isreg()


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([file("etc/os-release/x")], "a file of the base image"),
        ([directory("etc/os-release")], "a file of the base image"),
        ([file("usr/lib64")], "is a file, and there is a directory"),
        ([file("lib64", b"x")], "'/lib64' is a file, and the base image has a symlink to 'usr/lib64' in its place"),
        ([file("lib64/libz.so", b"x")], "a symlink to 'libz.so.1' in its place"),
        ([symlink("lib64", "opt/lib")], "'/lib64' is a symlink, and the base image has a symlink to 'usr/lib64'"),
        ([symlink("tmp", "var/tmp")], "is a symlink, and there is a directory"),
        ([symlink("opt/a", "b"), file("opt/a/x")], "a symlink of the same layer"),
        ([symlink("opt/a", "b"), directory("opt/a")], "a symlink of the same layer"),
        ([file("opt/a"), file("opt/a/b/x")], "a file of the same layer"),
        ([file("opt/a/b"), symlink("opt/a", "x")], "is a symlink, and there is a directory"),
        ([file("opt/a/b"), file("opt/a")], "is a file, and there is a directory"),
        ([file("a", b"1"), file("a", b"2")], "comes twice"),
        ([file("a", b"1"), file("a", b"1", mode=0o755)], "comes twice"),
        ([file("a", b"1"), file("a", b"1", uid=1)], "comes twice"),
        ([file("a", b"1"), file("a", b"1", xattrs={"user.x": b""})], "comes twice"),
        ([file("a"), symlink("a", "b")], "comes twice"),
        ([symlink("a", "b"), symlink("a", "c")], "comes twice"),
        ([file("lib64/a", b"1"), file("usr/lib64/a", b"2")], "comes twice"),
        ([file("a/.wh.b")], "begins with .wh."),
        ([file(".wh..wh..opq")], "begins with .wh."),
        ([file("a/.wh.b/c")], "begins with .wh."),
        ([file("/a")], "is absolute"),
        ([file("a/../b")], "climbs out"),
        ([file("")], "is empty"),
        ([file("a/")], "not normalised"),
    ],
)
def test_what_does_not_fit_is_refused(items, message):
    with pytest.raises(BuildFailed, match=message) as caught:
        layer(*items)
    assert caught.value.hint


def test_a_deep_path_is_no_problem():
    path = "/".join(["d"] * 2000)
    assert len(members(file(path))) == 2000


def test_the_same_content_twice_is_written_once():
    stream = Stream(b"1" * 5000)
    again = Entry(path="usr/lib64/a", size=5000, mtime=99), lambda: stream
    found = members(file("lib64/a", b"1" * 5000), again, symlink("b", "a"), symlink("b", "a"))
    assert list(found) == ["usr", "usr/lib64", "usr/lib64/a", "b"]
    assert stream.closed


@pytest.mark.parametrize("actual", [b"12", b"1234", b"", b"124"])
@pytest.mark.parametrize("streamed", [False, True], ids=["bytes", "stream"])
@pytest.mark.parametrize("earlier", [[], [file("a", b"123")]], ids=["first", "second"])
def test_content_that_is_not_what_its_entry_says_is_refused(actual, streamed, earlier):
    stream = Stream(actual, 2)
    entry = Entry(path="a", size=3, digest=Digest.of(b"123"))
    with pytest.raises(BuildFailed, match="'/a' changed while it was read"):
        layer(*earlier, (entry, (lambda: stream) if streamed else actual))
    assert stream.closed == streamed


def test_streams_bytes_and_openers_give_the_same_layer():
    data = bytes(range(256)) * 20_000
    entry = Entry(path="a", size=len(data), digest=Digest.of(data))
    streams = [Stream(data, piece) for piece in (777, 1 << 22)]
    layers = {layer((entry, content)) for content in [data, lambda: data, *(lambda s=s: s for s in streams)]}
    assert len(layers) == 1
    assert all(stream.closed for stream in streams)


def test_an_empty_layer_is_an_empty_tar():
    assert gzip.decompress(layer()) == bytes(1024)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3 << 20)), max_size=4, unique_by=lambda x: x[0]))
def test_threads_change_no_byte(sizes):
    items = [file(f"d/{name}", hashlib.sha256(name.encode()).digest() * (size // 32)) for name, size in sizes]
    with ThreadPoolExecutor(3) as pool:
        assert layer(*items) == layer(*items, pool=pool)


COPIED = b"the content of a file with many names, " * 60_000


@pytest.mark.parametrize("options", [{}, {"removed": ()}], ids=["files", "packages"])
@pytest.mark.parametrize("as_stream", [False, True], ids=["bytes", "stream"])
def test_copies_of_one_content_are_the_same_bytes_whether_that_is_known_or_not(options, as_stream):
    def items(digest: Digest | None) -> list[Item]:
        found = [file(f"usr/bin/{name}", COPIED, digest=digest) for name in "abc"]
        return [(entry, (lambda: Stream(COPIED)) if as_stream else data) for entry, data in found]

    known = layer(*items(Digest.of(COPIED)), **options)
    assert known == layer(*items(None), **options)
    with tarfile.open(fileobj=io.BytesIO(known), mode="r:gz") as tar:
        assert [tar.extractfile(name).read() == COPIED for name in ("usr/bin/a", "usr/bin/b", "usr/bin/c")] == [
            True
        ] * 3


def test_a_copy_that_is_none_is_refused():
    changed = COPIED[:-1] + b"?"
    wrong = Entry(path="usr/bin/b", size=len(COPIED), digest=Digest.of(COPIED)), changed
    with pytest.raises(BuildFailed, match="changed while it was read"):
        layer(file("usr/bin/a", COPIED, digest=Digest.of(COPIED)), wrong)


def test_a_tiny_layers_digests_are_pinned():
    """Another digest here is another LAYER_FORMAT."""
    sink = io.BytesIO()
    items = [
        file("var/task/index.js", b"exports.handler = async (event) => event;\n"),
        file("var/runtime/bootstrap", b"#!/bin/sh\nexec node\n", mode=0o755),
        symlink("lib64/libgrün.so", "libgrün.so.1"),
        directory("opt/extensions"),
        file("usr/bin/ping", b"\x7fELF", mode=0o755, xattrs={"security.capability": b"\1\0\0\2"}),
    ]
    blob = write_layer(items, sink, Codec.named("default"), layout=LAYOUT)
    assert LAYER_FORMAT == 2
    assert blob.diff_id.hex == "6d05b2a121e6ab7b1e080adbf0114bb755bd60acae13cf3721333e875e6c148c"
    assert blob.digest.hex == "0936ef96438cb53c309440bf7b81d496e46bf51a049a51e3407df25c90bc8bab"
    assert blob.digest == Digest.of(sink.getvalue())


def test_what_is_removed_is_a_whiteout_beside_its_place_with_all_parents():
    found = members(file("etc/new"), removed=["usr/share/doc/jq", "lib64/libz.so.1", "root-file"])
    assert list(found) == [
        "etc",
        "etc/new",
        ".wh.root-file",
        "usr",
        "usr/lib64",
        "usr/lib64/.wh.libz.so.1",
        "usr/share",
        "usr/share/doc",
        "usr/share/doc/.wh.jq",
    ]
    assert found["usr/lib64/.wh.libz.so.1"].size == 0
    assert found["usr/lib64"].mode == 0o555


def test_what_goes_with_its_directory_has_no_whiteout_of_its_own():
    found = members(removed=["usr/share/jq/a", "usr/share/jq", "usr/share/jq/b/c"])
    assert list(found) == ["usr", "usr/share", "usr/share/.wh.jq"]


def test_a_symlink_of_the_base_is_removed_not_what_it_leads_to():
    assert "usr/lib64/.wh.libz.so" in members(removed=["lib64/libz.so"])


@pytest.mark.parametrize("removed", ["usr/lib64/x.so", "usr/lib64", "lib64/x.so"])
def test_nothing_of_the_same_layer_is_removed(removed):
    with pytest.raises(BuildFailed, match="is removed from the base, and is in the same layer"):
        members(file("usr/lib64/x.so"), removed=[removed])


def test_a_package_replaces_a_symlink_of_the_base():
    found = members(symlink("usr/tmp", "elsewhere"), file("lib64/libz.so"), removed=())
    assert found["usr/tmp"].linkname == "elsewhere"
    assert found["usr/lib64/libz.so"].isfile()
