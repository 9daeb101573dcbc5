"""A package repository of given packages: what its lists say is what the packages say."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from io import BytesIO

from hypothesis import given
from hypothesis import strategies as st

from imagekit.oci.digest import Digest
from imagekit.rpm.listing import Offered, repodata
from imagekit.rpm.package import Package as Read
from imagekit.rpm.repomd import Repomd
from tests.support.packages.package import GHOST, Item, Package, folder

COMMON = "{http://linux.duke.edu/metadata/common}"
RPM = "{http://linux.duke.edu/metadata/rpm}"


def offered(package: Package) -> Offered:
    data = package.built.data
    header = Read.read(BytesIO(data), package.name).header
    return Offered(header=header, name=package.file_name, size=len(data), digest=Digest.of(data))


def listed(*packages: Package) -> list[ET.Element]:
    return list(ET.fromstring(repodata([offered(one) for one in packages])["repodata/primary.xml"]))


def test_a_package_is_known_by_its_name_size_and_checksum():
    package = Package("tool", "1.2", "3", "x86_64", epoch=4)
    (found,) = listed(package)
    version = found.find(f"{COMMON}version")
    assert version is not None
    assert dict(version.attrib) == {"epoch": "4", "ver": "1.2", "rel": "3"}
    assert found.findtext(f"{COMMON}checksum") == package.built.sha256
    assert [one.attrib["href"] for one in found.iter(f"{COMMON}location")] == [package.file_name]


def test_relations_are_those_of_the_package():
    package = Package("tool", requires=("libx.so.1()(64bit)", "other >= 2:1.0-1", "(a or b)"), conflicts=("curl",))
    (found,) = listed(package)
    requires = {one.attrib["name"]: dict(one.attrib) for one in found.iter(f"{RPM}requires") for one in one}
    assert requires["other"] == {"name": "other", "flags": "GE", "epoch": "2", "ver": "1.0", "rel": "1"}
    assert {"libx.so.1()(64bit)", "(a or b)"} < set(requires)
    assert not any(name.startswith("rpmlib(") for name in requires)
    assert [one.attrib["name"] for all_of in found.iter(f"{RPM}conflicts") for one in all_of] == ["curl"]


def test_files_can_be_asked_for():
    files = {"usr/bin/tool": Item(b"x"), "opt/a & b": folder(), "etc/ghost": Item(b"", flags=GHOST)}
    (found,) = listed(Package("tool", files=files))
    kinds = {one.text: one.attrib.get("type") for one in found.iter(f"{COMMON}file")}
    assert kinds == {"/usr/bin/tool": None, "/opt/a & b": "dir", "/etc/ghost": "ghost"}


def test_the_lists_are_named_with_their_checksums():
    files = repodata([offered(Package("tool"))])
    repomd = Repomd.from_bytes(files["repodata/repomd.xml"], "here")
    for kind in ("primary", "filelists"):
        record = repomd.record(kind)
        assert record
        assert record.checksum.hex == hashlib.sha256(files[record.href]).hexdigest()
        assert record.size == len(files[record.href])
    assert files == repodata([offered(Package("tool"))])


@given(st.text(alphabet=st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=20))
def test_any_name_of_a_file_gives_xml(name):
    for document in repodata([offered(Package("tool", files={f"opt/x{name}": Item(b"")}))]).values():
        ET.fromstring(document)
