"""The facts of a base: names, contents, RPM database, as its layers together have them."""

import contextlib
import gzip
import json

import pytest

from imagekit.errors import BuildFailed
from imagekit.facts import DatabaseKind, Facts
from imagekit.gather.facts import FactsReader
from imagekit.lock import LockedImage
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from imagekit.oci.manifest import Manifest
from imagekit.progress import Silent
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.store.cache import DiskCache
from tests.support.bases import TYPES, Node, digest, folder, layer, link

_, MANIFEST, CONFIG, LAYER = TYPES["oci"]


class Blobs:
    """A source of blobs in memory that counts how often each is asked for."""

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.asked: list[Digest] = []

    def add(self, data: bytes, media_type: str) -> dict[str, object]:
        self.blobs[Digest.parse(digest(data))] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def blob(self, descriptor: Descriptor):
        self.asked.append(descriptor.digest)
        return contextlib.nullcontext(iter([self.blobs[descriptor.digest]]))


@pytest.fixture
def source() -> Blobs:
    return Blobs()


@pytest.fixture
def read(tmp_path, source):
    """Reads the facts of a base with these layers, always with the same cache."""
    cache = DiskCache(tmp_path / "cache", now=lambda: 1e9)

    def reads(*nodes: dict[str, Node]) -> Facts:
        tars = [layer(item) for item in nodes]
        descriptors = [source.add(gzip.compress(tar, mtime=0), LAYER) for tar in tars]
        config = json.dumps(
            {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [*map(digest, tars)]}}
        ).encode()
        data = json.dumps(
            {"schemaVersion": 2, "mediaType": MANIFEST, "config": source.add(config, CONFIG), "layers": descriptors}
        ).encode()
        locked = LockedImage(
            reference="base:1", manifest=Digest.of(data), config=Manifest.from_bytes(data).config.digest
        )
        return FactsReader(cache=cache, progress=Silent(), source=lambda name: (source, name)).read(
            locked, Image.from_bytes(data, config)
        )

    return reads


def test_contents_are_those_of_the_highest_layer_at_their_real_paths(read):
    facts = read(
        {"etc": folder(), "etc/passwd": Node(b"root"), "usr/lib": folder(0o555), "lib": link("usr/lib")},
        {
            "etc/passwd": Node(b"root and you", mode=0o640),
            "lib/sysusers.d/x.conf": Node(b"u x"),
            "etc/motd": Node(b"hi"),
        },
    )
    assert {path: file.content for path, file in facts.files.items()} == {
        "etc/passwd": b"root and you",
        "usr/lib/sysusers.d/x.conf": b"u x",
    }
    assert facts.files["etc/passwd"].mode == 0o640
    assert facts.content("lib/sysusers.d/x.conf") == b"u x"
    assert facts.content("etc/motd") == b""
    assert facts.layout.symlinks == {"lib": "usr/lib"}
    assert "etc/motd" in facts.layout.files
    assert facts.database is None


def test_the_database_is_found_behind_symlinks_and_with_its_log(read):
    facts = read(
        {"usr/lib/sysimage/rpm/rpmdb.sqlite": Node(b"old"), "var/lib/rpm": link("../../usr/lib/sysimage/rpm")},
        {
            "usr/lib/sysimage/rpm/rpmdb.sqlite": Node(b"rows"),
            "usr/lib/sysimage/rpm/rpmdb.sqlite-wal": Node(b"more rows"),
        },
    )
    found = facts.database
    assert found
    assert (found.kind, found.path) == (DatabaseKind.SQLITE, "usr/lib/sysimage/rpm/rpmdb.sqlite")
    assert (found.digest, found.log) == (Digest.of(b"rows"), Digest.of(b"more rows"))
    for file, content in ((found.file, b"rows"), (found.log_file, b"more rows")):
        with open(file, "rb") as opened:
            assert opened.read() == content


def test_an_empty_log_is_none_and_the_older_kind_is_known(read):
    facts = read({"var/lib/rpm/Packages": Node(b"pages"), "var/lib/rpm/Packages-wal": Node(b"")})
    assert facts.database
    assert (facts.database.kind, facts.database.log) == (DatabaseKind.BERKELEY, None)


def test_a_second_time_nothing_is_read(read, source):
    nodes = {"var/lib/rpm/rpmdb.sqlite": Node(b"rows"), "etc/group": Node(b"root:x:0:")}
    first = read(nodes)
    assert len(source.asked) == 1
    second = read(nodes)
    assert second == first
    assert (second.database.file, second.files) == (first.database.file, first.files)
    assert len(source.asked) == 1


def test_a_database_that_is_no_longer_in_the_cache_is_read_again(read, source):
    import os

    nodes = {"var/lib/rpm/rpmdb.sqlite": Node(b"rows")}
    os.unlink(read(nodes).database.file)
    with open(read(nodes).database.file, "rb") as opened:
        assert opened.read() == b"rows"
    assert len(source.asked) == 1, "the layer itself was still there"


def test_too_much_is_refused(read):
    with pytest.raises(BuildFailed, match="more than"):
        read({"etc/pki/ca-trust/source/anchors/x.pem": Node(b"x" * (25 << 20))})


def test_a_folder_in_the_databases_place_is_no_database(read):
    assert read({"var/lib/rpm/rpmdb.sqlite": folder(), "var/lib/rpm/Packages": link("nowhere")}).database is None


def test_a_record_holds_all_but_where_things_lie(read):
    facts = read({"var/lib/rpm/rpmdb.sqlite": Node(b"rows"), "etc/passwd": Node(b"\xff\0")})
    again = Facts.from_record(facts.record)
    assert again == facts
    assert again.database.file == ""
    assert Facts.from_record(Facts(layout=BaseLayout()).record) == Facts(layout=BaseLayout())
