"""Package files on this disk are known by their times and sizes, as all files are."""

from __future__ import annotations

import hashlib
import time

import pytest

from imagekit.errors import InvalidFile
from imagekit.gather.package_files import PackageFiles


class Remembered(dict[tuple[str, str], bytes]):
    """What of a cache is asked for here."""

    def record(self, kind: str, key: str) -> bytes | None:
        return self.get((kind, key))

    def keep(self, kind: str, key: str, data: bytes) -> None:
        self[kind, key] = data


def test_a_file_is_read_again_only_when_it_may_be_another(tmp_path):
    """The digest that is remembered counts, even a wrong one, until the file is touched."""
    path, cache = tmp_path / "tool.rpm", Remembered()
    path.write_bytes(b"one")
    digest = hashlib.sha256(b"one").hexdigest()
    files = PackageFiles(cache=cache, root=str(tmp_path), now=lambda: time.time() + 3600)  # type: ignore[arg-type]
    assert files.sha256(str(path), None) == digest
    for key, data in cache.items():
        cache[key] = data.replace(digest.encode(), b"0" * 64)
    assert files.sha256(str(path), None) == "0" * 64
    path.write_bytes(b"two")
    assert files.sha256(str(path), None) == hashlib.sha256(b"two").hexdigest()


def test_a_file_that_was_written_just_now_is_not_trusted(tmp_path):
    path, cache = tmp_path / "tool.rpm", Remembered()
    path.write_bytes(b"one")
    digest = hashlib.sha256(b"one").hexdigest()
    files = PackageFiles(cache=cache, root=str(tmp_path), now=time.time)  # type: ignore[arg-type]
    assert files.sha256(str(path), None) == digest
    assert not any(digest.encode() in data for data in cache.values())


def test_what_is_no_file_is_told(tmp_path):
    files = PackageFiles(cache=Remembered(), root=str(tmp_path), now=time.time)  # type: ignore[arg-type]
    with pytest.raises(InvalidFile, match="is no file"):
        files.sha256(str(tmp_path), None)
    with pytest.raises(InvalidFile, match="No such file"):
        files.sha256(str(tmp_path / "none.rpm"), None)
