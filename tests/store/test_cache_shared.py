"""One cache under several processes, under kills at any moment, on a disk that is really full."""

import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imagekit.oci.digest import Digest
from imagekit.store.cache import DiskCache
from tests.support.tools import need


def cache_in(folder: Path) -> DiskCache:
    return DiskCache(folder, now=time.time)


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "below" / "cache"


BUILDER = """
import os, random, sys, time
from imagekit.oci.digest import Digest
from imagekit.store.cache import DiskCache
folder, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
cache, chance = DiskCache(folder, now=time.time), random.Random(seed)
print("ready", flush=True)
for _ in range(rounds):
    number = chance.randrange(40)
    data = (b"%d;" % number) * (1 + number * 3000)
    digest = Digest.of(data)
    path = cache.blob(digest)
    if path is None or chance.random() < 0.3:
        with cache.writer() as blob:
            blob.file.write(data)
            path = blob.commit(digest)
    with open(path, "rb") as file:
        assert file.read() == data
    cache.keep("facts", str(number), data[:5000])
    kept = cache.record("facts", str(number))
    assert kept in (None, data[:5000]), kept
    assert kept is not None
"""


def builder(folder: Path, seed: int, rounds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(folder), str(seed), str(rounds)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )


def assert_sound(folder: Path) -> None:
    """Every blob that the cache hands out has its content, every record its data."""
    cache = cache_in(folder)
    for path in (folder / "blobs" / "sha256").rglob("*"):
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".size":
            found = cache.blob(Digest(path.name))
            assert found is None or hashlib.sha256(Path(found).read_bytes()).hexdigest() == path.name
    for number in range(40):
        data = (b"%d;" % number) * (1 + number * 3000)
        assert cache.record("facts", str(number)) in (None, data[:5000])


def test_processes_share_a_cache(folder):
    builders = [builder(folder, seed, 150) for seed in range(3)]
    assert [process.communicate() and process.returncode for process in builders] == [0, 0, 0]
    assert_sound(folder)
    assert not [name for name in files_below(folder) if ".imagekit-" in name]


def test_a_kill_at_any_moment_leaves_the_cache_sound(folder):
    chance = random.Random(7)
    for seed in range(8):
        with builder(folder, seed, 100_000) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.001, 0.06))
            process.send_signal(signal.SIGKILL)
        assert_sound(folder)
    cache_in(folder).prune()
    assert not [name for name in files_below(folder) if ".imagekit-" in name]


FILLER = """
import sys, time
from imagekit.errors import Missing
from imagekit.oci.digest import Digest
from imagekit.store.cache import DiskCache
cache = DiskCache(sys.argv[1] + "/cache", now=time.time)
for size in (300_000, 3_000_000):
    try:
        with cache.writer() as blob:
            blob.file.write(bytes(size))
            blob.commit(Digest.of(bytes(size)))
        raise SystemExit("it fitted")
    except Missing as error:
        print(error)
cache.keep("facts", "a", bytes(300_000))
assert cache.record("facts", "a") is None
cache.keep("facts", "a", b"data")
assert cache.record("facts", "a") == b"data"
"""


@pytest.mark.real
def test_a_really_full_disk_is_reported_and_leaves_nothing(tmp_path):
    script = (
        f"mount -t tmpfs -o size=200k tmpfs {tmp_path} && {sys.executable} -c '{FILLER}' {tmp_path} && find {tmp_path}"
    )
    done = subprocess.run(
        [need("unshare"), "--user", "--map-root-user", "--mount", "sh", "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("no room for a blob in") == 2
    assert ".imagekit-" not in done.stdout
    assert len(done.stderr.splitlines()) == 1, "the warning that nothing is kept"
