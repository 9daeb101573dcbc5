"""Image layouts from anywhere: nothing leads out, nothing is unbounded, nothing means two things."""

import os
from pathlib import Path

import pytest

from imagekit.errors import InvalidFile, WrongDigest
from imagekit.oci import canonical, media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.ports import Document
from imagekit.store.layout import Layout
from imagekit.store.layout_sink import writing
from tests.support.layouts import ARM64, Picture, picture

BASE = {"etc/os-release": b"base" * 5000}
ONE = picture(BASE, {"var/task/app.py": b"one"})
TWO = picture(BASE, {"var/task/app.py": b"two"})
ARM = picture({"etc/os-release": b"arm"}, {"var/task/app.py": b"one"}, platform=ARM64)


def write(folder: Path, image: Picture, *tags: str) -> Path:
    with writing(folder) as sink:
        image.put_into(sink, *tags)
    return folder


def blob(folder: Path, descriptor: Descriptor) -> bytes:
    with Layout.in_folder(folder).blob(descriptor) as pieces:
        return b"".join(pieces)


def put_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.exists():
        path.unlink()
    path.write_bytes(data)


class TestHostile:
    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        return write(tmp_path / "out", ONE, "1")

    @pytest.fixture
    def secret(self, tmp_path) -> Path:
        put_file(tmp_path / "secret", ONE.contents[ONE.blobs[0].digest])
        return tmp_path / "secret"

    def test_a_symlink_out_of_the_layout_is_refused(self, folder, secret):
        place = folder / "blobs/sha256" / ONE.blobs[0].digest.hex
        for target in (secret, Path("../../../secret")):
            place.unlink()
            place.symlink_to(target)
            with pytest.raises(InvalidFile, match="leads out"):
                blob(folder, ONE.blobs[0])

    def test_a_linked_folder_is_refused(self, folder, tmp_path):
        (folder / "blobs").rename(tmp_path / "blobs")
        (folder / "blobs").symlink_to(tmp_path / "blobs")
        with pytest.raises(InvalidFile, match="leads out"):
            Layout.in_folder(folder).document("1")

    def test_a_symlink_within_the_layout_is_followed(self, folder):
        place = folder / "blobs/sha256" / ONE.blobs[0].digest.hex
        place.rename(folder / "blobs/layer")
        place.symlink_to("../layer")
        assert blob(folder, ONE.blobs[0]) == ONE.contents[ONE.blobs[0].digest]

    @pytest.mark.parametrize("name", ["oci-layout", "index.json"])
    @pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
    def test_what_is_no_file_is_refused(self, folder, name, make):
        (folder / name).unlink()
        make(folder / name)
        with pytest.raises(InvalidFile):
            Layout.in_folder(folder).document("1")

    @pytest.mark.parametrize("name", ["oci-layout", "index.json", "origins.json"])
    @pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"{" * 100_000, b" " * (4 * 1024 * 1024 + 1)])
    def test_broken_files_are_refused_with_their_name(self, folder, name, data):
        put_file(folder / name, data)
        with pytest.raises(InvalidFile, match=name):
            _ = (Layout.in_folder(folder).entries, Layout.in_folder(folder).origins)

    @pytest.mark.parametrize("name", ["oci-layout", "index.json"])
    def test_a_folder_that_is_no_layout_is_refused(self, folder, name):
        (folder / name).unlink()
        with pytest.raises(InvalidFile, match=f"has no {name}"):
            Layout.in_folder(folder).document("1")

    def test_another_version_is_refused(self, folder):
        put_file(folder / "oci-layout", b'{"imageLayoutVersion": "2.0.0"}')
        with pytest.raises(InvalidFile, match=r"2\.0\.0"):
            Layout.in_folder(folder).document("1")

    def test_other_bytes_than_the_digest_says_never_arrive_whole(self, folder):
        item = ONE.blobs[0]
        right = ONE.contents[item.digest]
        put_file(folder / "blobs/sha256" / item.digest.hex, right[:-1] + b"x")
        got = []
        with pytest.raises(WrongDigest), Layout.in_folder(folder).blob(item) as pieces:  # noqa: PT012 - it is lazy
            for piece in pieces:
                got.append(piece)  # noqa: PERF402 - the pieces before the error count
        assert len(b"".join(got)) < len(right)
        put_file(folder / "blobs/sha256" / item.digest.hex, right + b"x")
        with pytest.raises(WrongDigest):
            blob(folder, item)

    def test_a_damaged_manifest_is_refused(self, folder):
        put_file(folder / "blobs/sha256" / ONE.digest.hex, b"x" * len(ONE.document.data))
        for selector in ("", "1", str(ONE.digest)):
            with pytest.raises(WrongDigest):
                Layout.in_folder(folder).document(selector)

    def test_a_document_is_bounded(self, folder):
        large = Descriptor(media_type=media.MANIFEST, digest=ONE.digest, size=4 * 1024 * 1024 + 1)
        put_file(folder / "index.json", canonical.to_bytes({"schemaVersion": 2, "manifests": [large.to_mapping()]}))
        with pytest.raises(InvalidFile, match="more than"):
            Layout.in_folder(folder).document("")

    @pytest.mark.parametrize(
        ("told", "fields"),
        [
            (media.INDEX, {"mediaType": media.MANIFEST, "layers": []}),
            (media.MANIFEST, {"manifests": []}),
            (media.INDEX, {"layers": []}),
            (media.MANIFEST, {"manifests": [], "layers": []}),
            (media.INDEX, {"manifests": [], "layers": []}),
        ],
    )
    def test_a_document_with_two_meanings_is_refused(self, folder, told, fields):
        data = canonical.to_bytes({"schemaVersion": 2, **fields})
        entry = Descriptor.of(data, told)
        put_file(folder / f"blobs/sha256/{entry.digest.hex}", data)
        put_file(folder / "index.json", canonical.to_bytes({"schemaVersion": 2, "manifests": [entry.to_mapping()]}))
        with pytest.raises(InvalidFile, match="media type"):
            Layout.in_folder(folder).document("")

    def test_a_tag_or_digest_that_is_not_there_says_what_is(self, folder):
        for selector in ("2", str(TWO.digest)):
            with pytest.raises(InvalidFile) as caught:
                Layout.in_folder(folder).document(selector)
            assert caught.value.hint == "it has '1'"

    def test_several_images_must_be_told_apart(self, folder):
        write(folder, TWO, "2")
        with pytest.raises(InvalidFile, match="2 images") as caught:
            Layout.in_folder(folder).document("")
        assert "'1', '2'" in caught.value.hint

    def test_a_tag_with_two_meanings_is_refused(self, folder):
        entries = [
            {**image.image.descriptor.to_mapping(), "annotations": {"org.opencontainers.image.ref.name": "1"}}
            for image in (ONE, ARM)
        ]
        put_file(folder / "index.json", canonical.to_bytes({"schemaVersion": 2, "manifests": entries}))
        with pytest.raises(InvalidFile, match="2 images"):
            Layout.in_folder(folder).document("1")

    def test_an_untagged_index_json_of_several_platforms_is_the_index(self, folder):
        entries = [image.image.descriptor.to_mapping() for image in (ONE, ARM)]
        data = canonical.to_bytes({"schemaVersion": 2, "manifests": entries})
        put_file(folder / "index.json", data)
        assert Layout.in_folder(folder).document("") == Document(data=data, descriptor=Descriptor.of(data, media.INDEX))
