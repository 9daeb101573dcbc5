"""Writing an image layout: blobs first, `index.json` last and by rename, what nothing names any more goes after.

A kill at any moment leaves the old layout or the new one. Two writers of one folder wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from imagekit.errors import Bug, InvalidFile, WrongDigest
from imagekit.oci import canonical
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.index import Index
from imagekit.oci.ports import Document, Opener
from imagekit.rootfs.walk import LAYOUT_LOCK
from imagekit.store import atomic
from imagekit.store.catalogue import Catalogue
from imagekit.store.layout import INDEX, MARKER, MARKER_BYTES, ORIGINS, Layout, blob_name, tag_of
from imagekit.store.lock import locked
from imagekit.store.reach import reachable
from imagekit.store.verify import verified

_BLOBS: Final = "blobs/sha256"
_OURS: Final = frozenset({MARKER, INDEX, ORIGINS, LAYOUT_LOCK, "blobs"})
_PIECE: Final = 256 * 1024
#: Blobs up to this size, which configs are, are not written over themselves: file systems wait for the disk there.
_SMALL: Final = 1 << 20
_Read = TypeVar("_Read")


@contextmanager
def writing(folder: str | os.PathLike[str]) -> Iterator[LayoutSink]:
    """A complete layout: all blobs are written, images under other tags stay. Raises InvalidFile, Missing."""
    with _writing(os.path.abspath(folder), sparse=False) as sink:
        yield sink


@contextmanager
def writing_sparse(folder: str | os.PathLike[str]) -> Iterator[LayoutSink]:
    """A layout of our own, replaced as a whole; a `mount` notes where a blob is. Raises InvalidFile, Missing."""
    with _writing(os.path.abspath(folder), sparse=True) as sink:
        yield sink


@contextmanager
def reading(folder: str | os.PathLike[str]) -> Iterator[Layout]:
    """The layout in a folder that no build of ours changes meanwhile; raises InvalidFile."""
    path = os.path.join(folder, LAYOUT_LOCK)
    if not os.access(path, os.W_OK):
        yield Layout.in_folder(folder)
        return
    with locked(path, shared=True):
        yield Layout.in_folder(folder)


class LayoutSink:
    """A Sink into a folder whose lock is held; nothing is visible under a tag before the block ends."""

    def __init__(self, folder: str, *, sparse: bool) -> None:
        self._folder = folder
        self._sparse = sparse
        self._layout = Layout.in_folder(folder)
        self._catalogue = Catalogue()
        self._origins: dict[str, str] = {}
        self._written: set[str] = set()
        self._index = b""
        self._old: tuple[Descriptor, ...] = self._guarded(lambda: self._layout.entries, INDEX, ())
        self._old_origins: Mapping[str, str] = self._guarded(lambda: self._layout.origins, ORIGINS, {})

    def has(self, descriptor: Descriptor) -> bool:
        """True when the folder holds the blob, with the right size."""
        return self._layout.has(descriptor)

    def mount(self, descriptor: Descriptor, origin: str) -> bool:
        """In a sparse layout: note that the blob is at `origin` (`registry/repository@…`, `oci:DIR`). Else False."""
        if not self._sparse or not origin:
            return False
        self._origins[str(descriptor.digest)] = origin
        return True

    def put(self, descriptor: Descriptor, opened: Opener) -> None:
        """Write a blob, verified on the way; raises WrongDigest, Missing."""
        if descriptor.size <= _SMALL and self._is_whole(descriptor):
            return
        with opened() as pieces:
            self._store(descriptor, verified(pieces, descriptor, "the source"))

    def link(self, descriptor: Descriptor, path: str) -> None:
        """Take a read-only file over as a blob: a hard link on the same file system, else a copy."""
        state = os.stat(path, follow_symlinks=False)
        if state.st_size != descriptor.size:
            raise WrongDigest(f"{path} has not the {descriptor.size} bytes of {descriptor.digest}")
        unfinished = os.path.join(self._folder, atomic.UNFINISHED + os.urandom(8).hex())
        if state.st_mode & 0o222 or not _linked(path, unfinished):
            self.put(descriptor, lambda: _opened(path))
            return
        place = self._place(descriptor.digest)
        self._note(place)
        os.replace(unfinished, place)
        # rename(2) does nothing at all when both names are links to one file.
        atomic.remove(unfinished)

    def digest_of(self, tag: str) -> Digest | None:
        """What a tag names now, or will when the block ends."""
        old = {tag_of(item): item for item in self._old}
        found = self._catalogue.tags.get(tag) or old.get(tag)
        return found.digest if found else None

    def put_document(self, document: Document, tag: str = "") -> None:
        """Write a manifest or an index; it is listed when the block ends."""
        self._catalogue.add(document, tag)
        if not self._holds(document):
            self._store(document.descriptor, iter((document.data,)))

    def commit(self) -> None:
        """Make what was put the layout. Called when the block ends well."""
        self._check()
        entries = (*self._kept(), *self._catalogue.entries())
        used = reachable(self._layout, entries)
        before = frozenset() if self._sparse else reachable(self._layout, self._old)
        # What the old index needs stays until the new one is in its place.
        self._write_origins({**self._old_origins, **self._origins})
        self._write(MARKER, MARKER_BYTES)
        self._index = Index(manifests=entries).to_bytes()
        self._write(INDEX, self._index)
        if used is not None and before is not None:
            self._remove_unused(used, before)
        self._write_origins(self._origins)

    def forget(self) -> None:
        """Remove the blobs that this block brought. Called when it fails; too late once the new index is there."""
        index = os.path.join(self._folder, INDEX)
        if self._index and self._is(index, self._index):
            return
        for path in self._written:
            atomic.remove(path)
        if not os.path.lexists(index):
            for name in (MARKER, ORIGINS):
                atomic.remove(os.path.join(self._folder, name))

    def _check(self) -> None:
        """Raises Bug when a manifest's blob is nowhere: such a layout is never made."""
        for blob in self._catalogue.blobs():
            if not self.has(blob) and str(blob.digest) not in self._origins:
                raise Bug(f"a manifest was put without its blob {blob.digest}")

    def _guarded(self, read: Callable[[], _Read], name: str, nothing: _Read) -> _Read:
        """What was there before; a damaged layout of our own had nothing, in another's we do not guess."""
        if not os.path.lexists(os.path.join(self._folder, name)):
            return nothing
        try:
            return read()
        except InvalidFile:
            if self._sparse:
                return nothing
            raise

    def _kept(self) -> tuple[Descriptor, ...]:
        """The entries before that stay: those of other tags in a layout that may be shared with other tools."""
        new = self._catalogue.documents
        return () if self._sparse else tuple(item for item in self._old if self._stays(item, new))

    def _stays(self, item: Descriptor, new: Mapping[Digest, Document]) -> bool:
        return tag_of(item) not in self._catalogue.tags if tag_of(item) else item.digest not in new

    def _remove_unused(self, used: frozenset[Digest], before: frozenset[Digest]) -> None:
        """In our own layout everything that nothing names; in a shared one what only the replaced entries named."""
        folder = os.path.join(self._folder, _BLOBS)
        if self._sparse:
            unused = set(os.listdir(folder)) - {digest.hex for digest in used}
        else:
            unused = {digest.hex for digest in before - used}
        for name in unused:
            atomic.remove(os.path.join(folder, name))
        for name in os.listdir(self._folder):
            if name.startswith(atomic.UNFINISHED):
                atomic.remove(os.path.join(self._folder, name))

    def _store(self, descriptor: Descriptor, pieces: Iterator[bytes]) -> None:
        with atomic.room_for(f"the blob {descriptor.digest.short}", self._folder, descriptor.size):
            file, unfinished = atomic.create(self._folder)
            try:
                try:
                    for piece in pieces:
                        atomic.write_all(file, piece)
                    os.fchmod(file, 0o444)
                finally:
                    os.close(file)
                place = self._place(descriptor.digest)
                self._note(place)
                os.replace(unfinished, place)
            except BaseException:
                atomic.remove(unfinished)
                raise

    def _is_whole(self, descriptor: Descriptor) -> bool:
        """True when the blob lies there, undamaged."""
        try:
            with self._layout.blob(descriptor) as pieces:
                for _ in pieces:
                    pass
        except (InvalidFile, WrongDigest):
            return False
        return True

    def _holds(self, document: Document) -> bool:
        """True when the document lies there, undamaged."""
        try:
            return self._layout.read(document.descriptor).data == document.data
        except (InvalidFile, WrongDigest):
            return False

    def _write_origins(self, origins: Mapping[str, str]) -> None:
        if self._sparse:
            self._write(ORIGINS, canonical.to_bytes(dict(origins)))

    def _write(self, name: str, data: bytes) -> None:
        """A small file, unless it says the same already."""
        path = os.path.join(self._folder, name)
        if not self._is(path, data):
            with atomic.room_for(name, self._folder, len(data)):
                atomic.write(path, data)

    def _is(self, path: str, data: bytes) -> bool:
        """True when the file holds just this."""
        try:
            with open(path, "rb") as file:
                return file.read(len(data) + 1) == data
        except OSError:
            return False

    def _place(self, digest: Digest) -> str:
        return os.path.join(self._folder, blob_name(digest))

    def _note(self, place: str) -> None:
        if not os.path.lexists(place):
            self._written.add(place)


@contextmanager
def _writing(folder: str, *, sparse: bool) -> Iterator[LayoutSink]:
    is_new = _is_new(folder)
    with locked(os.path.join(folder, LAYOUT_LOCK)):
        sink = None
        try:
            atomic.make_folders(os.path.join(folder, _BLOBS), 0o777)
            sink = LayoutSink(folder, sparse=sparse)
            yield sink
            sink.commit()
        except BaseException:
            if sink:
                sink.forget()
            if is_new:
                _remove_empty(folder)
            raise


def _is_new(folder: str) -> bool:
    """True when the folder is yet to be made; raises InvalidFile for one that holds something else."""
    try:
        names = set(os.listdir(folder))
    except FileNotFoundError:
        return True
    except OSError as error:
        raise InvalidFile(f"{folder} cannot be an image layout: {error.strerror}") from error
    if MARKER not in names and any(name not in _OURS and not name.startswith(atomic.UNFINISHED) for name in names):
        raise InvalidFile(f"{folder} is not empty and no image layout", hint="name a new folder, or an image layout")
    for part in ("blobs", _BLOBS):
        if os.path.islink(os.path.join(folder, part)):
            raise InvalidFile(f"{part} in {folder} is a symlink: nothing is written through it")
    return False


def _remove_empty(folder: str) -> None:
    """Remove what a failed first write made. Whoever waits for the lock notices that it is gone, and makes another."""
    with suppress(OSError):  # not empty: another tool has put something there
        os.rmdir(os.path.join(folder, _BLOBS))
        os.rmdir(os.path.join(folder, "blobs"))
        if os.listdir(folder) == [LAYOUT_LOCK]:
            os.unlink(os.path.join(folder, LAYOUT_LOCK))
            os.rmdir(folder)


def _linked(path: str, new: str) -> bool:
    """False on another file system, on one without links, and for another user's file (protected_hardlinks)."""
    try:
        os.link(path, new, follow_symlinks=False)
    except OSError:
        return False
    return True


@contextmanager
def _opened(path: str) -> Iterator[Iterator[bytes]]:
    with open(path, "rb", buffering=0) as file:
        yield iter(lambda: file.read(_PIECE), b"")
