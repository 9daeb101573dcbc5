"""imagekit's readers and its writer of RPM's formats beside rpm itself, package by package."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from imagekit.rpm.database import sqlite
from imagekit.rpm.database.index import BLOBS, TEXTS
from imagekit.rpm.database.installed import Addition
from imagekit.rpm.database.rewrite import rewrite
from imagekit.rpm.dependency import DependencyKind, dependencies
from imagekit.rpm.evr import compare
from imagekit.rpm.files import FileKind, files
from imagekit.rpm.header import ENTRY, INTRO, Header
from imagekit.rpm.package import Package
from imagekit.rpm.payload import payload, unpacked
from imagekit.rpm.signature import Certificates, verify
from imagekit.rpm.tag import Tag
from tests.support.commands import run
from tests.support.packages.world import World
from tests.support.tools import need

pytestmark = pytest.mark.real
#: One line a file, as rpm knows it.
LINE = (
    "[%{=NEVRA}|%{FILENAMES}|%{FILEMODES}|%{FILEUSERNAME}|%{FILEGROUPNAME}|%{LONGFILESIZES}|%{FILEMTIMES}|"
    "%{FILELINKTOS}|%{FILEFLAGS}|%{FILEINODES}|%{FILEDIGESTS}|%{FILELANGS}\\n]"
)


def opened(path: Path) -> Package:
    with open(path, "rb") as file:
        return Package.read(file, path.name)


def test_files_and_signatures(world: World, arch: str) -> None:
    """Every file of every package is what rpm says it is, and its content what the header says."""
    packages = world.packages[arch]
    theirs = set(world.rpm(Path("/"), "-qp", "--qf", LINE, *packages).lines)
    certificates = Certificates.from_bytes(world.workshop.key)
    mine = set()
    for path in packages:
        package = opened(path)
        assert verify(package, certificates) in certificates.fingerprints
        with open(path, "rb") as stream:
            stream.seek(package.payload_offset)
            package.verify(stream)
            stream.seek(package.payload_offset)
            brought = [file.index for file, _ in payload(package, unpacked(package, stream), spool=TemporaryFile)]
        listed = files(package.header)
        assert sorted(brought) == [file.index for file in listed if not file.is_ghost]
        modes, sizes = package.header.integers(Tag.FILEMODES), package.header.integers(Tag.FILESIZES)
        for file in listed:
            assert file.size == (sizes[file.index] if file.kind is FileKind.FILE else 0)
            mine.add(
                f"{package.header.nevra}|/{file.path}|{modes[file.index]}|{file.user}|{file.group}|{sizes[file.index]}|"
                f"{file.mtime}|{file.target}|{file.flags}|{file.inode}|{file.digest}|{file.language}"
            )
    assert len(mine) > 3000
    assert mine == {line for line in theirs if line}


@pytest.mark.parametrize("kind", DependencyKind)
def test_dependencies(world: World, arch: str, kind: DependencyKind) -> None:
    packages = world.packages[arch]
    names, flags, versions = (tag.name for tag in kind.value)
    line = f"[%{{=NEVRA}} %{{{names}}} %{{{flags}:depflags}} %{{{versions}}}\\n]"
    theirs = {" ".join(line.split()) for line in world.rpm(Path("/"), "-qp", "--qf", line, *packages).lines}
    mine = set()
    for path in packages:
        header = opened(path).header
        for one in dependencies(header, kind):
            mine.add(" ".join(f"{header.nevra} {one.name} {one.relation} {one.evr}".split()))
    assert mine
    assert mine == {line for line in theirs if line}


def test_versions_are_ordered_as_rpm_orders_them() -> None:
    chance = random.Random(1)
    texts = ["".join(chance.choices("0123ab.~^_+", k=chance.randrange(1, 8))) for _ in range(4000)]
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    script = "".join(f'print(rpm.vercmp("{one}", "{two}"));print(" ");' for one, two in pairs)
    theirs = run(need("rpm"), "--eval", f"%{{lua: {script}}}").out.split()
    assert [int(order) for order in theirs] == [compare(one, two) for one, two in pairs]


def test_what_is_installed(world: World, arch: str) -> None:
    root = world.roots[arch]
    theirs = world.rpm(root, "-qa", "--qf", "%{DBINSTANCE} %{NEVRA} %{INSTALLTIME} %{SHA256HEADER}\n").lines
    path, log = _database(root)
    mine = [
        f"{number} {header.nevra} {header.integer(Tag.INSTALLTIME)} {header.text(Tag.SHA256HEADER)}"
        for number, header in sqlite.headers(path, log)
    ]
    assert len(mine) > 30
    assert sorted(mine) == sorted(line for line in theirs if line)


def test_what_is_written(world: World, arch: str, tmp_path: Path) -> None:
    """All packages that can come to those of the base: the same headers, but for the time, and the same rows."""
    path, log = _database(world.roots[arch])
    present, taken = set(), set()
    for _, header in sqlite.headers(path, log):
        present.add(header.nevra.name)
        taken |= {file.path for file in files(header) if file.kind is FileKind.FILE}
    new = {}
    for one in world.packages[arch]:
        header = opened(one).header
        if header.nevra.name not in present and taken.isdisjoint(file.path for file in files(header)):
            new[header.nevra.name] = one
    theirs = tmp_path / "theirs"
    shutil.copytree(Path(path).parent, theirs)
    options = (
        "--install",
        "--justdb",
        "--nodeps",
        "--noscripts",
        "--notriggers",
        "--noorder",
        "--ignorearch",
        "--force",
    )
    run(need("rpm"), "--dbpath", theirs, "--nosignature", *options, *new.values(), settings=world.workshop.settings)
    connection = sqlite3.connect(theirs / "rpmdb.sqlite")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    added = [header for _, header in sqlite.headers(str(theirs / "rpmdb.sqlite")) if header.nevra.name not in present]
    assert len(added) == len(new) > 50
    additions = [Addition(package=opened(new[header.nevra.name])) for header in added]
    rewrite(path, str(tmp_path / "mine"), add=additions, time=1_700_000_000, log=log)
    mine, expected = _dump(tmp_path / "mine"), _dump(theirs / "rpmdb.sqlite")
    for table, rows in expected.items():
        assert mine[table] == rows, table


def _database(root: Path) -> tuple[str, bytes]:
    """Where a root's database is, and its log."""
    (path,) = root.rglob("rpmdb.sqlite")
    log = path.with_name("rpmdb.sqlite-wal")
    return str(path), log.read_bytes() if log.exists() else b""


def _dump(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows, but those about the time; headers with zeros for it."""
    connection = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    connection.text_factory = bytes
    found = {
        table: sorted(connection.execute(f"SELECT key, hnum, idx FROM '{table}'"))
        for table in {**TEXTS, **BLOBS}.keys() - {"Installtid"}
    }
    blobs = connection.execute("SELECT hnum, blob FROM Packages ORDER BY hnum").fetchall()
    connection.close()
    found["Packages"] = [(number, _without_time(blob)) for number, blob in blobs]
    return found


def _without_time(blob: bytes) -> bytes:
    header, data = Header.from_blob(blob), bytearray(blob)
    for tag in (Tag.INSTALLTIME, Tag.INSTALLTID):
        if tag in header:
            start = INTRO + int.from_bytes(blob[:4]) * ENTRY + header.entries[tag].offset
            data[start : start + 4] = bytes(4)
    return bytes(data)
