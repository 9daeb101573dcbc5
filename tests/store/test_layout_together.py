"""Several processes at one layout, and kills at any moment: it is always the old one or the new one, whole."""

import logging
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagekit.oci.manifest import Manifest
from imagekit.store.layout import Layout
from imagekit.store.layout_sink import reading, writing, writing_sparse
from tests.support.layouts import Picture, picture

ONE = picture({"etc/os-release": b"base" * 5000}, {"var/task/app.py": b"one"})


def write(folder: Path, image: Picture, *tags: str) -> Path:
    with writing(folder) as sink:
        image.put_into(sink, *tags)
    return folder


@contextmanager
def holder(folder: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    program = (
        "import sys, time; from imagekit.store.layout_sink import writing_sparse\n"
        "with writing_sparse(sys.argv[1]):\n    print('held', flush=True); time.sleep(float(sys.argv[2]))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder), str(seconds)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


class TestTogether:
    def test_a_second_writer_waits_and_says_so(self, tmp_path, caplog):
        with holder(tmp_path, 1.5), caplog.at_level(logging.WARNING), writing_sparse(tmp_path) as sink:
            ONE.put_into(sink, "1")
        assert [record.getMessage() for record in caplog.records] == [
            f"another imagekit is at work in {tmp_path}; waiting for it"
        ]
        assert Layout.in_folder(tmp_path).document("1") == ONE.document

    def test_a_killed_holder_blocks_nobody(self, tmp_path, caplog):
        with holder(tmp_path, 600) as process:
            process.kill()
            process.wait()
            with writing_sparse(tmp_path) as sink:
                ONE.put_into(sink, "1")
        assert not caplog.records

    def test_whoever_waits_for_a_first_writer_that_fails_gets_a_folder_of_its_own(self, tmp_path):
        folder = tmp_path / "out"
        with holder(folder, 600) as process:
            second = subprocess.Popen(
                [sys.executable, "-c", BUILDER, str(folder), "3", "1"],
                cwd=Path(__file__).parents[2],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert second.stdout is not None
            assert second.stdout.readline() == "ready\n"
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
        second.communicate()
        assert second.returncode == 0
        assert_whole(folder)

    def test_readers_share_and_keep_writers_away(self, tmp_path):
        folder = write(tmp_path / "out", ONE, "1")
        with reading(folder) as first, reading(folder) as second:
            assert first.document("1") == second.document("1") == ONE.document
            builder = subprocess.Popen(
                [sys.executable, "-c", BUILDER, str(folder), "1", "1"],
                cwd=Path(__file__).parents[2],
                stdout=subprocess.PIPE,
                text=True,
            )
            time.sleep(0.4)
            assert builder.poll() is None
            assert Layout.in_folder(folder).document("1") == ONE.document
        builder.communicate()
        assert builder.returncode == 0

    def test_a_folder_without_a_lock_can_be_read(self, tmp_path):
        folder = write(tmp_path / "out", ONE, "1")
        (folder / ".imagekit.lock").unlink()
        with reading(folder) as layout:
            assert layout.document("1") == ONE.document
        assert not (folder / ".imagekit.lock").exists()


BUILDER = """
import random, sys
from imagekit.store.layout_sink import writing_sparse
from tests.support.layouts import picture
folder, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chance = random.Random(seed)
images = [picture({"base": b"b" * 50_000}, {"app": bytes([number]) * 20_000 * number}) for number in range(6)]
print("ready", flush=True)
for _ in range(rounds):
    image = chance.choice(images)
    with writing_sparse(folder) as sink:
        base = image.blobs[0]
        if chance.random() < 0.5:
            sink.mount(base, "public.ecr.aws/lambda/provided")
        image.put_into(sink, "latest")
"""


def assert_whole(folder: Path) -> None:
    """The layout has one image, and each blob of it with its bytes or an origin."""
    layout = Layout.in_folder(folder)
    manifest = Manifest.from_bytes(layout.document("latest").data)
    for item in manifest.blobs:
        if layout.has(item):
            with layout.blob(item) as pieces:
                assert sum(map(len, pieces)) == item.size
        else:
            assert layout.origin(item.digest)


def test_two_builders_at_once_leave_a_whole_layout(tmp_path):
    builders = [
        subprocess.Popen(
            [sys.executable, "-c", BUILDER, str(tmp_path), str(seed), "40"],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.DEVNULL,
        )
        for seed in range(2)
    ]
    assert [process.wait() for process in builders] == [0, 0]
    assert_whole(tmp_path)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_kill_at_any_moment_leaves_the_old_layout_or_the_new(tmp_path, how):
    chance = random.Random(5)
    with writing_sparse(tmp_path) as sink:
        ONE.put_into(sink, "latest")
    for seed in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", BUILDER, str(tmp_path), str(seed), "100000"],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.001, 0.05))
            process.send_signal(how)
        assert_whole(tmp_path)
    with writing_sparse(tmp_path) as sink:
        ONE.put_into(sink, "latest")
    names = {path.name for path in (tmp_path / "blobs/sha256").iterdir()}
    assert names == {item.digest.hex for item in (*ONE.blobs, ONE.image.descriptor)}, (
        "what the killed ones left is gone"
    )
