"""The cache on disk: `blobs/sha256/ab/<hex>` by digest, `records/<kind>/<ab>/<hash of the key>` by key.

Everything in it can be made again. It may be shared by processes, removed while it is used, read-only or full. A
blob's size stands beside it, a record begins with its own digest: what a power cut left behind counts as absent.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, Final

from imagekit.errors import Bug, Missing
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Writer
from imagekit.store import atomic
from imagekit.store.lease import Lease

if TYPE_CHECKING:
    from imagekit.store.prune import Usage

_MAGIC: Final = b"imagekit record 1\n"
_CHECK: Final = 16
_HEAD: Final = len(_MAGIC) + _CHECK
#: Records are small documents; what is larger is a blob.
MAX_RECORD: Final = 64 * 1024**2
#: A day in seconds: how often a use is noted in a file's mtime.
_DAY: Final = 86_400
_KIND: Final = re.compile(r"[a-z][a-z0-9-]{0,40}")
_BUFFER: Final = 128 * 1024
#: Where root file systems are unpacked: each is kept or removed as a whole.
ROOTS: Final = "roots"
#: What stands beside a blob: its size in bytes, as text.
_SIZE: Final = ".size"


class DiskCache:
    """The `Cache` in a folder, which is made on the first write; `now` gives seconds since 1970.

    When blobs cannot be written there (a read-only file system, no permission), they go to a private temporary folder
    that lives as long as this object; a warning says so once, and the build goes on.
    """

    def __init__(self, folder: str | os.PathLike[str], *, now: Callable[[], float]) -> None:
        self.folder = os.path.abspath(folder)
        self._now = now
        self._lease = Lease(os.path.join(self.folder, "lock"))
        self._spare = ""
        self._spare_lock = threading.Lock()
        self._said: set[str] = set()

    def record(self, kind: str, key: str) -> bytes | None:
        """A small document kept under a key; None also when what is there is torn."""
        path, salt = self._record_place(kind, key)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode) or not _HEAD <= state.st_size <= _HEAD + MAX_RECORD:
                return None
            kept = os.read(descriptor, state.st_size)
            self._touch(descriptor, state)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return kept[_HEAD:] if kept[:_HEAD] == _MAGIC + _check(salt, kept[_HEAD:]) else None

    def keep(self, kind: str, key: str, data: bytes) -> None:
        """Keep a small document; a cache that cannot be written to keeps nothing and says so once."""
        if len(data) > MAX_RECORD:
            raise Bug(f"a record of kind {kind} has {len(data):,} bytes; the cache keeps it as a blob")
        path, salt = self._record_place(kind, key)
        try:
            atomic.write(path, b"".join((_MAGIC, _check(salt, data), data)), 0o444)
        except OSError as error:
            self._warn(f"the cache {self.folder} keeps nothing: {error.strerror}")

    def blob(self, digest: Digest) -> str | None:
        """The path of a blob, read-only; None also when its size is wrong. Its content is not hashed again."""
        self._lease.take()
        for folder in (self.folder, self._spare) if self._spare else (self.folder,):
            path = _blob_path(folder, digest)
            with suppress(OSError):
                state = os.lstat(path)
                if stat.S_ISREG(state.st_mode) and state.st_size == _size_beside(path):
                    self._touch(path, state)
                    return path
        return None

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """A new blob; dropped when the block ends without `commit`. Raises Missing when the disk is full."""
        folder, descriptor, path = self._unfinished()
        blob = _NewBlob(folder, descriptor, path)
        try:
            with atomic.room_for("a blob", folder):
                yield blob
        finally:
            blob.drop()

    @property
    def roots(self) -> str:
        """The folder for unpacked root file systems."""
        return f"{self.folder}/{ROOTS}"

    def size(self) -> Usage:
        """How much it holds."""
        from imagekit.store.prune import usage

        return usage(self.folder)

    def prune(self, *, older_than: float | None = None, max_size: int | None = None) -> Usage:
        """Remove what was last used more than `older_than` seconds ago, then the oldest until `max_size` bytes remain.

        While another process uses the cache, what it may be using (all of the last two days) stays.
        """
        from imagekit.store.prune import prune

        with self._lease.exclusive() as alone:
            return prune(self.folder, now=self._now(), older_than=older_than, max_size=max_size, alone=alone)

    def _unfinished(self) -> tuple[str, int, str]:
        """A new file for a blob, in the cache or, when that cannot be, in the private folder."""
        if not self._spare:
            try:
                self._lease.take(make=True)
                return (self.folder, *_create(self.folder))
            except OSError as error:
                if atomic.is_full(error):
                    raise atomic.no_room("a blob", self.folder, None) from error
                self._turn_to_spare(error)
        with atomic.room_for("a blob", self._spare):
            return (self._spare, *_create(self._spare))

    def _turn_to_spare(self, error: OSError) -> None:
        with self._spare_lock:
            self._spare = self._spare or _private_folder(self)
        self._warn(
            f"the cache {self.folder} cannot be written ({error.strerror}): this run keeps its blobs in a temporary "
            "folder, the next one makes them again"
        )

    def _record_place(self, kind: str, key: str) -> tuple[str, bytes]:
        """A record's path and the hash it is from."""
        if not _KIND.fullmatch(kind):
            raise Bug(f"{kind!r} is not the name of a kind of record")
        name = hashlib.sha256(f"{kind}\0{key}".encode("utf-8", "surrogatepass"))
        text = name.hexdigest()
        return f"{self.folder}/records/{kind}/{text[:2]}/{text}", name.digest()

    def _touch(self, file: str | int, state: os.stat_result) -> None:
        """Note the use, at most once a day."""
        now = self._now()
        if now - state.st_mtime > _DAY:
            with suppress(OSError):  # another user's file or a read-only disk: then it only counts as older
                os.utime(file, (now, now))

    def _warn(self, text: str) -> None:
        if text not in self._said:
            import logging

            self._said.add(text)
            logging.getLogger(__name__).warning("%s", text)


class _NewBlob:
    """The `Writer` of a DiskCache."""

    def __init__(self, folder: str, descriptor: int, path: str) -> None:
        self._folder = folder
        self._path = path
        self._file = os.fdopen(descriptor, "w+b", buffering=_BUFFER)

    @property
    def file(self) -> BinaryIO:
        """Where to write; it can be read back."""
        return self._file

    def commit(self, digest: Digest) -> str:
        """Keep what was written under this digest; returns the path."""
        self._file.flush()
        descriptor = self._file.fileno()
        os.fchmod(descriptor, 0o444)
        size = os.fstat(descriptor).st_size
        self._file.close()
        place = _blob_path(self._folder, digest)
        # The size comes first: a blob that is there without it would count as absent.
        atomic.write(place + _SIZE, str(size).encode(), 0o444)
        os.replace(self._path, place)
        return place

    def drop(self) -> None:
        """Forget what was not committed."""
        with suppress(OSError):  # on a full disk the last buffer cannot be written, and need not be
            self._file.close()
        atomic.remove(self._path)


def _blob_path(folder: str, digest: Digest) -> str:
    return f"{folder}/blobs/sha256/{digest.hex[:2]}/{digest.hex}"


def _size_beside(path: str) -> int:
    """What a blob's size should be; raises OSError, -1 when that is not a number."""
    descriptor = os.open(path + _SIZE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        text = os.read(descriptor, 20)
    finally:
        os.close(descriptor)
    return int(text) if text.isdigit() else -1


def _check(salt: bytes, data: bytes) -> bytes:
    """A record's own digest; the key is part of it, so that a record under another's name does not count."""
    digest = hashlib.sha256(salt)
    digest.update(data)
    return digest.digest()[:_CHECK]


def _create(folder: str) -> tuple[int, str]:
    blobs = f"{folder}/blobs"
    try:
        return atomic.create(blobs)
    except FileNotFoundError:
        atomic.make_folders(blobs)
        return atomic.create(blobs)


def _private_folder(owner: DiskCache) -> str:
    """A temporary folder that goes when `owner` does, at the latest when the program ends."""
    import shutil
    import tempfile

    try:
        folder = tempfile.mkdtemp(prefix="imagekit-")
    except OSError as error:
        raise Missing(
            f"neither the cache {owner.folder} nor a temporary folder can be written: {error.strerror}",
            hint="name a folder that can be written with IMAGEKIT_CACHE_DIR",
        ) from error
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return folder
