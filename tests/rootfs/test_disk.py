"""Files on disk on their way into a layer."""

import io
import tarfile

import pytest

from imagekit.errors import BuildFailed
from imagekit.rootfs.disk import from_file, from_folder
from imagekit.rootfs.entry import MTIME
from imagekit.rootfs.gzip import Codec
from imagekit.rootfs.layer import write_layer
from imagekit.rootfs.scan import Selection, scan
from imagekit.rootfs.tree import Tree


class Memory(dict):
    put = dict.__setitem__


def scanned(path) -> Tree:
    return scan(Selection(path=str(path), root=str(path)), Memory(), now_ns=0)


def layer(items) -> tarfile.TarFile:
    sink = io.BytesIO()
    write_layer(items, sink, Codec(level=2))
    return tarfile.open(fileobj=io.BytesIO(sink.getvalue()))


@pytest.fixture
def app(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/big").write_bytes(b"0123456789" * 250_000)
    (tmp_path / "run").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "run").chmod(0o700)
    (tmp_path / "link").symlink_to("lib/big")
    return tmp_path


def test_a_folders_contents_go_below_the_target(app):
    with layer(from_folder(scanned(app), str(app), "var/task")) as tar:
        assert tar.getnames() == ["var", "var/task"] + [f"var/task/{n}" for n in ("lib", "lib/big", "link", "run")]
        assert tar.extractfile("var/task/lib/big").read() == b"0123456789" * 250_000
        assert {(m.uid, m.gid, m.mtime, m.uname) for m in tar.getmembers()} == {(0, 0, MTIME, "")}
        assert [tar.getmember(f"var/task/{n}").mode for n in ("lib", "lib/big", "run")] == [0o755, 0o644, 0o755]
        assert tar.getmember("var/task/link").linkname == "lib/big"


def test_an_empty_target_is_the_images_root(app):
    with layer(from_folder(scanned(app), str(app), "")) as tar:
        assert tar.getnames() == ["lib", "lib/big", "link", "run"]


def test_a_file_becomes_the_path_and_a_mode_can_be_forced(app):
    with layer(from_file(scanned(app / "lib/big"), str(app / "lib/big"), "opt/extensions/agent", mode=0o755)) as tar:
        assert tar.getnames() == ["opt", "opt/extensions", "opt/extensions/agent"]
        assert tar.getmember("opt/extensions/agent").mode == 0o755


def test_a_forced_mode_is_for_files_alone(app):
    with layer(from_folder(scanned(app), str(app), "", mode=0o755)) as tar:
        assert [tar.getmember(n).mode for n in ("lib", "lib/big", "link")] == [0o755, 0o755, 0o777]


@pytest.mark.parametrize("name", ["run", "lib/big"])
@pytest.mark.parametrize("change", ["content", "shorter", "longer", "gone"])
def test_a_file_that_is_no_longer_what_the_scan_saw_is_refused(app, name, change):
    tree = scanned(app)
    data = bytearray((app / name).read_bytes())
    match change:
        case "content":
            data[5] ^= 1
        case "shorter":
            del data[5]
        case "longer":
            data += b"x"
    (app / name).unlink()
    if change != "gone":
        (app / name).write_bytes(data)
    with pytest.raises(BuildFailed, match="changed while it was read"):
        layer(from_folder(tree, str(app), ""))
