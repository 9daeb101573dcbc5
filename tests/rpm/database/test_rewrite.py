"""RPM databases, written."""

import io
import os
import sqlite3
import subprocess
from pathlib import Path
from struct import unpack

import pytest

from imagekit.errors import BuildFailed, Missing
from imagekit.rpm.database import sqlite
from imagekit.rpm.database.index import BLOBS, TEXTS, rows
from imagekit.rpm.database.installed import Addition
from imagekit.rpm.database.rewrite import rewrite
from imagekit.rpm.header import MAGIC, Header
from imagekit.rpm.package import Package
from imagekit.rpm.tag import Tag
from tests.support.packages import database, headers, package, system
from tests.support.packages.headers import BINARY, INT32
from tests.support.packages.package import GHOST, Item, Trigger, folder
from tests.support.packages.signing import key
from tests.support.tools import need

INSTALLED = system.installed()
TIME = 1_760_000_000
JQ = package.Package(
    "jq",
    "1.7",
    "1",
    epoch=2,
    files={"usr/bin/jq": Item(b"jq"), "usr/share/doc/jq": folder(), "var/log/jq": Item(flags=GHOST)},
    requires=("libc.so.6", "(oniguruma if glibc else musl)", "/bin/sh"),
    provides=("json-tool",),
    recommends=("(jq-doc or jq-man)",),
    signed_by=key(),
    triggers=(
        Trigger("package", "a", ("bash", "zsh")),
        Trigger("package", "b", ("bash",)),
        Trigger("file", "c", ("/usr/lib", "/lib")),
        Trigger("file", "d", ("/etc",)),
    ),
)
TABLES = {**TEXTS, **BLOBS}


@pytest.fixture
def base(tmp_path) -> str:
    (tmp_path / "base.sqlite").write_bytes(database.sqlite(INSTALLED))
    return str(tmp_path / "base.sqlite")


def addition(made: package.Package, **given) -> Addition:
    return Addition(package=Package.read(io.BytesIO(made.built.data), made.file_name), **given)


def dump(path: str | Path) -> dict[str, list]:
    connection = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    connection.text_factory = bytes
    found = {name: sorted(connection.execute(f"SELECT key, hnum, idx FROM '{name}'")) for name in TABLES}
    found["Packages"] = list(connection.execute("SELECT hnum, blob FROM Packages ORDER BY hnum"))
    connection.close()
    return found


def rows_of(path: str, number: int) -> dict[str, list]:
    return {
        name: [(key, index) for key, hnum, index in found if hnum == number]
        for name, found in dump(path).items()
        if name != "Packages"
    }


def test_a_package_comes_and_the_others_stay(base, tmp_path):
    target = str(tmp_path / "target")
    numbers = rewrite(base, target, add=[addition(JQ)], time=TIME)
    assert numbers == {"jq-2:1.7-1.x86_64": len(INSTALLED) + 1}
    before, after = list(sqlite.headers(base)), list(sqlite.headers(target))
    assert [header.raw for _, header in after[:-1]] == [header.raw for _, header in before]
    assert after[-1][0] == len(INSTALLED) + 1


def test_the_header_is_the_packages_own_and_what_its_installation_adds(base, tmp_path):
    rewrite(base, str(tmp_path / "target"), add=[addition(JQ, left_out={1})], time=TIME)
    *_, (_, header) = sqlite.headers(str(tmp_path / "target"))
    original = JQ.built.header[len(MAGIC) :]
    entries = int.from_bytes(original[:4])
    assert header.raw[8 : 8 + entries * 16] == original[8 : 8 + entries * 16]
    assert original[8 + entries * 16 :] in header.raw
    signature = Package.read(io.BytesIO(JQ.built.data)).signature
    assert header.text(Tag.SHA256HEADER) == signature.text(273)
    assert header.text(Tag.SHA1HEADER) == signature.text(269)
    assert header.binary(Tag.SIGMD5) == signature.binary(1004)
    assert header.binary(Tag.RSAHEADER) == signature.binary(268)
    assert header.integer(Tag.SIGSIZE) == signature.integer(1000)
    assert header.integer(Tag.INSTALLTIME) == header.integer(Tag.INSTALLTID) == TIME
    assert header.integers(Tag.FILESTATES) == (0, 2, 0)
    added = [
        unpack(">I", header.raw[at : at + 4])[0] for at in range(8 + entries * 16, 8 + len(header.entries) * 16, 16)
    ]
    assert added == sorted(added) == [257, 261, 268, 269, 273, 1008, 1029, 1046, 1127, 1128]


def test_what_a_package_is_found_by(base, tmp_path):
    rewrite(base, str(tmp_path / "target"), add=[addition(JQ)], time=TIME)
    found = rows_of(str(tmp_path / "target"), len(INSTALLED) + 1)
    assert found["Name"] == [(b"jq", 0)]
    assert found["Group"] == [(b"Unspecified", 0)]
    assert found["Basenames"] == [(b"jq", 0), (b"jq", 1), (b"jq", 2)]
    assert [key for key, _ in found["Dirnames"]] == [b"/usr/bin/", b"/usr/share/doc/", b"/var/log/"]
    assert found["Requirename"] == [
        (b"!glibc", 1),
        (b"(oniguruma if glibc else musl)", 1),
        (b"/bin/sh", 2),
        (b"glibc", 1),
        (b"libc.so.6", 0),
        (b"musl", 1),
        (b"oniguruma", 1),
    ]
    assert found["Recommendname"] == [(b"(jq-doc or jq-man)", 0), (b"jq-doc", 0), (b"jq-man", 0)]
    assert found["Triggername"] == [(b"bash", 0), (b"zsh", 1)]
    assert found["Filetriggername"] == [(b"/etc", 1), (b"/lib", 0), (b"/usr/lib", 0)]
    assert found["Installtid"] == [(TIME.to_bytes(4, "little"), 0)]
    assert len(found["Sigmd5"][0][0]) == 16
    assert found["Sha1header"][0][0].isalnum()
    assert found["Obsoletename"] == []


def test_the_root_itself(base, tmp_path):
    fields = {1116: (INT32, [0]), 1117: (headers.STRINGS, [""]), 1118: (headers.STRINGS, ["/"])}
    root = package.Package("root", files={"": folder()}, lies=fields)
    rewrite(base, str(tmp_path / "target"), add=[addition(root)], time=TIME)
    assert rows_of(str(tmp_path / "target"), len(INSTALLED) + 1)["Basenames"] == [(b"\0", 0)]


def test_a_package_without_a_group():
    fields = {1000: (headers.STRING, "a")}
    found = dict(rows(Header.from_blob(headers.packed(fields, headers.IMMUTABLE))))
    assert found["Group"] == [(b"Unknown", 0)]
    assert set(found) == set(TABLES)


def test_packages_go(base, tmp_path):
    gone = 5
    rewrite(base, str(tmp_path / "target"), remove=[gone], time=TIME)
    after = dump(tmp_path / "target")
    assert [number for number, _ in after["Packages"]] == [n for n in range(1, len(INSTALLED) + 1) if n != gone]
    assert not any(hnum == gone for name in TABLES for _, hnum, _ in after[name])
    before = dump(base)
    for name in TABLES:
        assert after[name] == [row for row in before[name] if row[1] != gone]


def test_numbers_are_not_used_again(base, tmp_path):
    last = len(INSTALLED)
    numbers = rewrite(base, str(tmp_path / "target"), add=[addition(JQ)], remove=[last], time=TIME)
    assert list(numbers.values()) == [last + 1]


def test_a_package_that_is_not_there_cannot_go(base, tmp_path):
    with pytest.raises(BuildFailed, match="has no package 99"):
        rewrite(base, str(tmp_path / "target"), remove=[99], time=TIME)


def test_the_same_bytes_wherever_it_is_written(base, tmp_path):
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        target = tmp_path / name / f"{name}.sqlite"
        rewrite(base, str(target), add=[addition(JQ)], remove=[2], time=TIME)
        written.append(target.read_bytes())
        assert os.listdir(tmp_path / name) == [f"{name}.sqlite"]
    assert written[0] == written[1]


def test_what_was_removed_leaves_no_bytes(base, tmp_path):
    """VACUUM: no page of the old database is in the new one's free space."""
    rewrite(base, str(tmp_path / "target"), remove=[6], time=TIME)
    assert b"libcurl-minimal" not in (tmp_path / "target").read_bytes()
    assert b"libcurl-minimal" in Path(base).read_bytes()


def test_a_log_is_taken_in_and_no_longer_needed(tmp_path):
    data, log = database.sqlite_with_log(INSTALLED[:-1], INSTALLED[-1:], tmp_path)
    (tmp_path / "base").write_bytes(data)
    rewrite(str(tmp_path / "base"), str(tmp_path / "target"), add=[addition(JQ)], time=TIME, log=log)
    names = [str(header.nevra) for _, header in sqlite.headers(str(tmp_path / "target"))]
    assert names == [*(one.nevra for one in INSTALLED), JQ.nevra]
    assert (tmp_path / "target").read_bytes()[18:20] == b"\1\1"
    assert (tmp_path / "base").read_bytes() == data


def test_foreign_bytes_in_names(base, tmp_path):
    made = package.Package("a", files={"usr/x": Item(b"")}).built
    data = made.data.replace(b"\0x\0/usr/\0", b"\0\xe9\0/usr/\0")
    it = Addition(package=Package.read(io.BytesIO(data)))
    rewrite(base, str(tmp_path / "target"), add=[it], time=TIME)
    assert rows_of(str(tmp_path / "target"), len(INSTALLED) + 1)["Basenames"] == [(b"\xe9", 0)]


def test_a_package_that_says_it_is_installed_is_refused(base, tmp_path):
    liar = package.Package("liar", lies={261: (BINARY, bytes(16))})
    with pytest.raises(BuildFailed, match="only an installed one can have"):
        rewrite(base, str(tmp_path / "target"), add=[addition(liar)], time=TIME)


def test_a_database_without_a_table(base, tmp_path):
    connection = sqlite3.connect(base)
    connection.execute("DROP TABLE Recommendname")
    connection.commit()
    connection.close()
    with pytest.raises(BuildFailed, match="no table Recommendname"):
        rewrite(base, str(tmp_path / "target"), time=TIME)


def test_triggers_in_the_schema_are_not_run(base, tmp_path):
    connection = sqlite3.connect(base)
    connection.execute("CREATE TRIGGER evil AFTER INSERT ON Packages BEGIN DELETE FROM Name; END")
    connection.commit()
    connection.close()
    rewrite(base, str(tmp_path / "target"), add=[addition(JQ)], time=TIME)
    assert len(dump(tmp_path / "target")["Name"]) == len(INSTALLED) + 1


def test_where_nothing_can_be_written(base, tmp_path):
    with pytest.raises(Missing, match="cannot be written"):
        rewrite(base, str(tmp_path / "no" / "target"), time=TIME)


SPEC = """
Name: everything
Version: 1.0~rc1
Release: 2
Epoch: 3
Summary: Everything that a header can say
License: MIT
BuildArch: noarch
Requires: a, b >= 1.0, (c or d), (e if f else g), ((k with l) or m)
Requires(pre): in-pre
Requires(post): in-post
Requires(preun): in-preun
Requires(postun): in-postun
Requires(pre,preun): in-both
Requires(pretrans): in-pretrans
Requires(posttrans): in-posttrans
Requires(meta): in-meta
Requires(verify): in-verify
Provides: a-provide = 3, other
Conflicts: (not-this and that), plain, (h unless (i or j))
Obsoletes: old < 2
Recommends: (r1 or r2), r3
Suggests: (s1 if s2 else s3)
Supplements: (u1 and u2)
Enhances: (v1 or (v2 unless v3)), v4
%description
.
%install
mkdir -p %{buildroot}/usr/share/x/sub %{buildroot}/etc
echo a > %{buildroot}/usr/share/x/a; ln %{buildroot}/usr/share/x/a %{buildroot}/usr/share/x/b
echo c > %{buildroot}/etc/c; ln -s a %{buildroot}/usr/share/x/l
touch %{buildroot}/usr/share/x/g
%files
/usr/share/x
%ghost /usr/share/x/g
%config(noreplace) /etc/c
%post
true
%triggerin -- bash, zsh
true
%triggerun -- bash
true
%filetriggerin -- /usr/lib /usr/share
true
%filetriggerun -- /usr/lib
true
%transfiletriggerin -- /usr/share/fonts
true
%transfiletriggerpostun -- /usr/share/fonts /usr/share/x
true
"""
PLAIN = "Name: first\nVersion: 1\nRelease: 1\nSummary: a\nLicense: MIT\nBuildArch: noarch\n%description\na\n%files\n"


@pytest.fixture(scope="module")
def rpms(tmp_path_factory) -> dict[str, Path]:
    """Packages of rpmbuild's."""
    top = tmp_path_factory.mktemp("rpms")
    for name, spec in {"first": PLAIN, "everything": SPEC}.items():
        (top / f"{name}.spec").write_text(spec)
        build = [need("rpmbuild"), "-bb", "--quiet", "--define", f"_topdir {top}", "--define", "_smp_build_ncpus 1"]
        subprocess.run([*build, top / f"{name}.spec"], check=True, capture_output=True)
    return {path.name.split("-")[0]: path for path in top.rglob("*.rpm")}


def at_no_time(blob: bytes) -> bytes:
    """A header with zeros for the times of its installation."""
    header, data = Header.from_blob(blob), bytearray(blob)
    for tag in (Tag.INSTALLTIME, Tag.INSTALLTID):
        start = 8 + 16 * int.from_bytes(blob[:4]) + header.entries[tag].offset
        data[start : start + 4] = bytes(4)
    return bytes(data)


def rpm(folder: Path, *words: object) -> str:
    command = [need("rpm"), "--dbpath", folder, *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.real
def test_it_is_what_rpm_writes(rpms, tmp_path):
    """Header by header and row by row; only the two times are not, which rpm takes from its clock."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for place in (mine, theirs):
        place.mkdir()
        rpm(place, "-i", "--justdb", "--nodeps", "--noscripts", "--notriggers", rpms["first"])
    source = mine / "rpmdb.sqlite"
    with open(rpms["everything"], "rb") as file:
        it = Addition(package=Package.read(file))
    rpm(theirs, "-i", "--justdb", "--nodeps", "--noscripts", "--notriggers", rpms["everything"])
    *_, (number, header) = sqlite.headers(str(theirs / "rpmdb.sqlite"), (theirs / "rpmdb.sqlite-wal").read_bytes())
    log = (mine / "rpmdb.sqlite-wal").read_bytes()
    rewrite(str(source), str(tmp_path / "new"), add=[it], time=header.integer(Tag.INSTALLTIME), log=log)
    connection = sqlite3.connect(theirs / "rpmdb.sqlite")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    new, expected = dump(tmp_path / "new"), dump(theirs / "rpmdb.sqlite")
    assert [n for n, _ in new["Packages"]] == [n for n, _ in expected["Packages"]] == [1, number]
    assert at_no_time(new["Packages"][1][1]) == at_no_time(expected["Packages"][1][1])
    assert len(new["Installtid"]) == len(expected["Installtid"])
    for name in TABLES.keys() - {"Installtid"}:
        later = [row for row in new[name] if row[1] == number]
        assert later == [row for row in expected[name] if row[1] == number], name


@pytest.mark.real
def test_rpm_works_with_it(rpms, tmp_path):
    place = tmp_path / "db"
    place.mkdir()
    rpm(place, "-i", "--justdb", "--nodeps", rpms["first"])
    log = (place / "rpmdb.sqlite-wal").read_bytes()
    with open(rpms["everything"], "rb") as file:
        it = Addition(package=Package.read(file))
    new = tmp_path / "new"
    new.mkdir()
    rewrite(str(place / "rpmdb.sqlite"), str(new / "rpmdb.sqlite"), add=[it], time=TIME, log=log)
    need("rpmdb")
    subprocess.run(["rpmdb", "--dbpath", new, "--verifydb"], check=True)
    assert rpm(new, "-qa").split() == ["first-1-1.noarch", "everything-1.0~rc1-2.noarch"]
    assert rpm(new, "-q", "--whatprovides", "a-provide", "--qf", "%{NAME} %{INSTALLTIME}") == f"everything {TIME}"
    assert "everything" in rpm(new, "-q", "--whatrequires", "g")
    assert "everything" in rpm(new, "-qf", "/usr/share/x/a")
    assert "everything" in rpm(new, "-q", "--whatsupplements", "u1")
    rpm(new, "-e", "--justdb", "--nodeps", "--noscripts", "--notriggers", "everything")
    assert rpm(new, "-qa").split() == ["first-1-1.noarch"]
    subprocess.run(["rpmdb", "--dbpath", new, "--verifydb"], check=True)
