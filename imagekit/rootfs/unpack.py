"""Root file systems in folders: an image's layers unpacked once, whole or not at all, for runners that need a folder.

A folder's name is the chain ID of its layers (image-spec, config.md, "Layer ChainID"), so what has the same layers
shares it. It appears when it is whole: it grows beside its place and is renamed. What a killed unpack left behind is
removed by the next one.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, flock
from typing import Final

from imagekit.decompression import Decompressed
from imagekit.errors import BuildFailed, Missing, WrongDigest
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Opener
from imagekit.readable import Pieces
from imagekit.rootfs import stems
from imagekit.rootfs.ahead import ReadAhead
from imagekit.rootfs.tar_reader import Limits, TarReader
from imagekit.rootfs.unpacked_tree import UnpackedTree
from imagekit.values import dataclass

#: Counts up when the same layers would give another folder.
_FORMAT: Final = 1
_UNFINISHED: Final = ".part"
_STEM: Final = ".stem"
_LOCK: Final = "lock"
#: What runners mount on: folders, and files that tell names and their servers.
_FOLDERS: Final = ("dev", "proc", "tmp")
_FILES: Final = ("etc/hosts", "etc/resolv.conf")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A layer's blob, whose digest its source verifies, and the diff ID that its config names."""

    opener: Opener
    diff_id: Digest


def unpacked(
    folder: str, layers: Sequence[Layer], source: str, *, limits: Limits | None = None, keeps_stem: bool = False
) -> str:
    """The folder below `folder` that holds these layers, lowest first; unpacked when it is not there yet.

    Its modes are those that others have, and it is to be mounted read-only. `source` is what messages call the image.
    `keeps_stem` keeps all layers but the last for the next image that has them, as when a function is developed.
    Raises BuildFailed for a damaged or hostile layer, WrongDigest for one that is not what the config names, Missing
    for a folder that is full or cannot be written, and what the openers raise.
    """
    place = f"{folder}/{_name(layers)}"
    if os.path.isdir(place):
        with suppress(OSError):  # a cache that cannot be written to does not know what was used last
            os.utime(place)
        return place
    with _trouble(folder), _alone(folder):
        if not os.path.isdir(place):
            stem = f"{folder}/{_name(layers[:-1])}{_STEM}" if len(layers) > 1 else ""
            image = _Image(layers=tuple(layers), source=source, limits=limits or Limits())
            _sweep(folder)
            if keeps_stem and stem and not os.path.isdir(stem):
                _growing(stem, lambda unfinished: _make_stem(unfinished, image))
            _growing(place, lambda unfinished: _make(unfinished, stem, image))
            os.utime(place)  # its own time is the image's, and whoever prunes goes by the last use
    return place


def remove(place: str) -> None:
    """Remove an unpacked folder, whatever its modes; nobody may be using it. One that is gone is fine."""
    unfinished = place + _UNFINISHED
    try:
        os.rename(place, unfinished)
    except FileNotFoundError:
        return
    _remove(unfinished)


def _name(layers: Sequence[Layer]) -> str:
    chain = ""
    for layer in layers:
        chain = str(Digest.of(f"{chain} {layer.diff_id}".encode())) if chain else str(layer.diff_id)
    return f"{_FORMAT}-{chain.rpartition(':')[2]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Image:
    layers: tuple[Layer, ...]
    source: str
    limits: Limits


def _sweep(folder: str) -> None:
    """Remove what killed runs left."""
    for name in os.listdir(folder):
        if name.endswith(_UNFINISHED):
            _remove(os.path.join(folder, name))


def _growing(place: str, make: Callable[[str], None]) -> None:
    """Have a new folder beside a place filled and renamed; nothing of it is left when that fails."""
    unfinished = place + _UNFINISHED
    os.mkdir(unfinished, 0o700)
    try:
        make(unfinished)
        os.rename(unfinished, place)
    except BaseException:
        _remove(unfinished)
        raise


def _make_stem(unfinished: str, image: _Image) -> None:
    folder = f"{unfinished}/{stems.TREE}"
    os.mkdir(folder, 0o700)
    tree = UnpackedTree(folder, image.source, image.limits.entries)
    size = _apply(tree, image, range(len(image.layers) - 1), 0)
    stems.describe(tree.top, size, unfinished)


def _make(unfinished: str, stem: str, image: _Image) -> None:
    last = len(image.layers) - 1
    if stem and os.path.isdir(stem):
        copied = stems.copy(stem, unfinished)
        tree = UnpackedTree(unfinished, image.source, image.limits.entries - copied.names, top=copied.top)
        _apply(tree, image, range(last, last + 1), copied.size)
    else:
        tree = UnpackedTree(unfinished, image.source, image.limits.entries)
        _apply(tree, image, range(last + 1), 0)
    for path in _FOLDERS:
        tree.ensure(path, is_directory=True)
    for path in _FILES:
        tree.ensure(path, is_directory=False)
    tree.settle()


def _apply(tree: UnpackedTree, image: _Image, numbers: range, size: int) -> int:
    """Put layers on a tree that holds `size` bytes; returns how many it holds then."""
    for number in numbers:
        layer, name = image.layers[number], f"{image.source}, layer {number + 1}"
        limits = Limits(total=image.limits.total - size, entries=image.limits.entries)
        with layer.opener() as pieces:
            inflated = _Inflated(pieces)
            ahead = ReadAhead(inflated)
            try:
                size += tree.apply(TarReader(_Content(ahead, inflated), name, limits))
                inflated.judge(layer.diff_id, name)
            finally:
                ahead.close()
    return size


def _remove(top: str) -> None:
    """Remove a folder with all in it; folders that were closed to their owner are opened first."""
    os.chmod(top, 0o700)
    folders = [top]
    for folder in folders:
        with os.scandir(folder) as items:
            for item in items:
                if item.is_dir(follow_symlinks=False):
                    os.chmod(item.path, 0o700)
                    folders.append(item.path)
                else:
                    os.unlink(item.path)
    for folder in reversed(folders):
        os.rmdir(folder)


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """One unpacking at a time in a folder, which is made when it is missing."""
    os.makedirs(folder, 0o700, exist_ok=True)
    file = os.open(f"{folder}/{_LOCK}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        flock(file, LOCK_EX)
        yield
    finally:
        os.close(file)


@contextmanager
def _trouble(folder: str) -> Iterator[None]:
    """What the disk says, in words."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Missing(
                f"no room to unpack the image in {folder}",
                hint="make room, for example with `imagekit cache prune`, or put the cache elsewhere with "
                "IMAGEKIT_CACHE_DIR",
            ) from error
        if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ):
            raise BuildFailed(
                f"the image holds a name that this file system cannot: {error.strerror}",
                hint="keep paths in images short, and in UTF-8",
            ) from error
        raise Missing(
            f"the image cannot be unpacked in {folder}: {error.strerror or error}",
            hint="name a folder that you may write to with IMAGEKIT_CACHE_DIR",
        ) from error


class _Inflated:
    """A layer's tar out of the pieces of its blob, and its digest; all of it on the thread that reads ahead.

    Writing files keeps the other core busy as long as inflating and hashing keep this one.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = Pieces(pieces)
        self._stream: Decompressed | None = None
        self._digest = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; the blob is read to its end, where its digest is judged."""
        self._stream = self._stream or Decompressed(self._pieces)
        piece = self._stream.read(size)
        self._digest.update(piece)
        return piece

    @property
    def proves_end(self) -> bool:
        """True when its compression tells a complete stream from one that was cut off."""
        return self._stream is not None and self._stream.proves_end

    def judge(self, diff_id: Digest, name: str) -> None:
        """Once all is read: raises WrongDigest unless it has this digest."""
        if self._digest.hexdigest() != diff_id.hex:
            raise WrongDigest(
                f"{name} unpacks to sha256:{self._digest.hexdigest()}, and the image's config names {diff_id}",
                hint="the image is damaged or tampered with; pull it again",
            )

    def close(self) -> None:
        """The opener's block closes what is behind it."""


class _Content:
    """A tar on its way, as TarReader reads it."""

    def __init__(self, ahead: ReadAhead, inflated: _Inflated) -> None:
        self.read = ahead.read
        self._inflated = inflated

    @property
    def proves_end(self) -> bool:
        """As its compression says."""
        return self._inflated.proves_end
