"""The cache on disk: what is kept is found, what is torn is not, and neither a kill nor a neighbour harms it."""

import contextlib
import errno
import logging
import os
import resource
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imagekit.errors import Bug, Missing
from imagekit.oci.digest import Digest
from imagekit.store.cache import DiskCache

DAY = 86_400
HELLO = Digest.of(b"hello")


def cache_in(folder: Path, later: float = 0) -> DiskCache:
    return DiskCache(folder, now=lambda: time.time() + later)


def add(cache: DiskCache, data: bytes) -> str:
    with cache.writer() as blob:
        blob.file.write(data)
        return blob.commit(Digest.of(data))


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def as_nobody(work: Callable[[], None]) -> int:
    """Do it in a process of a user whom permissions bind, also when the tests run as root; returns its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "below" / "cache"


@pytest.fixture
def cache(folder) -> DiskCache:
    return cache_in(folder)


class TestRecords:
    def test_what_was_kept_is_found_by_kind_and_key(self, cache, folder):
        cache.keep("facts", "a", b"one")
        cache.keep("facts", "b", b"")
        cache.keep("index", "a", b"three")
        other = cache_in(folder)
        assert [other.record(*key) for key in (("facts", "a"), ("facts", "b"), ("index", "a"))] == [
            b"one",
            b"",
            b"three",
        ]
        assert other.record("facts", "c") is None

    def test_the_last_one_kept_counts(self, cache):
        cache.keep("facts", "a", b"old")
        cache.keep("facts", "a", b"new")
        assert cache.record("facts", "a") == b"new"

    def test_any_text_is_a_key(self, cache):
        for key in ("", "/../../etc/passwd", "\0", "\ud800", "k" * 100_000):
            cache.keep("facts", key, key.encode("utf-8", "surrogatepass"))
            assert cache.record("facts", key) == key.encode("utf-8", "surrogatepass")

    def test_every_torn_or_changed_record_is_a_miss(self, cache, folder):
        cache.keep("facts", "a", b"some document")
        [path] = [path for path in folder.rglob("*") if path.is_file()]
        whole = path.read_bytes()
        path.chmod(0o644)
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            assert cache.record("facts", "a") is None
            path.write_bytes(whole[:length] + bytes([whole[length] ^ 1]) + whole[length + 1 :])
            assert cache.record("facts", "a") is None
            path.write_bytes(whole[:length] + bytes(len(whole) - length))
            assert cache.record("facts", "a") is None or whole[length:] == bytes(len(whole) - length)
        path.write_bytes(whole)
        assert cache.record("facts", "a") == b"some document"

    def test_a_record_under_another_records_name_is_a_miss(self, cache, folder):
        cache.keep("facts", "a", b"a's")
        [source] = [path for path in folder.rglob("*") if path.is_file()]
        cache.keep("facts", "b", b"b's")
        [target] = [path for path in folder.rglob("*") if path.is_file() and path != source]
        source.replace(target)
        assert cache.record("facts", "b") is None

    @pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
    def test_what_is_no_file_is_a_miss(self, cache, folder, make):
        cache.keep("facts", "a", b"data")
        [path] = [path for path in folder.rglob("*") if path.is_file()]
        path.unlink()
        make(path)
        assert cache.record("facts", "a") is None

    @pytest.mark.parametrize("kind", ["", "..", "a/b", "A", "a b", "x" * 60])
    def test_a_kind_is_a_plain_word(self, cache, kind):
        with pytest.raises(Bug):
            cache.record(kind, "key")

    def test_a_large_document_is_no_record(self, cache):
        with pytest.raises(Bug, match="blob"):
            cache.keep("facts", "a", bytes(64 * 1024**2 + 1))


class TestBlobs:
    def test_a_blob_is_found_under_its_digest_and_is_read_only(self, cache, folder):
        path = add(cache, b"hello")
        assert path == str(folder / "blobs/sha256" / HELLO.hex[:2] / HELLO.hex)
        assert cache_in(folder).blob(HELLO) == path
        assert Path(path).read_bytes() == b"hello"
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o444

    def test_nothing_is_visible_before_commit_and_nothing_remains_without_it(self, cache, folder):
        with cache.writer() as blob:
            blob.file.write(b"hello")
            blob.file.flush()
            assert cache.blob(HELLO) is None
        assert cache.blob(HELLO) is None
        with contextlib.suppress(RuntimeError), cache.writer() as blob:
            blob.file.write(b"hello")
            raise RuntimeError
        assert cache.blob(HELLO) is None
        assert files_below(folder) == ["lock"]

    def test_what_was_written_can_be_read_back_before_commit(self, cache):
        with cache.writer() as blob:
            blob.file.write(b"hello")
            blob.file.seek(0)
            path = blob.commit(Digest.of(blob.file.read()))
        assert cache.blob(HELLO) == path

    @pytest.mark.parametrize("content", [b"", b"hell", b"hello!"])
    def test_a_blob_of_another_size_is_absent_until_it_is_written_again(self, cache, content):
        path = Path(add(cache, b"hello"))
        path.chmod(0o644)
        path.write_bytes(content)
        assert cache.blob(HELLO) is None
        assert add(cache, b"hello") == str(path)
        assert cache.blob(HELLO) == str(path)
        assert path.read_bytes() == b"hello"

    @pytest.mark.parametrize("content", [b"", b"4", b"no number", b"5" * 30])
    def test_a_blob_whose_size_is_unknown_is_absent(self, cache, content):
        path = Path(add(cache, b"hello"))
        beside = path.with_name(path.name + ".size")
        beside.chmod(0o644)
        beside.write_bytes(content)
        assert cache.blob(HELLO) is None

    def test_the_empty_blob_is_a_blob(self, cache):
        path = add(cache, b"")
        assert cache.blob(Digest.of(b"")) == path

    def test_a_symlink_is_no_blob(self, cache, tmp_path):
        path = Path(add(cache, b"hello"))
        path.unlink()
        (tmp_path / "elsewhere").write_bytes(b"hello")
        path.symlink_to(tmp_path / "elsewhere")
        assert cache.blob(HELLO) is None

    def test_folders_are_private_under_any_umask(self, cache, folder):
        before = os.umask(0)
        try:
            add(cache, b"hello")
            cache.keep("facts", "a", b"data")
        finally:
            os.umask(before)
        folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
        assert not any(
            path.stat().st_mode & 0o222 for path in folder.rglob("*") if path.is_file() and path.name != "lock"
        )


class TestTrouble:
    def test_a_cache_that_cannot_be_written_warns_once_and_the_build_goes_on(self, tmp_path, caplog):
        (tmp_path / "file").touch()
        cache = cache_in(tmp_path / "file" / "cache")
        with caplog.at_level(logging.WARNING):
            cache.keep("facts", "a", b"data")
            cache.keep("facts", "b", b"data")
        assert [record.getMessage() for record in caplog.records] == [
            f"the cache {tmp_path}/file/cache keeps nothing: Not a directory"
        ]
        assert cache.record("facts", "a") is None
        caplog.clear()
        path, other = add(cache, b"hello"), add(cache, b"world")
        assert cache.blob(HELLO) == path
        assert Path(path).read_bytes() == b"hello"
        assert Path(other).parents[3] == Path(path).parents[3]
        assert len(caplog.records) == 1
        assert "temporary" in caplog.text
        del cache
        assert not Path(path).parents[3].exists()

    def test_a_read_only_cache_serves_what_it_has(self):
        with tempfile.TemporaryDirectory() as place:  # not in tmp_path: others may not even enter its parents
            folder = Path(place)
            cache = cache_in(folder)
            add(cache, b"hello")
            cache.keep("facts", "a", b"data")
            del cache
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o555 if path.is_dir() else 0o444)

            def work() -> None:
                reader = cache_in(folder, later=9 * DAY)
                assert reader.record("facts", "a") == b"data"
                assert str(reader.blob(HELLO)).startswith(place)
                reader.keep("facts", "b", b"")
                assert reader.record("facts", "b") is None
                path = add(reader, b"world")
                assert not path.startswith(place)
                assert reader.blob(Digest.of(b"world")) == path
                shutil.rmtree(Path(path).parents[3])

            assert as_nobody(work) == 0
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o755)

    def test_a_full_disk_says_what_to_do_and_leaves_nothing(self, cache, folder):
        with pytest.raises(Missing, match="no room for a blob in") as caught, cache.writer():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert "imagekit cache prune" in caught.value.hint
        assert "bytes are free there" in caught.value.message
        assert files_below(folder) == ["lock"]

    def test_other_troubles_are_passed_on(self, cache):
        with pytest.raises(PermissionError), cache.writer():
            raise PermissionError

    def test_a_cache_removed_while_it_is_used_comes_back(self, cache, folder):
        add(cache, b"hello")
        shutil.rmtree(folder)
        assert cache.blob(HELLO) is None
        add(cache, b"hello")
        cache.keep("facts", "a", b"data")
        assert cache.blob(HELLO)
        assert cache.record("facts", "a") == b"data"


class TestPrune:
    def age(self, path: str | Path, days: float) -> None:
        then = time.time() - days * DAY
        os.utime(path, (then, then))

    def test_size_counts_blobs_and_records(self, cache):
        assert (cache.size().files, cache.size().size) == (0, 0)
        add(cache, b"hello")
        cache.keep("facts", "a", b"data")
        assert cache.size().files == 2
        assert 9 < cache.size().size < 100

    def test_what_was_not_used_for_long_goes(self, cache):
        old, new = add(cache, b"old"), add(cache, b"new")
        self.age(old, 11)
        self.age(new, 9)
        removed = cache.prune(older_than=10 * DAY)
        assert (removed.files, removed.size) == (1, 3)
        assert cache.blob(Digest.of(b"old")) is None
        assert cache.blob(Digest.of(b"new")) == new
        assert not Path(old + ".size").exists()

    def test_the_oldest_go_first_until_the_rest_fits(self, cache):
        blobs = [f"blob {number}".encode() for number in range(5)]
        for days, data in enumerate(blobs):
            self.age(add(cache, data), days)
        assert cache.prune(max_size=15).files == 3
        assert [data for data in blobs if cache.blob(Digest.of(data))] == blobs[:2]
        assert cache.prune(max_size=0).files == 2
        assert cache.size().files == 0

    def test_use_keeps_a_blob_and_a_record_young(self, cache, folder):
        path = add(cache, b"hello")
        cache.keep("facts", "a", b"data")
        for file in folder.rglob("*"):
            self.age(file, 30)
        assert cache.blob(HELLO)
        assert cache.record("facts", "a")
        assert cache.prune(older_than=DAY).files == 0
        self.age(path, 0.5)
        before = os.stat(path).st_mtime_ns
        cache.blob(HELLO)
        assert os.stat(path).st_mtime_ns == before, "noted once a day only"

    def test_beside_another_user_what_may_be_in_use_stays(self, cache, folder):
        add(cache, b"recent")
        old = add(cache, b"old")
        self.age(old, 3)
        neighbour = cache_in(folder)
        assert neighbour.blob(Digest.of(b"recent"))
        assert cache.prune(max_size=0).files == 1
        assert neighbour.blob(Digest.of(b"recent"))
        del neighbour
        assert cache.prune(max_size=0).files == 1

    def test_what_a_neighbour_is_writing_stays_and_what_a_killed_one_left_goes(self, cache, folder):
        neighbour = cache_in(folder)
        with neighbour.writer() as blob:
            blob.file.write(b"hello")
            assert cache.prune(older_than=0, max_size=0).files == 0
            blob.commit(HELLO)
        assert cache.blob(HELLO)
        del neighbour, blob
        (folder / "blobs" / ".imagekit-0123456789abcdef").write_bytes(b"half")
        assert cache.prune().files == 1
        assert cache.blob(HELLO)

    def test_pruning_an_absent_cache_does_nothing(self, tmp_path):
        assert cache_in(tmp_path / "none").prune(max_size=0).files == 0
        assert not (tmp_path / "none").exists()


def test_a_process_does_not_need_a_file_descriptor_per_cache(folder):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    for _ in range(min(limit, 2000) + 10):
        add(cache_in(folder), b"hello")
