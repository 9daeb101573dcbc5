"""Archives as places: `oci-archive:FILE` is read and written, `docker-archive:FILE` is written.

A file appears under its name when it is whole: it is written beside its place and renamed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from imagekit.errors import InvalidFile, Missing
from imagekit.store import atomic
from imagekit.store.bundle import Bundle, Part, stream
from imagekit.store.layout import Layout
from imagekit.store.tarball import Tarball


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


@contextmanager
def _writing(path: str, parts_of: Callable[[Bundle], tuple[Part, ...]]) -> Iterator[Bundle]:
    if os.path.lexists(path) and not os.path.isfile(path):
        raise InvalidFile(f"{path} is there already and no file", hint="name a file for the archive")
    bundle = Bundle()
    yield bundle
    parts = parts_of(bundle)
    folder = os.path.dirname(path)
    with atomic.room_for(path, folder, sum(part.descriptor.size for part in parts)):
        _write(path, folder, parts)


def _write(path: str, folder: str, parts: tuple[Part, ...]) -> None:
    try:
        atomic.make_folders(folder, 0o777)
        file, unfinished = atomic.create(folder, 0o666)
    except OSError as error:
        if atomic.is_full(error):
            raise
        raise Missing(
            f"{path} cannot be written: {error.strerror}", hint="name a folder that you may write to"
        ) from error
    try:
        try:
            for piece in stream(parts):
                atomic.write_all(file, piece)
        finally:
            os.close(file)
        os.replace(unfinished, path)
    except BaseException:
        atomic.remove(unfinished)
        raise
