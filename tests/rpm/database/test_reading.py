"""RPM databases of both kinds, read."""

import contextlib
import io
import os
import sqlite3
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagekit.errors import BuildFailed
from imagekit.rpm.database import berkeley, sqlite
from imagekit.rpm.database.log import merged
from imagekit.rpm.package import Package
from imagekit.rpm.tag import Tag
from tests.support.packages import database, system
from tests.support.tools import need

INSTALLED = system.installed()
NEVRAS = [package.nevra for package in INSTALLED]


@pytest.fixture
def file(tmp_path) -> str:
    path = tmp_path / "it is 100%?#.sqlite"
    path.write_bytes(database.sqlite(INSTALLED))
    return str(path)


@pytest.fixture(scope="module")
def logged(tmp_path_factory) -> tuple[bytes, bytes]:
    """A database, and a log that has its last three packages, written by two transactions."""
    return database.sqlite_with_log(INSTALLED[:-3], INSTALLED[-3:], tmp_path_factory.mktemp("logged"))


def names(headers) -> list[str]:
    return [str(header.nevra) for _, header in headers]


def test_every_package_with_its_number(file):
    found = list(sqlite.headers(file))
    assert [number for number, _ in found] == list(range(1, len(INSTALLED) + 1))
    assert names(found) == NEVRAS
    package = Package.read(io.BytesIO(INSTALLED[3].built.data))
    header = found[3][1]
    assert header.text(Tag.SHA256HEADER) == package.signature.text(273)
    assert header.texts(Tag.BASENAMES) == package.header.texts(Tag.BASENAMES)
    assert header.integer(Tag.INSTALLTIME) == database.INSTALLED


def test_nothing_is_written_beside_it(file, tmp_path):
    list(sqlite.headers(file))
    assert sorted(os.listdir(tmp_path)) == ["it is 100%?#.sqlite"]


def test_what_only_the_log_has(logged, tmp_path):
    (tmp_path / "db").write_bytes(logged[0])
    assert names(sqlite.headers(str(tmp_path / "db"))) == NEVRAS[:-3]
    assert names(sqlite.headers(str(tmp_path / "db"), logged[1])) == NEVRAS


def test_the_log_is_read_as_sqlite_reads_it(logged, tmp_path):
    """Whole, torn anywhere, and with damage in it: what sqlite finds."""
    data, log = logged
    lengths = set()
    for number, cut in enumerate([len(log), len(log) - 1, 40, 31, 0, *range(1000, len(log), len(log) // 7)]):
        for damage in (log[:cut], log[: cut // 2] + b"\xff" + log[cut // 2 + 1 : cut]):
            path = tmp_path / f"{number}"
            path.write_bytes(data)
            (tmp_path / f"{number}-wal").write_bytes(damage)
            connection = sqlite3.connect(path)
            expected = [blob for (blob,) in connection.execute("SELECT blob FROM Packages ORDER BY hnum")]
            connection.close()
            path.write_bytes(data)
            assert [header.raw for _, header in sqlite.headers(str(path), damage)] == expected
            lengths.add(len(expected))
    assert lengths == {len(INSTALLED) - 3, len(INSTALLED)}


def test_a_log_of_another_database(logged, tmp_path):
    large = tmp_path / "large"
    connection = sqlite3.connect(large)
    connection.execute("PRAGMA page_size = 8192")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
    connection.close()
    with pytest.raises(BuildFailed, match="log is that of another database"):
        list(sqlite.headers(str(large), logged[1]))


def test_a_log_alone_can_be_the_whole_database(tmp_path):
    connection = sqlite3.connect(tmp_path / "new")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
    log = (tmp_path / "new-wal").read_bytes()
    connection.close()
    data = merged(b"", log)
    assert data.startswith(b"SQLite format 3\0")
    assert data[18:20] == b"\1\1"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE TABLE Package (hnum, blob)", "no table of packages"),
        ("CREATE VIEW Packages AS SELECT 1 AS hnum, x'00' AS blob", "no table of packages"),
        ("CREATE TABLE Packages (blob)", "no such column"),
        ("CREATE TABLE Packages AS SELECT 1 AS hnum, 'text' AS blob", "a package in it is none"),
        ("CREATE TABLE Packages AS SELECT 1 AS hnum, x'00' AS blob", "is damaged"),
    ],
)
def test_databases_that_are_none_of_rpms(statement, message, tmp_path):
    connection = sqlite3.connect(tmp_path / "db")
    connection.execute(statement)
    connection.commit()
    connection.close()
    with pytest.raises(BuildFailed, match=rf"^(package 1 of )?the base.*{message}"):
        list(sqlite.headers(str(tmp_path / "db"), source="the base"))


def test_what_is_no_database(tmp_path):
    for content in (b"x" * 5000, b"", b"SQLite format 3\0" + bytes(84)):
        (tmp_path / "db").write_bytes(content)
        with pytest.raises(BuildFailed, match="cannot be read"):
            list(sqlite.headers(str(tmp_path / "db")))
    with pytest.raises(BuildFailed, match="cannot be read"):
        list(sqlite.headers(str(tmp_path / "nothing")))


SQLITE = bytearray(system.database_files(INSTALLED)[database.SQLITE].data or b"")
BERKELEY = database.berkeley(INSTALLED)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, len(SQLITE) - 20), st.binary(max_size=20)), max_size=5))
def test_databases_with_any_bytes_in_them(tmp_path_factory, junk):
    path = tmp_path_factory.getbasetemp() / "fuzzed.sqlite"
    data = bytearray(SQLITE)
    for at, piece in junk:
        data[at : at + len(piece)] = piece
    path.write_bytes(data)
    with contextlib.suppress(BuildFailed):
        for _, header in sqlite.headers(str(path)):
            assert header.raw


def test_berkeley_databases():
    found = list(berkeley.headers(io.BytesIO(BERKELEY)))
    assert names(found) == NEVRAS
    assert [number for number, _ in found] == list(range(1, len(INSTALLED) + 1))


def test_berkeley_databases_of_machines_of_the_other_byte_order(tmp_path):
    """Only the database's own numbers change."""
    from struct import pack, pack_into, unpack_from

    data = bytearray(BERKELEY)
    pages = len(data) // 4096
    for page in range(pages):
        at = page * 4096
        kind = data[at + 25]
        if kind == 13:
            count = unpack_from("<H", data, at + 20)[0]
            offsets = unpack_from(f"<{count}H", data, at + 26)
            for offset in offsets[::2]:
                data[at + offset + 1 : at + offset + 5] = data[at + offset + 1 : at + offset + 5][::-1]
            for offset in offsets[1::2]:
                if data[at + offset] == 3:
                    pack_into(">II", data, at + offset + 4, *unpack_from("<II", data, at + offset + 4))
            pack_into(f">{count}H", data, at + 26, *offsets)
        words = 9 if kind == 8 else 5
        data[at : at + 4 * words] = pack(f">{words}I", *unpack_from(f"<{words}I", data, at))
        if kind != 8:
            pack_into(">HH", data, at + 20, *unpack_from("<HH", data, at + 20))
        else:
            data[at + 24 : at + 28] = BERKELEY[24:28]
    assert names(berkeley.headers(io.BytesIO(data))) == NEVRAS


@pytest.mark.parametrize(
    ("at", "junk", "message"),
    [
        (12, b"\0", "no hash of Berkeley DB"),
        (16, b"\4", "no hash of Berkeley DB"),
        (20, b"\1", "no hash of Berkeley DB"),
        (24, b"\1", "encrypted"),
        (32, b"\xff\xff\xff\xff", "pages"),
        (4096 + 20, b"\xff\xff", "more items than it holds"),
        (4096 + 20, b"\3\0", "more items than it holds"),
        (4096 + 26, b"\2\0", "outside its page"),
        (4096 + 28, b"\xff\xff", "outside its page"),
        (2 * 4096 + 25, b"\1", "no part of a value"),
        (2 * 4096 + 22, b"\0\0", "no part of a value"),
        (2 * 4096 + 22, b"\xff\xff", "no part of a value"),
        (2 * 4096 + 26, b"\xff", "is damaged"),
    ],
)
def test_berkeley_databases_that_are_damaged(at, junk, message):
    data = BERKELEY[:at] + junk + BERKELEY[at + len(junk) :]
    with pytest.raises(BuildFailed, match=rf"^(package 1 of )?the base.*{message}"):
        list(berkeley.headers(io.BytesIO(data), "the base"))


def test_berkeley_databases_that_are_cut_off():
    for size in (0, 511, 4096, len(BERKELEY) - 1):
        with pytest.raises(BuildFailed, match="cut off"):
            list(berkeley.headers(io.BytesIO(BERKELEY[:size])))


@given(st.lists(st.tuples(st.integers(0, len(BERKELEY) - 8), st.binary(max_size=8)), max_size=5))
def test_berkeley_databases_with_any_bytes_in_them(junk):
    data = bytearray(BERKELEY)
    for at, piece in junk:
        data[at : at + len(piece)] = piece
    with contextlib.suppress(BuildFailed):
        for _, header in berkeley.headers(io.BytesIO(data)):
            assert header.raw


@pytest.mark.real
def test_what_berkeley_db_itself_writes(tmp_path):
    """Perl has it: a small value stands on its page, a large one on pages of its own, and pages were split."""
    for number in range(300):
        blob = database.installed_header(INSTALLED[number % len(INSTALLED)])
        (tmp_path / f"{number + 1}").write_bytes(blob)
    script = """
        use DB_File; tie my %db, "DB_File", "Packages", O_RDWR | O_CREAT, 0644, $DB_HASH or die $!;
        $db{pack "L", 0} = pack "L", 300;
        for my $number (1 .. 300) { local (@ARGV, $/) = $number; $db{pack "L", $number} = <>; }
        delete $db{pack "L", $_} for 100 .. 120;
    """
    subprocess.run([need("perl"), "-e", script], cwd=tmp_path, check=True)
    with open(tmp_path / "Packages", "rb") as file:
        found = list(berkeley.headers(file))
    assert [number for number, _ in found] == [*range(1, 100), *range(121, 301)]
    assert all(header.raw == (tmp_path / str(number)).read_bytes() for number, header in found)
