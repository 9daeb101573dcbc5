"""Files out of a header."""

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import BuildFailed
from imagekit.rpm.files import FileKind, PackagedFile, files
from imagekit.rpm.header import Header
from imagekit.rpm.package import Package
from tests.support.packages import headers, package
from tests.support.packages.headers import INT16, INT32, INT64, STRINGS
from tests.support.packages.package import CONFIG, DOC, GHOST, LICENSE, NOREPLACE, Item, folder, link

FILES = {
    "etc/app.conf": Item(b"a=1\n", flags=CONFIG | NOREPLACE, mode=0o640, group="app", mtime=7),
    "usr/bin/app": Item(b"\x7fELF", mode=0o4755, capabilities="cap_net_raw=ep"),
    "usr/bin/app2": link("app"),
    "usr/share/doc/app": folder(0o750),
    "usr/share/doc/app/README": Item(b"Hi", flags=DOC, language="de"),
    "usr/share/doc/app/COPYING": Item(b"MIT", flags=LICENSE),
    "usr/share/a": Item(b"same", same="x"),
    "usr/share/b": Item(b"same", same="x"),
    "var/log/app": Item(b"", flags=GHOST),
}


def listed(**lies: tuple[int, headers.Value]) -> tuple[PackagedFile, ...]:
    """The files above, with other fields of the header."""
    fields = {int(tag.removeprefix("tag")): value for tag, value in lies.items()}
    made = package.Package("app", files=FILES, lies=fields).built
    return files(Package.read(io.BytesIO(made.data), "app.rpm").header)


@pytest.fixture(scope="module")
def found() -> dict[str, PackagedFile]:
    return {file.path: file for file in listed()}


def test_paths_are_relative_and_in_the_headers_order(found):
    assert list(found) == sorted(FILES)
    assert [file.index for file in found.values()] == list(range(len(FILES)))


def test_what_the_header_says_of_a_file(found):
    app = found["etc/app.conf"]
    assert (app.kind, app.mode, app.user, app.group, app.mtime, app.size) == (
        *(FileKind.FILE, 0o640, "root", "app", 7),
        4,
    )
    assert app.algorithm == "sha256"
    assert len(app.digest) == 64
    assert found["usr/bin/app"].mode == 0o4755
    assert found["usr/bin/app"].capabilities.hex().startswith("0100000200200000")
    assert app.capabilities == b""
    assert found["usr/share/doc/app/README"].language == "de"


def test_kinds(found):
    assert found["usr/bin/app2"].kind is FileKind.SYMLINK
    assert found["usr/bin/app2"].target == "app"
    assert found["usr/share/doc/app"].kind is FileKind.DIRECTORY
    assert found["usr/share/doc/app"].mode == 0o750
    assert found["usr/share/doc/app"].size == found["usr/bin/app2"].size == 0


def test_flags(found):
    for name, path in {
        "is_config": "etc/app.conf",
        "is_noreplace": "etc/app.conf",
        "is_ghost": "var/log/app",
        "is_documentation": "usr/share/doc/app/README",
        "is_license": "usr/share/doc/app/COPYING",
    }.items():
        assert [file.path for file in found.values() if getattr(file, name)] == [path]


def test_hard_links_have_one_inode(found):
    assert found["usr/share/a"].inode == found["usr/share/b"].inode != found["usr/bin/app"].inode


def test_a_package_without_files():
    assert files(Package.read(io.BytesIO(package.Package("meta").built.data)).header) == ()


def test_the_root_itself_and_paths_that_are_not_normalised():
    fields = {
        1116: (INT32, [0, 1, 1]),
        1117: (STRINGS, ["", "a", "b"]),
        1118: (STRINGS, ["/", "//usr/./share//"]),
        1030: (INT16, [0o040555, 0o100644, 0o010644]),
    }
    made = files(Header.from_blob(headers.packed(fields, headers.IMMUTABLE)))
    assert [file.path for file in made] == ["", "usr/share/a", "usr/share/b"]
    assert [file.kind for file in made] == [FileKind.DIRECTORY, FileKind.FILE, FileKind.PIPE]
    assert {(file.user, file.group, file.digest, file.algorithm) for file in made} == {("root", "root", "", "")}


def test_large_files_have_sizes_of_64_bits():
    sizes = [5 << 30] * len(FILES)
    assert listed(tag5008=(INT64, sizes))[0].size == 5 << 30


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        ({"tag1116": (INT32, [99] * 9)}, "in a directory that it does not have"),
        ({"tag1116": (INT32, [0])}, "9 files and 1 values of DIRINDEXES"),
        ({"tag1030": (INT16, [0o100644])}, "9 files and 1 values of FILEMODES"),
        ({"tag1030": (INT16, [0o644] * 9)}, "unknown kind"),
        ({"tag1118": (STRINGS, ["/etc/../"] * 9)}, "no absolute path"),
        ({"tag1118": (STRINGS, ["etc/"] * 9)}, "no absolute path"),
        ({"tag1117": (STRINGS, [".."] * 9)}, r"called '\.\.'"),
        ({"tag1117": (STRINGS, ["a/b"] * 9)}, "called 'a/b'"),
        ({"tag1117": (STRINGS, [""] * 9)}, "called ''"),
        ({"tag1117": (STRINGS, ["a"] * 9)}, "two files with one path"),
        ({"tag5011": (INT32, [77])}, "unknown algorithm"),
        ({"tag5010": (STRINGS, ["cap_x=ep"] * 9)}, "no capabilities"),
        ({"tag1039": (INT32, [0] * 9)}, "holds no text"),
    ],
)
def test_headers_that_contradict_themselves(lie, message):
    with pytest.raises(BuildFailed, match=message):
        listed(**lie)


def test_names_as_rpm_3_wrote_them_are_refused():
    with pytest.raises(BuildFailed, match="rpm 3"):
        files(Header.from_blob(headers.packed({1027: (STRINGS, ["/usr/bin/a"])}, headers.IMMUTABLE)))


RAW = package.Package("app", files=FILES).built.header[8:]


@given(st.integers(8, len(RAW)), st.binary(max_size=8))
def test_files_of_any_header(at, junk):
    data = RAW[:at] + junk + RAW[at + len(junk) :]
    with contextlib.suppress(BuildFailed):
        for file in files(Header.from_blob(data[: len(RAW)])):
            assert not file.path.startswith("/")
            assert ".." not in file.path.split("/")
