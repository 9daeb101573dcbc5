"""Archives: one image gives one file, other tools load it, and what comes from elsewhere is read without trust."""

import contextlib
import io
import json
import os
import random
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagekit.errors import Bug, InvalidFile, Missing, UsageError, WrongDigest
from imagekit.oci.descriptor import Descriptor
from imagekit.store import archive
from imagekit.store.bundle import Bundle
from imagekit.store.layout_sink import writing
from tests.support.layouts import ARM64, Picture, index_of, opener, picture
from tests.support.tools import need

ONE = picture({"etc/os-release": b"base" * 5000}, {"var/task/app.py": b"one"})
TWO = picture({"etc/os-release": b"base" * 5000}, {"var/task/app.py": b"two"})
ARM = picture({"etc/os-release": b"arm"}, {"var/task/app.py": b"one"}, platform=ARM64)
BOTH = index_of(ONE, ARM)


def put_both(sink: Bundle) -> None:
    ARM.put_into(sink, "1-arm64")
    ONE.put_into(sink, "1-x86_64")
    sink.put_document(BOTH, "1")


@pytest.fixture
def both(tmp_path) -> Path:
    with archive.writing_oci(tmp_path / "both.tar") as sink:
        put_both(sink)
    return tmp_path / "both.tar"


@pytest.fixture
def loadable(tmp_path) -> Path:
    with archive.writing_docker(tmp_path / "docker.tar", "registry.corp/team/app") as sink:
        ONE.put_into(sink, "1", "latest")
    return tmp_path / "docker.tar"


def blob(path: Path, descriptor: Descriptor) -> bytes:
    with archive.reading(path).blob(descriptor) as pieces:
        return b"".join(pieces)


def members(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as tar:
        return {member.name: member for member in tar}


class TestOciArchive:
    def test_what_was_written_is_read(self, both):
        source = archive.reading(both)
        assert source.document("") == source.document("1") == BOTH
        assert source.document("1-arm64") == ARM.document
        for image in (ONE, ARM):
            assert source.document(str(image.digest)).data == image.document.data
            assert all(blob(both, item) == image.contents[item.digest] for item in image.blobs)

    def test_it_is_the_tar_of_a_layout_with_nothing_of_this_machine_in_it(self, both):
        found = members(both)
        blobs = {f"blobs/sha256/{item.digest.hex}" for image in (ONE, ARM) for item in image.blobs}
        documents = {f"blobs/sha256/{digest.hex}" for digest in (ONE.digest, ARM.digest, BOTH.descriptor.digest)}
        assert set(found) == {"blobs", "blobs/sha256", "index.json", "oci-layout"} | blobs | documents
        assert list(found) == sorted(found)
        assert {(item.mtime, item.uid, item.gid, item.uname) for item in found.values()} == {(315_532_800, 0, 0, "")}
        assert {item.mode for item in found.values()} == {0o755, 0o644}

    def test_one_image_gives_one_file_whatever_the_pieces(self, both, tmp_path):
        before = os.umask(0o077)
        try:
            with archive.writing_oci(tmp_path / "again.tar") as sink:
                for image in (ONE, ARM):
                    for item in reversed(image.blobs):
                        sink.put(item, opener(image.contents[item.digest], 7))
                ARM.put_into(sink, "1-arm64")
                ONE.put_into(sink, "1-x86_64")
                sink.put_document(BOTH, "1")
        finally:
            os.umask(before)
        assert (tmp_path / "again.tar").read_bytes() == both.read_bytes()
        assert stat.S_IMODE((tmp_path / "again.tar").stat().st_mode) == 0o600, "the user's umask counts"

    def test_unpacked_it_is_the_layout_that_is_written_to_a_folder(self, both, tmp_path):
        with writing(tmp_path / "folder") as sink:
            put_both(sink)
        with tarfile.open(both) as tar:
            tar.extractall(tmp_path / "unpacked", filter="data")
        for name in members(both):
            written, unpacked = tmp_path / "folder" / name, tmp_path / "unpacked" / name
            assert written.is_dir() if unpacked.is_dir() else written.read_bytes() == unpacked.read_bytes()

    def test_a_bundle_is_a_sink(self, tmp_path):
        with archive.writing_oci(tmp_path / "out.tar") as sink:
            assert not sink.has(ONE.blobs[0])
            assert not sink.mount(ONE.blobs[0], "public.ecr.aws/lambda/provided")
            ONE.put_into(sink, "1")
            assert sink.has(ONE.blobs[0])
            assert (sink.digest_of("1"), sink.digest_of("2")) == (ONE.digest, None)

    def test_a_failure_leaves_the_old_file(self, both, tmp_path):
        before = both.read_bytes()
        with pytest.raises(WrongDigest), archive.writing_oci(both) as sink:  # noqa: PT012 - it is written at the end
            ONE.put_into(sink, "1")
            sink.put(ONE.blobs[0], opener(b"x" * ONE.blobs[0].size))
        with pytest.raises(Bug), archive.writing_oci(both) as sink:
            sink.put_document(ONE.document, "1")
        assert both.read_bytes() == before
        assert os.listdir(tmp_path) == ["both.tar"]

    def test_a_place_that_cannot_be_written_is_refused(self, tmp_path):
        (tmp_path / "folder").mkdir()
        with pytest.raises(InvalidFile, match="no file"), archive.writing_oci(tmp_path / "folder"):
            pass
        with pytest.raises(Missing, match="cannot be written"), archive.writing_oci("/proc/out.tar") as sink:
            ONE.put_into(sink, "1")

    def test_folders_above_are_not_made(self, tmp_path):
        with pytest.raises(InvalidFile, match="no folder"), archive.writing_oci(tmp_path / "a/out.tar"):
            pass
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("data", [b"name: app\n", b"x" * 257 + b"ustaX", bytes(512)])
    def test_only_an_archive_is_replaced(self, tmp_path, data):
        file = tmp_path / "out.tar"
        file.write_bytes(data)
        with pytest.raises(InvalidFile, match="no tar archive; it is not overwritten"), archive.writing_oci(file):
            pass
        assert file.read_bytes() == data

    def test_an_empty_file_is_replaced(self, tmp_path):
        (tmp_path / "out.tar").touch()
        with archive.writing_oci(tmp_path / "out.tar") as sink:
            ONE.put_into(sink, "1")
        assert archive.reading(tmp_path / "out.tar").document("1") == ONE.document


class TestDockerArchive:
    def test_it_says_what_docker_save_says(self, loadable):
        with tarfile.open(loadable) as tar:
            manifest = tar.extractfile("manifest.json")
            assert manifest is not None
            assert json.load(manifest) == [
                {
                    "Config": f"blobs/sha256/{ONE.image.manifest.config.digest.hex}",
                    "RepoTags": ["registry.corp/team/app:1", "registry.corp/team/app:latest"],
                    "Layers": [f"blobs/sha256/{item.digest.hex}" for item in ONE.image.manifest.layers],
                }
            ]

    def test_it_is_an_image_layout_too(self, loadable):
        source = archive.reading(loadable)
        assert source.document("latest") == ONE.document
        assert {item.annotations["io.containerd.image.name"] for item in source.entries} == {
            "registry.corp/team/app:1",
            "registry.corp/team/app:latest",
        }
        assert list(members(loadable)) == sorted(members(loadable))

    def test_a_layer_that_stands_twice_is_written_once_and_listed_twice(self, tmp_path):
        image = picture({"a": b"same"}, {"a": b"same"})
        with archive.writing_docker(tmp_path / "out.tar", "app") as sink:
            image.put_into(sink, "1")
        with tarfile.open(tmp_path / "out.tar") as tar:
            manifest = tar.extractfile("manifest.json")
            assert manifest is not None
            assert len(json.load(manifest)[0]["Layers"]) == 2
        assert len([name for name in members(tmp_path / "out.tar") if name.startswith("blobs/sha256/")]) == 3

    def test_several_platforms_are_refused(self, tmp_path):
        with pytest.raises(UsageError, match="one platform"), archive.writing_docker(tmp_path / "out", "app") as sink:
            put_both(sink)
        assert os.listdir(tmp_path) == []


def tar_with(*items: tuple[tarfile.TarInfo, bytes], layout: Picture | None = None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        if layout:
            files = {
                "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
                "index.json": json.dumps(
                    {"schemaVersion": 2, "manifests": [layout.image.descriptor.to_mapping()]}
                ).encode(),
                f"blobs/sha256/{layout.digest.hex}": layout.document.data,
                **{f"blobs/sha256/{digest.hex}": data for digest, data in layout.contents.items()},
            }
            items = (*((member(name, len(data)), data) for name, data in files.items()), *items)
        for info, data in items:
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, target
    return info


class TestHostile:
    def refuse(self, path: Path, data: bytes, match: str) -> None:
        path.write_bytes(data)
        with pytest.raises(InvalidFile, match=match):
            archive.reading(path).document("")

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, b"S", b"Z"])
    def test_anything_but_files_and_folders_is_refused(self, tmp_path, kind):
        data = tar_with((member("blobs/x", kind=kind, target="/etc/passwd"), b""), layout=ONE)
        self.refuse(tmp_path / "a.tar", data, "'blobs/x' is neither a file nor a folder")

    @pytest.mark.parametrize("name", ["/etc/passwd", "../x", "blobs/../../x", "./../x"])
    def test_names_that_lead_out_are_refused(self, tmp_path, name):
        self.refuse(tmp_path / "a.tar", tar_with((member(name), b""), layout=ONE), "leads out")

    @pytest.mark.parametrize("name", ["index.json", "./index.json"])
    def test_a_name_that_stands_twice_is_refused(self, tmp_path, name):
        self.refuse(tmp_path / "a.tar", tar_with((member(name, 2), b"{}"), layout=ONE), "twice")

    @pytest.mark.parametrize("size", [1, 100_000, 64 * 1024**3])
    def test_a_size_beyond_the_end_is_refused(self, tmp_path, size):
        whole = tar_with(layout=ONE)
        end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
        header = member("blobs/large", size).tobuf(tarfile.GNU_FORMAT)
        self.refuse(tmp_path / "a.tar", whole[:end] + header, "cut off")

    @pytest.mark.parametrize("left", [0, 1, 511, 512, 5000])
    def test_a_tar_that_is_cut_off_is_refused(self, tmp_path, left):
        self.refuse(tmp_path / "a.tar", tar_with(layout=ONE)[:left], "cut off")

    @pytest.mark.parametrize(("magic", "name"), [(b"\x1f\x8b\x08", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd")])
    def test_a_compressed_tar_is_named_as_such(self, tmp_path, magic, name):
        self.refuse(tmp_path / "a.tar", magic + bytes(1024), f"compressed with {name}")

    def test_large_and_endless_headers_are_refused(self, tmp_path):
        data = tar_with((member("x", 100_000, tarfile.XHDTYPE), bytes(100_000)), layout=ONE)
        self.refuse(tmp_path / "a.tar", data, "extension header of 100,000 bytes")
        header = member("d", kind=tarfile.DIRTYPE).tobuf(tarfile.GNU_FORMAT)
        self.refuse(tmp_path / "a.tar", header * 50_001, "more than 50,000 headers")

    def test_an_empty_tar_and_other_files_are_refused(self, tmp_path):
        self.refuse(tmp_path / "a.tar", bytes(10_240), "has no oci-layout")
        self.refuse(tmp_path / "a.tar", b"PK\3\4" + bytes(10_240), "checksum")
        with pytest.raises(InvalidFile, match="No such file"):
            archive.reading(tmp_path / "none").document("")
        with pytest.raises(InvalidFile, match="not a file"):
            archive.reading(tmp_path).document("")
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InvalidFile, match="not a file"):
            archive.reading(tmp_path / "pipe").document("")

    def test_other_bytes_than_the_digest_says_are_refused(self, both):
        data = both.read_bytes()
        layer = ONE.contents[ONE.blobs[0].digest]
        both.write_bytes(data.replace(layer, layer[:-1] + b"x"))
        with pytest.raises(WrongDigest):
            blob(both, ONE.blobs[0])

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(data=st.data())
    def test_no_damage_leads_to_anything_but_an_error_of_ours(self, tmp_path, data):
        whole = bytearray(tar_with(layout=ONE))
        for _ in range(data.draw(st.integers(1, 6))):
            place = data.draw(st.integers(0, len(whole) - 1))
            whole[place] = data.draw(st.integers(0, 255))
        path = tmp_path / "damaged.tar"
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
        source = archive.reading(path)
        with contextlib.suppress(InvalidFile, WrongDigest):
            assert source.document("").data == ONE.document.data
            for item in ONE.blobs:
                assert blob(path, item) == ONE.contents[item.digest]


class TestFromElsewhere:
    def test_names_with_a_dot_and_pax_headers_are_understood(self, tmp_path):
        with writing(tmp_path / "folder") as sink:
            ONE.put_into(sink, "1")
        with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "x"}) as tar:
            tar.add(tmp_path / "folder", ".")
        assert archive.reading(tmp_path / "a.tar").document("1") == ONE.document
        assert blob(tmp_path / "a.tar", ONE.blobs[0]) == ONE.contents[ONE.blobs[0].digest]


WRITER = """
import sys
from imagekit.store import archive
from tests.support.layouts import picture
images = [picture({"app": bytes([number]) * 300_000}) for number in range(4)]
print("ready", flush=True)
while True:
    for image in images:
        with archive.writing_oci(sys.argv[1]) as sink:
            image.put_into(sink, "1")
"""


def test_a_kill_at_any_moment_leaves_a_whole_archive(tmp_path):
    chance = random.Random(3)
    path = tmp_path / "out.tar"
    with archive.writing_oci(path) as sink:
        picture({"app": bytes(300_000)}).put_into(sink, "1")
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.001, 0.05))
            process.send_signal(signal.SIGKILL)
        images = [picture({"app": bytes([number]) * 300_000}) for number in range(4)]
        [image] = [image for image in images if image.document == archive.reading(path).document("1")]
        assert all(blob(path, item) == image.contents[item.digest] for item in image.blobs)


@pytest.mark.real
class TestOtherTools:
    def run(self, *words: str | Path) -> str:
        done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def test_skopeo_reads_an_oci_archive_and_we_read_its(self, both, tmp_path):
        told = json.loads(self.run(need("skopeo"), "inspect", f"oci-archive:{both}:1-x86_64"))
        assert told["Digest"] == str(ONE.digest)
        self.run(
            *(need("skopeo"), "--insecure-policy", "copy", "--all", "--preserve-digests"),
            *(f"oci-archive:{both}:1", f"oci-archive:{tmp_path / 'copy.tar'}:1"),
        )
        assert archive.reading(tmp_path / "copy.tar").document("1") == BOTH
        assert blob(tmp_path / "copy.tar", ARM.blobs[0]) == ARM.contents[ARM.blobs[0].digest]

    def test_skopeo_reads_a_docker_archive(self, loadable, tmp_path):
        self.run(
            *(need("skopeo"), "--insecure-policy", "copy"),
            *(f"docker-archive:{loadable}:registry.corp/team/app:1", f"dir:{tmp_path / 'copy'}"),
        )
        manifest = json.loads((tmp_path / "copy/manifest.json").read_bytes())
        assert manifest["config"]["digest"] == str(ONE.image.manifest.config.digest)

    def test_podman_loads_a_docker_archive(self, loadable):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:  # podman wants short paths
            podman = (need("podman"), f"--root={place}/root", f"--runroot={place}/run", "--storage-driver=vfs")
            self.run(*podman, "load", "--input", loadable)
            [told] = json.loads(self.run(*podman, "image", "inspect", "registry.corp/team/app:1"))
        assert told["Config"]["Cmd"] == ["app.main"]
        assert told["RootFS"]["Layers"] == [str(item) for item in ONE.image.config.diff_ids]
