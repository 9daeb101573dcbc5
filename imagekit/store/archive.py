"""Archives as places: `oci-archive:FILE` is read and written, `docker-archive:FILE` is written.

A file appears under its name when it is whole: it is written beside its place and renamed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from imagekit.errors import InvalidFile, Missing
from imagekit.store import atomic
from imagekit.store.bundle import Bundle, Part, stream
from imagekit.store.layout import Layout
from imagekit.store.tarball import Tarball

#: How a tar archive is known: `magic` in its first header (POSIX.1-2024, pax, "ustar Interchange Format").
_MAGIC: Final = b"ustar"
_MAGIC_AT: Final = 257
_BLOCK: Final = 512


def reading(path: str | os.PathLike[str]) -> Layout:
    """The layout in an `oci-archive`, read where it lies; it raises InvalidFile for a tar that is none."""
    return Layout(Tarball(os.fspath(path)))


@contextmanager
def writing_oci(path: str | os.PathLike[str]) -> Iterator[Bundle]:
    """A Sink whose images stand in an `oci-archive` when the block ends well; raises Missing, InvalidFile."""
    with _writing(os.path.abspath(path), Bundle.oci_parts) as bundle:
        yield bundle


@contextmanager
def writing_docker(path: str | os.PathLike[str], name: str) -> Iterator[Bundle]:
    """A Sink whose image, under `name` and its tags, is what `docker load` takes; raises Missing, UsageError."""
    with _writing(os.path.abspath(path), lambda bundle: bundle.docker_parts(name)) as bundle:
        yield bundle


def check_place(path: str | os.PathLike[str]) -> None:
    """Raise InvalidFile unless an archive may be written here: into a folder that is there, over another archive only.

    An empty file may be replaced, too: `mktemp` makes one.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise InvalidFile(f"{folder} is no folder: no archive can be written there", hint="make it, or name another")
    if not os.path.lexists(path):
        return
    if not os.path.isfile(path):
        raise InvalidFile(f"{os.fspath(path)} is there already and no file", hint="name a file for the archive")
    try:
        with open(path, "rb") as file:
            block = file.read(_BLOCK)
    except OSError as error:
        raise InvalidFile(
            f"{os.fspath(path)} is there already and cannot be read: {error.strerror}", hint="name another file"
        ) from error
    if block and not block.startswith(_MAGIC, _MAGIC_AT):
        raise InvalidFile(
            f"{os.fspath(path)} is there already and no tar archive; it is not overwritten",
            hint="name another file, or remove this one",
        )


@contextmanager
def _writing(path: str, parts_of: Callable[[Bundle], tuple[Part, ...]]) -> Iterator[Bundle]:
    check_place(path)
    bundle = Bundle()
    yield bundle
    parts = parts_of(bundle)
    write(path, stream(parts), sum(part.descriptor.size for part in parts))


def write(path: str, pieces: Iterable[bytes], size: int) -> None:
    """Put a stream of about `size` bytes at an absolute path, whole or not at all; raises Missing."""
    folder = os.path.dirname(path)
    with atomic.room_for(path, folder, size):
        _write(path, folder, pieces)


def _write(path: str, folder: str, pieces: Iterable[bytes]) -> None:
    try:
        file, unfinished = atomic.create(folder, 0o666)
    except OSError as error:
        if atomic.is_full(error):
            raise
        raise Missing(
            f"{path} cannot be written: {error.strerror}", hint="name a folder that you may write to"
        ) from error
    try:
        try:
            for piece in pieces:
                atomic.write_all(file, piece)
        finally:
            os.close(file)
        os.replace(unfinished, path)
    except BaseException:
        atomic.remove(unfinished)
        raise
