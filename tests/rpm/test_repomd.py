"""The documents of a package repository."""

import contextlib
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import RemoteFailed
from imagekit.rpm.repomd import Repomd
from imagekit.rpm.updateinfo import advisories
from imagekit.rpm.xml import children
from tests.support.packages.package import Package
from tests.support.packages.repository import Advisory, Repository
from tests.support.tools import need

ZLIB = Package("zlib", "1.2.13", "2.amzn2023", epoch=1)
ADVISORY = Advisory("ALAS2023-2026-101", (ZLIB, ZLIB.on("aarch64")), cves=("CVE-2026-20001", "CVE-2026-3000"))
REPODATA = Repository((ZLIB,), advisories=(ADVISORY,)).repodata
REPOMD = REPODATA["repodata/repomd.xml"]
UPDATEINFO = Repository((ZLIB,), advisories=(ADVISORY,)).metadata["updateinfo"]
BOMB = b"""<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><updates><update>&b;"""


def test_what_a_repository_has():
    repomd = Repomd.from_bytes(REPOMD)
    assert repomd.revision == "1750000000"
    assert [record.type for record in repomd.records] == ["primary", "filelists", "other", "updateinfo"]
    primary = repomd.record("primary")
    assert primary
    assert primary.checksum.digest
    assert primary.open_checksum
    data = REPODATA[primary.href]
    assert (primary.size, primary.checksum.digest.hex) == (len(data), primary.href.split("/")[1].partition("-")[0])
    assert primary.open_size
    assert primary.open_size > len(data)
    assert primary.open_checksum.algorithm == "sha256"
    assert repomd.record("group") is None


def test_prefixes_and_what_is_left_out():
    """Names count, not the prefixes of their namespaces; sizes and open checksums may be missing."""
    document = b"""<?xml version="1.0"?><r:repomd xmlns:r="http://linux.duke.edu/metadata/repo"><r:data type="primary">
    <r:checksum type="sha">%s</r:checksum><r:location href="repodata/primary.xml"/></r:data></r:repomd>"""
    (record,) = Repomd.from_bytes(document % (b"AB" * 20)).records
    assert (record.size, record.open_checksum, record.open_size) == (None, None, None)
    assert (record.checksum.algorithm, record.checksum.hex, record.checksum.digest) == ("sha1", "ab" * 20, None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"<repomd", b"<html", "it is a <html> instead of a <repomd>"),
        (b"</repomd>", b"", "it is no XML"),
        (b"<repomd", b"<!DOCTYPE repomd><repomd", "document type"),
        (b'type="filelists"', b'type="primary"', "it has 'primary' twice"),
        (b'type="filelists"', b'type="../x"', "of the type '../x'"),
        (b'href="repodata', b'hrefs="repodata', "does not say where"),
        (b'href="repodata', b'href="a&#10;repodata', "does not say where"),
        (b"<size>", b"<size>-", "it has the size '-"),
        (b'<checksum type="sha256">', b'<checksum type="sha256">0', "checksum of an unknown kind"),
        (b'<checksum type="sha256">', b'<checksum type="crc">', "checksum of an unknown kind"),
        (b"<checksum ", b"<ignored><checksum ", "no XML"),
        (b"UTF-8", b"UTF-99", "no XML"),
    ],
)
def test_what_is_no_repomd(old, new, message):
    assert old in REPOMD
    with pytest.raises(RemoteFailed, match=rf"^core/repomd\.xml is not what .*{message}"):
        Repomd.from_bytes(REPOMD.replace(old, new), "core/repomd.xml")


def test_a_record_without_a_checksum():
    with pytest.raises(RemoteFailed, match="no checksum of 'primary'"):
        Repomd.from_bytes(REPOMD.replace(b"checksum", b"chksum"))


def test_advisories():
    (found,) = advisories([UPDATEINFO])
    assert (found.id, found.type, found.severity, found.issued) == (
        *("ALAS2023-2026-101", "security", "Important"),
        "2026-01-02 03:04:05",
    )
    assert found.is_security
    assert found.cves == ("CVE-2026-3000", "CVE-2026-20001")
    assert [str(nevra) for nevra in found.packages] == [
        "zlib-1:1.2.13-2.amzn2023.x86_64",
        "zlib-1:1.2.13-2.amzn2023.aarch64",
    ]


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_advisories_come_whatever_the_pieces(size):
    pieces = [UPDATEINFO[start : start + size] for start in range(0, len(UPDATEINFO), size)]
    assert list(advisories(pieces)) == list(advisories([UPDATEINFO]))


def test_advisories_come_before_the_document_ends():
    """Memory holds one advisory."""
    update = UPDATEINFO[UPDATEINFO.index(b"<update ") : UPDATEINFO.index(b"</updates>")]

    def endless():
        yield b"<updates>"
        while True:
            yield update

    found = advisories(endless())
    assert [next(found).id for _ in range(3)] == ["ALAS2023-2026-101"] * 3


def test_texts_of_advisories_can_be_printed():
    bad = UPDATEINFO.replace(b"<title>", b"<title>\n &#x202e;&#x9b;2J ").replace(b"<severity>I", b"<severity>i")
    (found,) = advisories([bad])
    assert found.title == "2J ALAS2023-2026-101: Important"
    assert found.severity == "Important"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (BOMB, "document type"),
        (UPDATEINFO.replace(b"<id>ALAS2023-2026-101</id>", b""), "an advisory without a name"),
        (UPDATEINFO.replace(b'name="zlib"', b'name="zlib 1"'), "without a full name"),
        (UPDATEINFO.replace(b'epoch="1"', b'epoch="x"'), "without a full name"),
        (UPDATEINFO.replace(b' arch="x86_64"', b""), "without a full name"),
        (b"", "no XML"),
        (b"<updates>" + b"<update>" * 40, "too much in it"),
        (b"<updates><update>" + b"<a/>" * 500_001, "too much in it"),
        (b"<updates><update><description>" + b"x" * (3 << 20), "too much in it"),
        (b"<updates><update><a>" + b"x" * 1_000_000 + b"</a>" + (b"<a>" + b"x" * 1_000_000 + b"</a>") * 40, "too much"),
        (b"<updates><update><a b='" + b"x" * (3 << 20), "too much in it"),
        (b"<updates>" + b"<!--" + b"x" * (3 << 20), "too much in it"),
    ],
)
def test_what_is_no_updateinfo(document, message):
    with pytest.raises(RemoteFailed, match=message):
        list(advisories([document]))


@given(st.integers(0, len(UPDATEINFO)), st.binary(max_size=20), st.integers(0, 20))
def test_documents_with_any_bytes_in_them(at, junk, removed):
    with contextlib.suppress(RemoteFailed):
        list(advisories([UPDATEINFO[:at] + junk + UPDATEINFO[at + removed :]]))
    at = at % len(REPOMD)
    with contextlib.suppress(RemoteFailed):
        Repomd.from_bytes(REPOMD[:at] + junk + REPOMD[at + removed :])


def test_children_are_whole():
    (first, second) = children([b"<r>text<a x='1'>t<b/>u</a> <c/></r>"], "r", "it")
    assert (first.tag, first.attrib, first.text, [child.tag for child in first]) == ("a", {"x": "1"}, "t", ["b"])
    assert second.tag == "c"


@pytest.mark.real
@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_what_createrepo_writes(compression, tmp_path):
    (tmp_path / ZLIB.file_name).write_bytes(ZLIB.built.data)
    subprocess.run([need("createrepo_c"), "-q", f"--general-compress-type={compression}", tmp_path], check=True)
    repomd = Repomd.from_bytes((tmp_path / "repodata/repomd.xml").read_bytes())
    assert {"primary", "filelists", "other"} <= {record.type for record in repomd.records}
    for record in repomd.records:
        data = (tmp_path / record.href).read_bytes()
        assert record.checksum.digest
        assert (record.size, record.checksum.digest.of(data)) == (len(data), record.checksum.digest)
