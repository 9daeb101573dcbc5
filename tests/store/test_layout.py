"""Image layouts: what was written is read, by us and by others; nothing hostile is followed; no moment is half-way."""

import json
import os
import shutil
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from imagekit.errors import Bug, InvalidFile, Missing, WrongDigest
from imagekit.oci import canonical, media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Document
from imagekit.store.cache import DiskCache
from imagekit.store.layout import Layout
from imagekit.store.layout_sink import writing, writing_sparse
from tests.support.layouts import ARM64, Picture, index_of, opener, picture
from tests.support.tools import missing, need

BASE = {"etc/os-release": b"base" * 5000}
ONE = picture(BASE, {"var/task/app.py": b"one"})
TWO = picture(BASE, {"var/task/app.py": b"two"})
ARM = picture({"etc/os-release": b"arm"}, {"var/task/app.py": b"one"}, platform=ARM64)
BOTH = index_of(ONE, ARM)


def write(folder: Path, image: Picture, *tags: str) -> Path:
    with writing(folder) as sink:
        image.put_into(sink, *tags)
    return folder


def write_both(folder: Path) -> Path:
    with writing(folder) as sink:
        ONE.put_into(sink, "", "1-x86_64")
        ARM.put_into(sink, "", "1-arm64")
        sink.put_document(BOTH)
        sink.put_document(BOTH, "1")
    return folder


def blob(folder: Path, descriptor: Descriptor) -> bytes:
    with Layout.in_folder(folder).blob(descriptor) as pieces:
        return b"".join(pieces)


def blobs_in(folder: Path) -> set[str]:
    return {path.name for path in (folder / "blobs/sha256").iterdir()}


def names_of(*images: Picture) -> set[str]:
    return {item.digest.hex for image in images for item in (*image.blobs, image.image.descriptor)}


def put_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.exists():
        path.unlink()
    path.write_bytes(data)


class TestWritten:
    def test_an_image_comes_back_byte_for_byte(self, tmp_path):
        folder = write(tmp_path / "out", ONE, "1")
        layout = Layout.in_folder(folder)
        for selector in ("", "1", str(ONE.digest)):
            assert layout.document(selector) == ONE.document
        for item in ONE.blobs:
            assert layout.has(item)
            assert blob(folder, item) == ONE.contents[item.digest]
        assert blobs_in(folder) == names_of(ONE)

    def test_the_folder_is_what_the_specification_says(self, tmp_path):
        folder = write(tmp_path / "out", ONE, "1")
        assert json.loads((folder / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
        assert json.loads((folder / "index.json").read_bytes()) == {
            "schemaVersion": 2,
            "mediaType": media.INDEX,
            "manifests": [
                {
                    "mediaType": media.MANIFEST,
                    "digest": str(ONE.digest),
                    "size": len(ONE.document.data),
                    "platform": {"os": "linux", "architecture": "amd64"},
                    "annotations": {"org.opencontainers.image.ref.name": "1"},
                }
            ],
        }
        assert {stat.S_IMODE(path.stat().st_mode) for path in (folder / "blobs/sha256").iterdir()} == {0o444}

    def test_an_index_with_its_parts_under_their_tags(self, tmp_path):
        layout = Layout.in_folder(write_both(tmp_path / "out"))
        assert {tag: item.digest for tag, item in layout.tags.items()} == {
            "1-x86_64": ONE.digest,
            "1-arm64": ARM.digest,
            "1": BOTH.descriptor.digest,
        }
        assert layout.document("") == BOTH, "the index stands for all of it"
        assert layout.document("1-arm64") == ARM.document
        assert len(layout.entries) == 3

    def test_parts_of_an_index_are_found_by_digest_without_being_listed(self, tmp_path):
        with writing(tmp_path / "out") as sink:
            ONE.put_into(sink)
            ARM.put_into(sink)
            sink.put_document(BOTH, "1")
        layout = Layout.in_folder(tmp_path / "out")
        assert [item.digest for item in layout.entries] == [BOTH.descriptor.digest]
        found = layout.document(str(ARM.digest))
        assert (found.data, found.descriptor.media_type) == (ARM.document.data, media.MANIFEST)

    def test_another_tag_joins_and_the_same_tag_replaces(self, tmp_path):
        folder = write(tmp_path / "out", ONE, "1")
        write(folder, TWO, "2")
        assert set(Layout.in_folder(folder).tags) == {"1", "2"}
        write(folder, ARM, "1")
        layout = Layout.in_folder(folder)
        assert {tag: item.digest for tag, item in layout.tags.items()} == {"1": ARM.digest, "2": TWO.digest}
        assert blobs_in(folder) == names_of(TWO, ARM), "what only the replaced image had is gone"

    def test_what_another_tool_keeps_in_a_shared_layout_stays(self, tmp_path):
        folder = write(tmp_path / "out", ONE, "1")
        stranger = Digest.of(b"a stranger's")
        put_file(folder / f"blobs/sha256/{stranger.hex}", b"a stranger's")
        write(folder, TWO, "1")
        assert blobs_in(folder) == {*names_of(TWO), stranger.hex}

    def test_a_referrer_keeps_its_own_entry(self, tmp_path):
        attached = {
            "schemaVersion": 2,
            "mediaType": media.MANIFEST,
            "artifactType": "application/spdx+json",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": str(Digest.of(b"{}")), "size": 2},
            "layers": [],
            "subject": ONE.image.descriptor.to_mapping(),
        }
        data = canonical.to_bytes(attached)
        referrer = Document(data=data, descriptor=Descriptor.of(data, media.MANIFEST))
        with writing(tmp_path / "out") as sink:
            ONE.put_into(sink, "1")
            sink.put(Descriptor.of(b"{}", "application/vnd.oci.empty.v1+json"), opener(b"{}"))
            sink.put_document(referrer)
        layout = Layout.in_folder(tmp_path / "out")
        assert {item.digest for item in layout.entries} == {ONE.digest, referrer.descriptor.digest}
        assert layout.document(str(referrer.descriptor.digest)).data == data

    def test_writing_the_same_again_touches_nothing(self, tmp_path):
        folder = write(tmp_path / "out", ONE, "1")
        before = {path: path.stat().st_ino for path in folder.rglob("*")}
        write(folder, ONE, "1")
        assert {path: path.stat().st_ino for path in folder.rglob("*")} == before

    def test_what_lies_there_damaged_is_written_again(self, tmp_path):
        folder = write(tmp_path / "out", ONE, "1")
        for item in (*ONE.blobs, ONE.image.descriptor):
            put_file(folder / f"blobs/sha256/{item.digest.hex}", b"short")
        write(folder, ONE, "1")
        assert Layout.in_folder(folder).document("1") == ONE.document
        assert all(blob(folder, item) == ONE.contents[item.digest] for item in ONE.blobs)

    def test_a_small_blob_is_written_over_itself_only_when_it_is_damaged(self, tmp_path):
        folder, item = write(tmp_path / "out", ONE, "1"), ONE.blobs[0]
        path = folder / f"blobs/sha256/{item.digest.hex}"

        def put_again() -> int:
            with writing(folder) as sink:
                sink.put(item, opener(ONE.contents[item.digest]))
            return path.stat().st_ino

        before = path.stat().st_ino
        assert put_again() == before
        put_file(path, bytes(item.size))
        put_again()
        assert blob(folder, item) == ONE.contents[item.digest]

    def test_no_blob_is_mounted_into_a_complete_layout(self, tmp_path):
        with writing(tmp_path / "out") as sink:
            assert not sink.mount(ONE.blobs[0], "public.ecr.aws/lambda/provided")
            ONE.put_into(sink)

    def test_a_sink_knows_its_tags(self, tmp_path):
        folder = write(tmp_path / "out", ONE, "1")
        with writing(folder) as sink:
            assert (sink.digest_of("1"), sink.digest_of("2")) == (ONE.digest, None)
            TWO.put_into(sink, "1")
            assert sink.digest_of("1") == TWO.digest


class TestRefusedWrites:
    def test_wrong_bytes_are_never_kept(self, tmp_path):
        item = ONE.blobs[0]
        for data in (b"", b"x" * item.size, ONE.contents[item.digest] + b"x"):
            with pytest.raises(WrongDigest), writing(tmp_path / "out") as sink:
                sink.put(item, opener(data))
        assert not (tmp_path / "out").exists()

    def test_a_manifest_without_its_blobs_is_a_bug_and_changes_nothing(self, tmp_path):
        folder = write(tmp_path / "out", ONE, "1")
        before = blobs_in(folder), (folder / "index.json").read_bytes()
        with pytest.raises(Bug, match="without its blob"), writing(folder) as sink:  # noqa: PT012 - at the end
            sink.put(TWO.image.manifest.config, TWO.open(TWO.image.manifest.config))
            sink.put_document(TWO.document, "1")
        assert (blobs_in(folder), (folder / "index.json").read_bytes()) == before

    def test_an_index_without_its_parts_is_a_bug(self, tmp_path):
        with pytest.raises(Bug, match="without its part"), writing(tmp_path / "out") as sink:  # noqa: PT012 - at the end
            ONE.put_into(sink)
            sink.put_document(BOTH, "1")

    def test_a_document_under_anothers_digest_is_a_bug(self, tmp_path):
        document = Document(data=ONE.document.data, descriptor=TWO.image.descriptor)
        with pytest.raises(Bug), writing(tmp_path / "out") as sink:
            sink.put_document(document)

    def test_a_failure_leaves_no_new_folder(self, tmp_path):
        with suppress(KeyboardInterrupt), writing(tmp_path / "new" / "out") as sink:
            ONE.put_into(sink, "1")
            raise KeyboardInterrupt
        assert not (tmp_path / "new" / "out").exists()

    @pytest.mark.parametrize("name", ["report.pdf", ".git", "blob"])
    def test_a_folder_with_something_else_in_it_is_refused(self, tmp_path, name):
        (tmp_path / name).touch()
        with pytest.raises(InvalidFile, match="no image layout"), writing(tmp_path):
            pass
        assert os.listdir(tmp_path) == [name]

    def test_a_file_and_an_unwritable_place_are_refused(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(InvalidFile), writing(tmp_path / "file"):
            pass
        with pytest.raises(Missing), writing("/proc/out"):
            pass

    def test_nothing_is_written_through_a_symlink(self, tmp_path):
        folder = write(tmp_path / "out", ONE, "1")
        (folder / "blobs").rename(tmp_path / "elsewhere")
        (folder / "blobs").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(InvalidFile, match="symlink"), writing(folder):
            pass

    def test_a_layout_that_cannot_be_read_is_not_written_over(self, tmp_path):
        folder = write(tmp_path / "out", ONE, "1")
        put_file(folder / "index.json", b"{")
        with pytest.raises(InvalidFile, match=r"index\.json"), writing(folder):
            pass
        assert (folder / "index.json").read_bytes() == b"{"
        assert blobs_in(folder) == names_of(ONE)


class TestSparse:
    ORIGIN = "public.ecr.aws/lambda/provided@sha256:" + "a" * 64

    def build(self, folder: Path, image: Picture, *, origin: str = ORIGIN) -> None:
        base, *own = image.image.manifest.layers
        with writing_sparse(folder) as sink:
            assert sink.mount(base, origin)
            for item in (*own, image.image.manifest.config):
                sink.put(item, image.open(item))
            sink.put_document(image.document, "latest")

    def test_blobs_elsewhere_are_named_and_own_ones_held(self, tmp_path):
        self.build(tmp_path, ONE)
        layout = Layout.in_folder(tmp_path)
        base, own = ONE.image.manifest.layers
        assert (layout.has(base), layout.has(own)) == (False, True)
        assert (layout.origin(base.digest), layout.origin(own.digest)) == (self.ORIGIN, "")
        assert json.loads((tmp_path / "origins.json").read_bytes()) == {str(base.digest): self.ORIGIN}
        with pytest.raises(InvalidFile, match=f"has no blob .*; it is in {self.ORIGIN}"):
            blob(tmp_path, base)

    def test_a_new_build_replaces_the_old_one_whole(self, tmp_path):
        self.build(tmp_path, ONE)
        (tmp_path / "blobs/sha256/.imagekit-0123").touch()
        (tmp_path / ".imagekit-4567").touch()
        put_file(tmp_path / "blobs/sha256" / ("0" * 64), b"left by a kill")
        self.build(tmp_path, TWO, origin="oci:/base")
        layout = Layout.in_folder(tmp_path)
        assert [item.digest for item in layout.entries] == [TWO.digest]
        assert dict(layout.origins) == {str(TWO.blobs[0].digest): "oci:/base"}
        assert blobs_in(tmp_path) == names_of(TWO) - {TWO.blobs[0].digest.hex}
        assert {path.name for path in tmp_path.iterdir()} == {
            *("blobs", "index.json", "oci-layout", "origins.json", ".imagekit.lock")
        }

    def test_a_damaged_layout_of_our_own_is_built_again(self, tmp_path):
        self.build(tmp_path, ONE)
        for name in ("index.json", "oci-layout", "origins.json"):
            put_file(tmp_path / name, b"\0" * 10)
            self.build(tmp_path, ONE)
            assert Layout.in_folder(tmp_path).document("latest") == ONE.document

    def test_own_blobs_are_linked_from_the_cache(self, tmp_path):
        item = ONE.blobs[1]
        cache = DiskCache(tmp_path / "cache", now=time.time)
        with cache.writer() as new:
            new.file.write(ONE.contents[item.digest])
            path = new.commit(item.digest)
        for _ in range(2):
            with writing_sparse(tmp_path / "out") as sink:
                sink.link(item, path)
                for other in ONE.blobs:
                    if other != item:
                        sink.mount(other, self.ORIGIN)
                sink.put_document(ONE.document)
            place = tmp_path / "out/blobs/sha256" / item.digest.hex
            assert os.path.samefile(place, path)
            assert stat.S_IMODE(place.stat().st_mode) == 0o444
        assert os.stat(path).st_nlink == 2

    def test_what_could_be_written_to_is_copied_not_linked(self, tmp_path):
        item = ONE.blobs[1]
        put_file(tmp_path / "file", ONE.contents[item.digest])
        with writing(tmp_path / "out") as sink:
            sink.link(item, str(tmp_path / "file"))
            ONE.put_into(sink)
        assert not os.path.samefile(tmp_path / "out/blobs/sha256" / item.digest.hex, tmp_path / "file")
        assert blob(tmp_path / "out", item) == ONE.contents[item.digest]

    def test_from_another_file_system_blobs_are_copied(self, tmp_path):
        if not os.access("/dev/shm", os.W_OK):
            missing("there is no second file system in /dev/shm")
        item = ONE.blobs[1]
        place = Path("/dev/shm") / f"imagekit-{os.getpid()}"
        put_file(place, ONE.contents[item.digest])
        place.chmod(0o444)
        try:
            with writing(tmp_path / "out") as sink:
                sink.link(item, str(place))
                ONE.put_into(sink)
        finally:
            place.unlink()
        assert blob(tmp_path / "out", item) == ONE.contents[item.digest]

    def test_a_file_of_another_size_is_not_linked(self, tmp_path):
        put_file(tmp_path / "file", b"short")
        (tmp_path / "file").chmod(0o444)
        with pytest.raises(WrongDigest), writing(tmp_path / "out") as sink:
            sink.link(ONE.blobs[1], str(tmp_path / "file"))


@pytest.mark.real
class TestOtherTools:
    def run(self, *words: str | Path) -> str:
        done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def test_skopeo_reads_what_we_write(self, tmp_path):
        folder = write_both(tmp_path / "out")
        told = json.loads(self.run(need("skopeo"), "inspect", f"oci:{folder}:1-x86_64"))
        assert told["Digest"] == str(ONE.digest)
        assert told["Layers"] == [str(item.digest) for item in ONE.image.manifest.layers]
        raw = self.run(need("skopeo"), "inspect", "--raw", f"oci:{folder}:1")
        assert raw.encode() == BOTH.data

    def test_skopeo_copies_an_index_whole_and_we_read_its_copy(self, tmp_path):
        folder = write_both(tmp_path / "out")
        self.run(
            *(need("skopeo"), "--insecure-policy", "copy", "--all", "--preserve-digests"),
            *(f"oci:{folder}:1", f"oci:{tmp_path / 'copy'}:1"),
        )
        layout = Layout.in_folder(tmp_path / "copy")
        assert layout.document("1") == BOTH
        assert layout.document(str(ARM.digest)).data == ARM.document.data
        assert blob(tmp_path / "copy", ARM.blobs[0]) == ARM.contents[ARM.blobs[0].digest]

    def test_umoci_unpacks_what_we_write(self, tmp_path):
        folder = write(tmp_path / "out", ONE, "1")
        self.run(need("umoci"), "unpack", "--rootless", "--image", f"{folder}:1", tmp_path / "bundle")
        assert (tmp_path / "bundle/rootfs/var/task/app.py").read_bytes() == b"one"
        self.run(need("umoci"), "gc", "--layout", folder)
        assert blobs_in(folder) == names_of(ONE), "umoci finds nothing superfluous"
        shutil.rmtree(tmp_path / "bundle")
