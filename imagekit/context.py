"""The context of a Dockerfile: what builds made, as files that other builders take, in a folder or as one tar.

A folder may be written again: the archives come first under names of their own content, the Dockerfile after them, what
no Dockerfile names any more goes last.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from typing import Final

from imagekit import keep
from imagekit.architecture import by_name
from imagekit.decompression import Decompressed
from imagekit.dockerfile import bake, document
from imagekit.dockerfile.stage import SCRATCH, Added, Stage
from imagekit.errors import Bug, InvalidFile, UsageError
from imagekit.lock import LockedImage
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.image import Image
from imagekit.oci.ports import Cache, Opener
from imagekit.plan.plan import Plan
from imagekit.readable import Pieces
from imagekit.rootfs import removals, tar
from imagekit.rootfs.entry import Entry, Kind
from imagekit.rootfs.gzip import Codec, LayerWriter
from imagekit.store import archive, atomic
from imagekit.store.places import ARCHIVE, LAYOUT
from imagekit.values import dataclass

#: What an archive's name has of its digest.
_DIGITS: Final = 16
_ARCHIVE: Final = re.compile(rf"[a-z]+-[0-9a-f]{{{_DIGITS}}}\.tar\.gz")
_PIECE: Final = 1 << 20
_FILES: Final = frozenset({document.DOCKERFILE, document.BAKE, document.LAYERS})


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """A file that is a blob of the cache, or of some bytes."""

    size: int
    opened: Opener


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """The Dockerfile, the bake file, and the archives by their paths in the context."""

    dockerfile: str
    bake: str
    archives: Mapping[str, Blob]

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(blob.size for blob in self.archives.values())

    def write(self, folder: str) -> None:
        """Into a new or empty folder, or over what was written there before; raises what `check_folder` does."""
        check_folder(folder)
        layers = os.path.join(folder, document.LAYERS)
        atomic.make_folders(layers, 0o777)
        with atomic.room_for("the Dockerfile's context", folder, self.size):
            for name, blob in self.archives.items():
                with blob.opened() as pieces:
                    archive.write(os.path.join(folder, name), pieces, blob.size)
            atomic.write(os.path.join(folder, document.BAKE), self.bake.encode())
            atomic.write(os.path.join(folder, document.DOCKERFILE), self.dockerfile.encode())
        for name in os.listdir(layers):
            if _ARCHIVE.fullmatch(name) and f"{document.LAYERS}/{name}" not in self.archives:
                atomic.remove(os.path.join(layers, name))

    def stream(self) -> Iterator[bytes]:
        """As one tar, which `docker build -` takes; the same for the same context."""
        for name, text in ((document.DOCKERFILE, self.dockerfile), (document.BAKE, self.bake)):
            data = text.encode()
            yield tar.header(Entry(path=name, size=len(data))) + data + tar.padding(len(data))
        yield tar.header(Entry(path=document.LAYERS, kind=Kind.DIRECTORY, mode=0o755))
        for name, blob in sorted(self.archives.items()):
            yield tar.header(Entry(path=name, size=blob.size))
            with blob.opened() as pieces:
                yield from pieces
            yield tar.padding(blob.size)
        yield tar.END


def check_folder(folder: str) -> None:
    """Raise InvalidFile for a folder that holds anything but a context that was written before."""
    if not os.path.lexists(folder):
        return
    if not os.path.isdir(folder):
        raise InvalidFile(f"{folder} is there already and no folder", hint="name a folder, or a new one")
    found = set(os.listdir(folder))
    if not found:
        return
    if found <= _FILES and _is_ours(os.path.join(folder, document.DOCKERFILE)):
        return
    raise InvalidFile(
        f"{folder} holds other files than a context that imagekit wrote; nothing there is overwritten",
        hint="name an empty or a new folder",
    )


def _is_ours(path: str) -> bool:
    """A context that was broken off has archives only, or no Dockerfile yet."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().rstrip("\n") == document.MARK
    except FileNotFoundError:
        return True


def check_base(reference: str) -> None:
    """Raise UsageError for a base that no Dockerfile can name."""
    if reference.startswith((LAYOUT, ARCHIVE)):
        raise UsageError(
            f"a Dockerfile cannot start from {reference}: builders take bases from registries",
            hint="push it to a registry and name that in `base`",
        )


def _check_triggers(base: Image, name: str) -> None:
    """Raise UsageError for a base whose ONBUILD instructions a builder would carry out, and imagekit does not."""
    document = json.loads(base.config_bytes)
    settings = document.get("config") if isinstance(document, dict) else None
    if isinstance(settings, dict) and settings.get("OnBuild"):
        raise UsageError(
            f"{name} has ONBUILD instructions, which every builder carries out and imagekit does not",
            hint="use another base: no Dockerfile that starts from this one can give the same image",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """One platform that was built: the plan, the image, the base as it is locked and as it is."""

    plan: Plan
    image: Image
    locked: LockedImage | None
    base: Image | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Maker:
    """What making a context needs: the cache that has the layers, and how one is compressed that is written anew."""

    cache: Cache
    codec: Codec

    def context(
        self, name: str, platforms: Sequence[Made], repositories: Sequence[str], tags: Sequence[str]
    ) -> Context:
        """The context of what was built; raises UsageError, BuildFailed."""
        archives: dict[str, Blob] = {}
        stages = [self._stage(one, archives) for one in platforms]
        created = datetime.fromisoformat(platforms[0].plan.settings.created)
        return Context(
            dockerfile=document.text(name, stages),
            bake=bake.document([stage.architecture for stage in stages], repositories, tags, int(created.timestamp())),
            archives=archives,
        )

    def _stage(self, made: Made, archives: dict[str, Blob]) -> Stage:
        plan, base = made.plan, made.locked
        if made.base:
            _check_triggers(made.base, plan.base_reference)
        own = made.image.manifest.layers[-len(plan.layers) :] if plan.layers else ()
        added = []
        for layer, blob in zip(plan.layers, own, strict=True):
            one, content = self._added(layer.name, layer.title, blob)
            archives[one.file] = content
            added.append(one)
        return Stage(
            architecture=by_name(plan.architecture),
            base=keep.origin_of(base) if base else SCRATCH,
            called=base.reference if base else "",
            config=made.base.config if made.base else None,
            layers=tuple(added),
            settings=plan.settings,
        )

    def _added(self, name: str, title: str, blob: Descriptor) -> tuple[Added, Blob]:
        """A layer as it is, or without the whiteouts that `ADD` does not know."""
        gone = removals.removed(self._opener(blob), title)
        if gone:
            blob = self._without(blob)
        file = f"{document.LAYERS}/{name}-{blob.digest.hex[:_DIGITS]}.tar.gz"
        return Added(file=file, title=title, removed=gone), Blob(size=blob.size, opened=self._opener(blob))

    def _without(self, blob: Descriptor) -> Descriptor:
        with self.cache.writer() as writer, self._opener(blob)() as pieces:
            layer = LayerWriter(writer.file, self.codec)
            with closing(Decompressed(Pieces(pieces))) as plain:
                removals.without(plain, layer.write)
            made = layer.close()
            writer.commit(made.digest)
            return Descriptor(media_type=media.LAYER, digest=made.digest, size=made.size)

    def _opener(self, blob: Descriptor) -> Opener:
        path = self.cache.blob(blob.digest)
        if path is None:
            raise Bug(f"the layer {blob.digest} is not in the cache right after it was made")
        return partial(_file, path)


@contextmanager
def _file(path: str) -> Iterator[Iterator[bytes]]:
    with open(path, "rb") as file:
        yield iter(partial(file.read, _PIECE), b"")
