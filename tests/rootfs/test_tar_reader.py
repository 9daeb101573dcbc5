"""The tar reader against tarfile, GNU tar, our own writer and hostile bytes."""

import contextlib
import gzip
import io
import subprocess
import tarfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagekit.decompression import Decompressed
from imagekit.errors import BuildFailed
from imagekit.rootfs.entry import Entry
from imagekit.rootfs.tar import END, header, padding
from imagekit.rootfs.tar_reader import Limits, Member, MemberKind, TarReader

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def members(raw: bytes, limits: Limits | None = None) -> list[tuple[Member, bytes]]:
    found = []
    reader = TarReader(Decompressed(io.BytesIO(raw)), "x.tar", limits or Limits())
    for member in reader:
        content, data = reader.content(), b""
        while piece := content.read(1000):
            data += piece
        found.append((member, data))
    return found


def info(name: str, **fields) -> tarfile.TarInfo:
    item = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(item, key, value)
    return item


def tar(*items: tuple[tarfile.TarInfo, bytes], format: int = tarfile.GNU_FORMAT, **options) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format, **options) as archive:
        for item, data in items:
            item.size = len(data)
            archive.addfile(item, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_of_tarfile_is_read(format_):
    raw = tar(
        (info("dir/", type=tarfile.DIRTYPE, mode=0o750), b""),
        (info("dir/file", mode=0o4711, uid=7, gid=8, mtime=1_600_000_000), b"x" * 1234),
        (info("link", type=tarfile.SYMTYPE, linkname="dir/file"), b""),
        (info("hard", type=tarfile.LNKTYPE, linkname="dir/file"), b""),
        (info("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3), b""),
        (info("pipe", type=tarfile.FIFOTYPE), b""),
        format=format_,
    )
    found = members(raw)
    assert [(m.name.rstrip("/"), m.kind) for m, _ in found] == [
        ("dir", MemberKind.DIRECTORY),
        ("dir/file", MemberKind.FILE),
        ("link", MemberKind.SYMLINK),
        ("hard", MemberKind.HARDLINK),
        ("null", MemberKind.SPECIAL),
        ("pipe", MemberKind.SPECIAL),
    ]
    file, data = found[1]
    assert (file.mode, file.uid, file.gid, file.mtime, file.size) == (0o4711, 7, 8, 1_600_000_000, 1234)
    assert data == b"x" * 1234
    assert [m.target for m, _ in found[2:4]] == ["dir/file"] * 2


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_are_read(format_):
    name, link = "d/" * 150 + "grün", "t/" * 150 + "日本"
    raw = tar((info(name), b"1"), (info("l", type=tarfile.SYMTYPE, linkname=link), b""), format=format_)
    (file, data), (symlink, _) = members(raw)
    assert (file.name, data, symlink.target) == (name, b"1", link)


def test_names_split_in_ustar_are_joined():
    name = "p" * 120 + "/" + "n" * 90
    assert members(tar((info(name), b""), format=tarfile.USTAR_FORMAT))[0][0].name == name


def test_pax_numbers_and_times_are_read():
    big = info("f", uid=1 << 30, mtime=-1.5)
    ((member, _),) = members(tar((big, b"1"), format=tarfile.PAX_FORMAT))
    assert (member.uid, member.mtime) == (1 << 30, -2)


def test_gnu_base_256_numbers_are_read():
    ((member, _),) = members(tar((info("f", uid=1 << 30, mtime=-5), b"1"), format=tarfile.GNU_FORMAT))
    assert (member.uid, member.mtime) == (1 << 30, -5)


def test_a_global_pax_header_holds_for_all_members_and_a_local_one_goes_before_it():
    raw = tar(
        (info("a"), b""),
        (info("b", pax_headers={"mtime": "7"}), b""),
        format=tarfile.PAX_FORMAT,
        pax_headers={"mtime": "42", "comment": "a commit"},
    )
    assert [member.mtime for member, _ in members(raw)] == [42, 7]


def test_a_directory_of_an_old_tar_ends_in_a_slash():
    block = bytearray(header(Entry(path="old")))
    block[3:4] = b"/"
    block[156] = 0
    block[257:265] = bytes(8)
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    assert members(bytes(block) + END)[0][0].kind is MemberKind.DIRECTORY


def test_a_checksum_of_signed_bytes_is_taken():
    """Some old tars summed up signed characters."""
    block = bytearray(header(Entry(path="x")))
    block[0:2] = "ü".encode()
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(byte - 256 if byte > 127 else byte for byte in block)
    assert members(bytes(block) + END)[0][0].name == "ü"


@pytest.mark.parametrize("options", [["--format=gnu"], ["--format=pax"], ["--format=v7"], ["--format=oldgnu"]])
def test_what_gnu_tar_writes_is_read(tmp_path, options):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a").write_bytes(b"a" * 600)
    (tmp_path / "d/b").hardlink_to(tmp_path / "d/a")
    (tmp_path / "d/c").symlink_to("a")
    raw = subprocess.run(
        ["tar", "-C", str(tmp_path), "--sort=name", *options, "-c", "d"], capture_output=True, check=True
    ).stdout
    found = {member.name.rstrip("/"): (member.kind, data) for member, data in members(raw)}
    assert found["d"][0] is MemberKind.DIRECTORY
    assert found["d/a"] == (MemberKind.FILE, b"a" * 600)
    assert found["d/b"][0] is MemberKind.HARDLINK
    assert found["d/c"][0] is MemberKind.SYMLINK


def test_sparse_files_are_refused(tmp_path):
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(10 << 20)
        file.seek(5 << 20)
        file.write(b"x")
    for style in (["--format=gnu"], ["--format=pax"], ["--format=pax", "--sparse-version=0.0"]):
        raw = subprocess.run(
            ["tar", "-C", str(tmp_path), "-S", *style, "-c", "sparse"], capture_output=True, check=True
        ).stdout
        with pytest.raises(BuildFailed, match="is a sparse file"):
            members(raw)


GOOD = tar((info("first"), b"1" * 700), (info("second"), b"2" * 700))


def with_checksum(block: bytearray) -> bytes:
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def changed(place: int, value: bytes) -> bytes:
    block = bytearray(header(Entry(path="first", size=700)))
    block[place : place + len(value)] = value
    return with_checksum(block) + b"1" * 700 + padding(700) + END


def extension(kind: bytes, body: bytes, size: int | None = None) -> bytes:
    block = bytearray(header(Entry(path="x", size=len(body) if size is None else size)))
    block[156:157] = kind
    return with_checksum(block) + body + padding(len(body))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "it is empty"),
        (gzip.compress(b""), "it is empty"),
        (b"hello", "cut off"),
        (b"hello" * 200, "not a tar archive"),
        (GOOD[:100], "cut off"),
        (GOOD[:1000], r"cut off \(after 'first'\)"),
        (GOOD[:1536], r"the mark at the end is missing \(after 'first'\)"),
        (GOOD[:2000], r"cut off \(after 'first'\)"),
        (gzip.compress(GOOD)[:-4], "cut off"),
        (GOOD[:3] + b"!" + GOOD[4:], "checksum is wrong"),
        (changed(124, b"9999999\0"), "not octal"),
        (changed(124, b"\xff" * 12), "negative"),
        (changed(108, b"\xff" * 8), "negative"),
        (changed(124, b"\x80" + b"\x7f" * 11), "too large"),
        (changed(156, b"M"), "unknown type"),
        (changed(156, b"?"), "unknown type"),
        (extension(b"x", b"", (1 << 33) - 1), r"extension header of 8,589,934,591 bytes"),
        (extension(b"L", b"", 2 << 20), r"extension header of 2,097,152 bytes"),
        (extension(b"x", b"10 path=a\n") * 20 + GOOD, "too many extension"),
        (extension(b"x", b"99 path=a\n") + GOOD, "pax record is damaged"),
        (extension(b"x", b"10 path=ab") + GOOD, "pax record is damaged"),
        (extension(b"x", b"7 patha\n") + GOOD, "pax record is damaged"),
        (extension(b"x", b"x path=a\n") + GOOD, "not decimal"),
        (extension(b"x", b"0 path=a\n") + GOOD, "pax record is damaged"),
        (extension(b"x", b"4 =a\n") + GOOD, "pax record is damaged"),
        (extension(b"x", b"11 size=-1\n") + GOOD, "not decimal"),
        (extension(b"x", b"12 mtime=1e9\n") + GOOD, "pax record is damaged"),
        (extension(b"x", b"13 mtime=1e9\n") + GOOD, "not a number"),
    ],
)
def test_damage_names_the_archive_and_the_last_member(raw, message):
    with pytest.raises(BuildFailed, match=message) as caught:
        members(raw)
    assert caught.value.message.startswith("x.tar: ")
    assert caught.value.hint


def test_a_compressed_archive_need_not_have_the_mark_at_the_end():
    assert len(members(gzip.compress(GOOD[:3072]))) == 2


def test_a_compressed_archives_checksum_is_judged_though_the_tar_has_ended():
    raw = gzip.compress(GOOD + bytes(1 << 20))
    with pytest.raises(BuildFailed, match="damaged"):
        members(raw[:-8] + bytes(4) + raw[-4:])


def test_the_number_of_members_is_bounded():
    assert len(members(GOOD, Limits(entries=2))) == 2
    with pytest.raises(BuildFailed, match="more than 1 entries"):
        members(GOOD, Limits(entries=1))


def test_the_uncompressed_size_is_bounded_also_behind_the_end():
    bomb = gzip.compress(GOOD + bytes(50 << 20))
    with pytest.raises(BuildFailed, match="unpacks to more than 1,048,576 bytes"):
        members(bomb, Limits(total=1 << 20))


def test_content_is_gone_once_the_reader_went_on():
    reader = TarReader(Decompressed(io.BytesIO(GOOD)), "x.tar", Limits())
    iterator = iter(reader)
    next(iterator)
    first = reader.content()
    assert first.read(3) == b"111"
    next(iterator)
    assert first.read(3) == b""
    assert reader.content().read(3) == b"222"


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=250)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(NAMES, st.binary(max_size=2000), st.integers(0, 1 << 40), st.integers(0, 0o7777)), max_size=5),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_what_tarfile_writes_is_what_is_read(items, format_):
    items = [(name.strip("/") or "x", *rest) for name, *rest in items]
    raw = tar(*((info(n, mtime=t, mode=m), d) for n, d, t, m in items), format=format_)
    assert [(m.name, d, m.mtime, m.mode) for m, d in members(raw)] == items


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(NAMES, st.binary(max_size=2000), st.integers(-(1 << 40), 1 << 40)), max_size=5))
def test_what_our_writer_writes_is_what_is_read(items):
    items = [(name.strip("/") or "x", *rest) for name, *rest in items]
    entries = [(Entry(path=name, size=len(data), mtime=mtime), data) for name, data, mtime in items]
    raw = b"".join(header(replace(entry)) + data + padding(len(data)) for entry, data in entries) + END
    assert [(m.name, d, m.mtime) for m, d in members(raw)] == items


@settings(max_examples=400, deadline=None)
@given(
    st.binary(max_size=1500),
    st.integers(0, len(GOOD)),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
    st.booleans(),
)
def test_hostile_bytes_are_members_or_an_error_of_ours(junk, cut, flips, mend):
    raw = bytearray(GOOD[:cut] + junk + END)
    for place, value in flips:
        if place < len(raw):
            raw[place] = value
    if mend and len(raw) >= 512:
        raw[:512] = with_checksum(raw[:512])
    with contextlib.suppress(BuildFailed):
        members(bytes(raw), Limits(total=1 << 20))
