"""From plans to layers: each one taken from the cache or made, in threads, with one pool for all compression."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from imagekit import parallel
from imagekit.errors import Bug
from imagekit.gather.inputs import Gathered
from imagekit.gather.placed import At
from imagekit.oci import canonical, media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Cache
from imagekit.plan.assemble import Layer
from imagekit.plan.parts import ArchivePart, EmbeddedPart, FilesPart, ImagePart, Part
from imagekit.plan.plan import LayerPlan, Plan
from imagekit.progress import Progress, Task
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.rootfs.entry import Entry, Item, Kind
from imagekit.rootfs.gzip import Codec
from imagekit.values import dataclass

if TYPE_CHECKING:
    from concurrent.futures import Executor

_LAYERS: Final = "layer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Builder:
    """What building asks: a codec, a cache, the archives' place on disk, the items of other images' files.

    `made` is told of each layer that was not in the cache, once it is.
    """

    codec: Codec
    cache: Cache
    workers: int
    progress: Progress
    archive: Callable[[ArchivePart], str]
    image: Callable[[ImagePart], Iterator[Item]]
    made: Callable[[Descriptor], None]

    def layers(self, plans: Sequence[Plan], gathered: Sequence[Gathered]) -> Mapping[Digest, Layer]:
        """Every layer of these plans by its key; one that several platforms share is made once."""
        wanted: dict[Digest, tuple[LayerPlan, Gathered, str]] = {}
        for plan, inputs in zip(plans, gathered, strict=True):
            for layer in plan.layers:
                wanted.setdefault(layer.key, (layer, inputs, plan.architecture))
        made = {key: kept for key in wanted if (kept := cached(self.cache, key))}
        missing = {key: item for key, item in wanted.items() if key not in made}
        if missing:
            made |= dict(zip(missing, self._make_all(list(missing.values())), strict=True))
        return made

    def _make_all(self, wanted: Sequence[tuple[LayerPlan, Gathered, str]]) -> tuple[Layer, ...]:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=self.workers) as pool:
            return parallel.each(lambda item: self._make(*item, pool), wanted, self.workers)

    def _make(self, plan: LayerPlan, gathered: Gathered, architecture: str, pool: Executor) -> Layer:
        from imagekit.rootfs.layer import write_layer

        title = f"{architecture} {plan.name}"
        with self.progress.task(title) as task, self.cache.writer() as writer, At() as at:
            items = (item for part in _each(plan.parts, at) for item in self._items(part, gathered))
            layout = BaseLayout() if plan.is_lowest else gathered.inputs.layout
            blob = write_layer(_counted(items, task), writer.file, self.codec, layout=layout, pool=pool)
            writer.commit(blob.digest)
            layer = Layer(
                descriptor=Descriptor(media_type=media.LAYER, digest=blob.digest, size=blob.size), diff_id=blob.diff_id
            )
            self.cache.keep(_LAYERS, str(plan.key), _record(layer))
            self.made(layer.descriptor)
            return layer

    def _items(self, part: Part, gathered: Gathered) -> Iterator[Item]:
        match part:
            case FilesPart(target=target, mode=mode, single=single):
                if part not in gathered.files:
                    raise Bug(f"{part.source} is built into a layer before it is there")
                return gathered.files[part].items(target.strip("/"), mode, single=single)
            case ArchivePart(target=target, strip=strip, source=source):
                from imagekit.rootfs.archive import read_archive

                path = gathered.archives.get(part.digest) or self.archive(part)
                return read_archive(path, target=target.strip("/"), strip=strip, source=source)
            case ImagePart():
                return self.image(part)
            case EmbeddedPart():
                return _embedded(part)


def cached(cache: Cache, key: Digest) -> Layer | None:
    """The layer that was made for a key, when its blob is still there."""
    record = cache.record(_LAYERS, str(key))
    if record is None:
        return None
    document = json.loads(record)
    digest = Digest.parse(document["digest"])
    if cache.blob(digest) is None:
        return None
    descriptor = Descriptor(media_type=media.LAYER, digest=digest, size=document["size"])
    return Layer(descriptor=descriptor, diff_id=Digest.parse(document["diff_id"]))


def _record(layer: Layer) -> bytes:
    descriptor = layer.descriptor
    document = {"digest": str(descriptor.digest), "size": descriptor.size, "diff_id": str(layer.diff_id)}
    return canonical.to_bytes(document)


def _counted(items: Iterator[Item], task: Task) -> Iterator[Item]:
    """The same items, each counted once it is asked for."""
    for entry, content in items:
        task.advance(entry.size)
        yield entry, content


def _each(parts: Sequence[Part], at: At) -> Iterator[Part]:
    """The same parts; an error is at the place of the one that was asked for last."""
    for part in parts:
        at.place = part.place
        yield part


def _embedded(part: EmbeddedPart) -> Iterator[Item]:
    """Directories, files and programs that imagekit brings itself, by path."""
    for path, mode in sorted(part.directories.items()):
        yield Entry(path=path.strip("/"), kind=Kind.DIRECTORY, mode=mode), None
    contents = [(path, data, 0o644) for path, data in part.files.items()]
    contents += [(path, data, 0o755) for path, data in part.programs.items()]
    for path, data, mode in sorted(contents):
        yield Entry(path=path.strip("/"), mode=mode, size=len(data), digest=Digest.of(data)), data
