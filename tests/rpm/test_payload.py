"""Payloads: contents as the header means them, or a refusal."""

import bz2
import contextlib
import functools
import gzip
import hashlib
import io
import random
import subprocess
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import BuildFailed, WrongChecksum
from imagekit.rpm.files import PackagedFile
from imagekit.rpm.package import Package
from imagekit.rpm.payload import payload
from imagekit.rpm.payload import unpacked as archive
from tests.support.packages import headers, package, payloads
from tests.support.packages.package import GHOST, Item, folder, link
from tests.support.packages.payloads import COMPRESSORS, Member
from tests.support.tools import need

BIG = random.Random(1).randbytes(1_100_000)
FILES = {
    "etc/app.conf": Item(b"a=1\n"),
    "usr/bin/app": Item(BIG, mode=0o755),
    "usr/bin/app2": link("app"),
    "usr/lib/empty": Item(b""),
    "usr/share/app": folder(),
    "usr/share/app/a": Item(b"same", same="small"),
    "usr/share/app/b": Item(BIG[1:], same="large"),
    "usr/share/app/é": Item(b"\0" * 5),
    "usr/share/c": Item(b"same", same="small"),
    "usr/share/d": Item(BIG[1:], same="large"),
    "usr/share/e": Item(BIG[1:], same="large"),
    "var/log/app": Item(b"x", flags=GHOST),
}
CONTENTS = {path: item.data for path, item in FILES.items() if not item.link and item.data is not None}
del CONTENTS["var/log/app"]
APP = package.Package("app", files=FILES)


@functools.cache
def app(compressor: str, *, large: bool = False) -> package.Built:
    """The package above; made once each, because compressing takes a while."""
    return replace(APP, compressor=compressor, large=large).built


def opened(data: bytes, spool=io.BytesIO, **given):
    stream = io.BytesIO(data)
    found = Package.read(stream, "app.rpm")
    return payload(found, archive(found, stream), spool=spool, **given)


def all_of(content) -> bytes:
    """The content, read in pieces of an odd size."""
    if isinstance(content, bytes):
        return content
    stream, data = content(), b""
    while piece := stream.read(77_777):
        data += piece
    stream.close()
    return data


def unpacked(data: bytes, **given) -> dict[str, bytes | None]:
    return {file.path: None if content is None else all_of(content) for file, content in opened(data, **given)}


def small(*members: Member, **given) -> bytes:
    """A package with one file of three bytes, and an archive of these members."""
    given = {"files": {"a": Item(b"abc")}, "compressor": "gzip", **given}
    archive = given.pop("archive", None) or payloads.newc(members)
    return package.Package("small", archive=archive, **given).built.data


@pytest.mark.parametrize("large", [False, True], ids=["newc", "large"])
@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_every_file_has_its_content(compressor, large):
    found = unpacked(app(compressor, large=large).data)
    assert {path: data for path, data in found.items() if data is not None} == CONTENTS
    assert {path for path, data in found.items() if data is None} == {"usr/bin/app2", "usr/share/app"}


def test_small_contents_are_bytes_and_large_ones_streams():
    for file, content in opened(APP.built.data):
        assert isinstance(content, bytes) == (file.path in CONTENTS and file.size <= 1 << 20)


def test_a_payload_that_is_not_compressed():
    """rpmbuild names no compressor then, which else means gzip."""
    built = package.Package("plain", files=FILES, compressor="gzip").built
    archive = gzip.decompress(built.payload)
    assert unpacked(built.lead + built.signature + built.header + archive)["etc/app.conf"] == b"a=1\n"


def test_a_hard_link_that_is_large_is_spooled_and_the_spool_closed():
    spools = []

    def spool():
        spools.append(io.BytesIO())
        return spools[-1]

    assert unpacked(APP.built.data, spool=spool)["usr/share/d"] == BIG[1:]
    assert [file.closed for file in spools] == [True]


def test_hard_links_may_have_their_content_anywhere():
    """rpmbuild writes it with the last one; others with the first."""
    files = {name: Item(b"abc", same="x") for name in "abc"}
    for carrier in "abc":
        members = [Member(f"./{name}", b"abc" if name == carrier else b"", inode=1, links=3) for name in "abc"]
        assert unpacked(small(*members, files=files)) == dict.fromkeys("abc", b"abc")
    nobody = [Member(f"./{name}", inode=1, links=3) for name in "abc"]
    with pytest.raises(BuildFailed, match="/a is missing"):
        unpacked(small(*nobody, files=files))
    twice = [Member(f"./{name}", b"abc", inode=1, links=3) for name in "abc"]
    with pytest.raises(BuildFailed, match="content twice"):
        unpacked(small(*twice, files=files))
    with pytest.raises(BuildFailed, match="/c is missing"):
        unpacked(small(*twice[:1], nobody[1], files=files))


def test_hard_links_without_content():
    files = {name: Item(b"", same="x") for name in "ab"}
    assert unpacked(package.Package("links", files=files).built.data) == {"a": b"", "b": b""}


def test_what_nobody_reads_is_passed_over_and_judged():
    paths = [file.path for file, _ in opened(APP.built.data)]
    assert sorted(paths) == sorted(set(FILES) - {"var/log/app"})
    bad = package.Package("bad", files={"a": Item(BIG, digest="0" * 64)}).built.data
    with pytest.raises(WrongChecksum):
        list(opened(bad))


def test_names_may_be_written_in_several_ways():
    for name in ("./a", "a", "/a", ".//./a"):
        assert unpacked(small(Member(name, b"abc"))) == {"a": b"abc"}
    root = {"": folder()}
    fields = {1116: (headers.INT32, [0]), 1117: (headers.STRINGS, [""]), 1118: (headers.STRINGS, ["/"])}
    for name in ("./", "."):
        assert unpacked(small(Member(name, mode=0o040755), files=root, lies=fields)) == {"": None}


@pytest.mark.parametrize("content", [b"abd", BIG], ids=["small", "large"])
@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_another_digest_is_refused(content, algorithm):
    number = {"md5": 1, "sha1": 2, "sha256": 8, "sha512": 10}[algorithm]
    right = hashlib.new(algorithm, content).hexdigest()
    for digest in (right, "00" + right[2:]):
        made = package.Package(
            "a", files={"usr/a": Item(content, digest=digest)}, lies={5011: (headers.INT32, [number])}
        )
        if digest == right:
            assert unpacked(made.built.data) == {"usr/a": content}
        else:
            with pytest.raises(WrongChecksum, match=rf"^app\.rpm: the content of /usr/a has another {algorithm}"):
                unpacked(made.built.data)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "/a is missing in it"),
        ([Member("./b", b"abc")], r"it has './b', which the header does not have"),
        ([Member("./a", b"abc"), Member("./a", b"abc")], "it has /a twice"),
        ([Member("./a", b"ab")], "2 bytes there instead of 3"),
        ([Member("./a", b"abcd")], "4 bytes there instead of 3"),
        ([Member("./a", b"abc", mode=0o120777)], "/a is no file there"),
        ([Member("./../a", b"abc")], "which the header does not have"),
        ([Member("./" + "a" * 5000, b"abc")], "a name of 5,003 bytes"),
        ([Member("./a\0b", b"abc")], "a name that does not end where it says"),
        ([Member("./a", b"abc", size=1 << 31)], "2,147,483,648 bytes there"),
    ],
)
def test_archives_that_say_something_else(members, message):
    with pytest.raises(BuildFailed, match=rf"^app\.rpm: the payload is damaged: .*{message}"):
        unpacked(small(*members))


def test_symlinks_and_directories_that_are_others():
    files = {"a": link("b")}
    assert unpacked(small(Member("./a", b"b", mode=0o120777), files=files)) == {"a": None}
    with pytest.raises(BuildFailed, match="leads elsewhere"):
        unpacked(small(Member("./a", b"c", mode=0o120777), files=files))
    with pytest.raises(BuildFailed, match="another size"):
        unpacked(small(Member("./a", b"cc", mode=0o120777), files=files))
    with pytest.raises(BuildFailed, match="another size"):
        unpacked(small(Member("./a", b"cc", mode=0o040755), files={"a": folder()}))


GOOD = payloads.newc([Member("./a", b"abc")])


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (b"not an archive", "does not go on as an archive does"),
        (GOOD.replace(b"070701", b"070707"), "does not go on"),
        (GOOD[:6] + b"0x" + GOOD[8:], "a number that is none"),
        (GOOD[:6] + b"  " + GOOD[8:], "a number that is none"),
        (GOOD[:6] + b"\xff" + GOOD[7:], "a number that is none"),
        (GOOD[:100], "cut off"),
        (GOOD[:117], "cut off"),
        (GOOD[:120], "cut off"),
        (GOOD + b"x", "something follows its end"),
        (GOOD + bytes(2 << 20), "something follows its end"),
        (payloads.stripped([(1, b"abc")]), "a file that the header does not have"),
        (payloads.stripped([(0, b"abc"), (0, b"abc")]), "/a twice"),
        (payloads.stripped([(0, b"ab")]), "another sha256"),
    ],
)
def test_archives_that_are_damaged(archive, message):
    with pytest.raises(BuildFailed, match=message):
        unpacked(small(archive=archive))


def test_zeros_may_follow_the_end():
    assert unpacked(small(archive=GOOD + bytes(300))) == {"a": b"abc"}


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_a_stream_that_is_damaged_or_cut_off(compressor):
    data = app(compressor)
    start = len(data.data) - len(data.payload)
    for bad in (data.data[: start + len(data.payload) // 2], data.data[: start + 1000] + b"\xff\0\xff\0" * 10_000):
        with pytest.raises(BuildFailed, match="payload is damaged"):
            unpacked(bad)
    with pytest.raises(BuildFailed, match="payload is damaged"):
        unpacked(data.data[:start])


def test_forms_that_are_unknown():
    for lie in ({1124: (headers.STRING, "drpm")}, {1125: (headers.STRING, "lzip")}):
        with pytest.raises(BuildFailed, match="its payload is of an unknown form"):
            unpacked(small(Member("./a", b"abc"), lies=lie))


def test_the_compression_is_told_by_the_bytes():
    """What counts is that the header's digest of the payload is right; a name cannot make it unreadable."""
    data = package.Package("bz", files={"a": Item(b"abc")}, compressor="gzip").built
    compressed = bz2.compress(payloads.newc([Member("./a", b"abc")]))
    assert unpacked(data.lead + data.signature + data.header + compressed) == {"a": b"abc"}


def test_memory_does_not_grow_with_the_content():
    zeros = package.Package("zeros", files={"a": Item(bytes(64 << 20))}, compressor="gzip").built.data
    tracemalloc.start()
    for _, content in opened(zeros):
        stream = content()
        while stream.read(1 << 18):
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 << 20


SMALL = {"a": Item(b"abc"), "b": Item(b"x" * 20, same="x"), "c": Item(b"x" * 20, same="x"), "d": link("a")}
ARCHIVES = [package.Package("a", files=SMALL, large=large, compressor="gzip") for large in (False, True)]


@given(st.sampled_from(ARCHIVES), st.integers(0, 700), st.binary(max_size=8), st.integers(0, 8))
def test_archives_with_any_bytes_in_them(made, at, junk, removed):
    archive = gzip.decompress(made.built.payload)
    archive = archive[:at] + junk + archive[at + removed :]
    with contextlib.suppress(BuildFailed):
        found = unpacked(replace(made, archive=archive).built.data)
        assert found == {"a": b"abc", "b": b"x" * 20, "c": b"x" * 20, "d": None}


@pytest.mark.real
@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_rpm2cpio_reads_the_same(compressor, tmp_path):
    file = tmp_path / "app.rpm"
    file.write_bytes(app(compressor).data)
    archive = subprocess.run([need("rpm2cpio"), file], check=True, capture_output=True).stdout
    subprocess.run([need("cpio"), "-idm", "--quiet"], input=archive, cwd=tmp_path, check=True)
    for path, data in unpacked(file.read_bytes()).items():
        assert data is None or (tmp_path / path).read_bytes() == data


def test_files_that_are_known_are_taken_as_they_are():
    listed = tuple(made for made, _ in opened(APP.built.data))
    assert all(isinstance(file, PackagedFile) for file in listed)
    given = sorted(listed, key=lambda file: file.index)
    with pytest.raises(BuildFailed, match="which the header does not have"):
        unpacked(APP.built.data, listed=given[1:])
