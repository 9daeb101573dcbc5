"""From plans to layers: each one taken from the cache or made, in threads, with one pool for all compression."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import field
from typing import TYPE_CHECKING, Final

from imagekit import openers, parallel
from imagekit.checks import glibc
from imagekit.errors import Bug
from imagekit.facts import layout_from_bytes
from imagekit.findings import Finding
from imagekit.gather.inputs import Gathered
from imagekit.gather.packages import Packages
from imagekit.gather.said import Said, Saying, together
from imagekit.oci import canonical, media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Cache, Opener, Writer
from imagekit.placed import At
from imagekit.plan.assemble import Layer
from imagekit.plan.layers import PACKAGES, packages_of
from imagekit.plan.parts import ArchivePart, EmbeddedPart, FilesPart, ImagePart, PackagesPart, Part
from imagekit.plan.plan import LayerPlan, Plan
from imagekit.progress import Progress, Task
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.rootfs.entry import Entry, Item, Kind
from imagekit.rootfs.gzip import Codec, LayerBlob
from imagekit.values import dataclass

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from imagekit.engines.ports import Difference
    from imagekit.oci.layer_artifact import LayerArtifact
    from imagekit.shared_layers import Found, SharedLayers

_LAYERS: Final = "layer"
_NAMES: Final = "layer-names"
_GLIBC: Final = "layer-glibc"
_SAID: Final = "layer-said"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """A layer to make; `below` is that of the packages, which may be the same one."""

    plan: LayerPlan
    gathered: Gathered
    architecture: str
    below: LayerPlan | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Making:
    """One layer on its way: what counts its bytes, what places its errors, what compresses it."""

    task: Task
    at: At
    pool: Executor


@dataclass(frozen=True, kw_only=True, slots=True)
class Builder:
    """What building asks: a codec, a cache, the archives' place on disk, the items of other images' files.

    `made` is told of each layer that was not in the cache, once it is. `names` are those in layers of packages, which a
    cache may lose or never keep. `shared` are registries that may have a layer already; `found` are those that did.
    """

    codec: Codec
    cache: Cache
    workers: int
    progress: Progress
    archive: Callable[[ArchivePart], str]
    image: Callable[[ImagePart], Iterator[Item]]
    packages: Callable[[Packages, Saying], Difference]
    made: Callable[[Descriptor], None]
    names: dict[Digest, bytes] = field(default_factory=dict)
    shared: SharedLayers | None = None
    found: dict[Digest, Found] = field(default_factory=dict)

    def layers(self, plans: Sequence[Plan], gathered: Sequence[Gathered]) -> Mapping[Digest, Layer]:
        """Every layer of these plans by its key; one that several platforms share is made once."""
        wanted: dict[Digest, _Wanted] = {}
        for plan, inputs in zip(plans, gathered, strict=True):
            below = packages_of(plan.layers)
            for layer in plan.layers:
                one = _Wanted(plan=layer, gathered=inputs, architecture=plan.architecture, below=below)
                wanted.setdefault(layer.key, one)
        made = {key: kept for key in wanted if (kept := cached(self.cache, key))}
        made |= self._shared(key for key in wanted if key not in made)
        missing = {key: item for key, item in wanted.items() if key not in made}
        # What lies above packages needs their names, which are kept beside the layer and may be lost by themselves.
        for item in tuple(missing.values()):
            if item.below and not self._has_names(item.below.key):
                missing[item.below.key] = wanted[item.below.key]
        lowest = {key: item for key, item in missing.items() if item.plan is item.below}
        for some in (lowest, {key: item for key, item in missing.items() if key not in lowest}):
            if some:
                made |= dict(zip(some, self._make_all(list(some.values())), strict=True))
        return made

    def judged(self, plan: Plan) -> tuple[tuple[Sequence[Part], bytes], ...]:
        """What was seen of each layer's files when it was made, but for what the system's own packages bring."""
        return tuple(
            (layer.parts, self.cache.record(_GLIBC, str(layer.key)) or b"")
            for layer in plan.layers
            if layer.name != PACKAGES
        )

    def doubts(self, plans: Sequence[Plan], gathered: Sequence[Gathered]) -> tuple[Finding, ...]:
        """What is to be warned of in the layers of packages, whenever and wherever they were made."""
        layers = [(packages_of(plan.layers), one.packages) for plan, one in zip(plans, gathered, strict=True)]
        return together([(self._said(layer.key), one.part.place) for layer, one in layers if layer and one])

    def _said(self, key: Digest) -> Said:
        record = self.cache.record(_SAID, str(key))
        if record is None and key in self.names:
            return Said.from_record(canonical.to_bytes(json.loads(self.names[key]).get("said", [])))
        return Said.from_record(record or b"[]")

    def share(self, layers: Mapping[Digest, Layer]) -> None:
        """Keep these layers where other machines look for them."""
        if self.shared is None or not self.shared.sinks:
            return
        found = {one.artifact.layer.digest: one.source for one in self.found.values()}

        def opened(blob: Descriptor) -> Opener:
            path = self.cache.blob(blob.digest)
            return openers.of_file(path) if path else lambda: found[blob.digest].blob(blob)

        self.shared.keep([self._artifact(*item) for item in layers.items()], opened)

    def _artifact(self, key: Digest, layer: Layer) -> tuple[LayerArtifact, bytes]:
        """A layer as it is shared, with the names in it where packages are."""
        from imagekit.oci.layer_artifact import LayerArtifact

        names = self.names[key] if self._has_names(key) else b""
        artifact = LayerArtifact(
            key=key,
            codec=self.codec.name,
            layer=layer.descriptor,
            diff_id=layer.diff_id,
            names=LayerArtifact.names_of(names) if names else None,
        )
        return artifact, names

    def _has_names(self, key: Digest) -> bool:
        """Whether the names in a layer of packages are known; those of the cache are taken out of it."""
        record = None if key in self.names else self.cache.record(_NAMES, str(key))
        if record is None and key in self.found:
            record = self.found[key].names()
        if record:
            self.names[key] = record
        return key in self.names

    def _shared(self, keys: Iterable[Digest]) -> dict[Digest, Layer]:
        """The layers that other machines made."""
        if self.shared:
            self.found.update(self.shared.find(keys, self.codec.name))
        for one in self.found.values():
            with self.progress.task(f"layer {one.artifact.key.short}") as task:
                task.say(f"in {one.origin}")
        return {
            key: Layer(descriptor=one.artifact.layer, diff_id=one.artifact.diff_id) for key, one in self.found.items()
        }

    def _make_all(self, wanted: Sequence[_Wanted]) -> tuple[Layer, ...]:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=self.workers) as pool:
            return parallel.each(lambda item: self._make(item, pool), wanted, self.workers)

    def _make(self, wanted: _Wanted, pool: Executor) -> Layer:
        plan = wanted.plan
        title = f"{wanted.architecture} {plan.name}"
        with self.progress.task(title) as task, self.cache.writer() as writer, At() as at:
            write = self._write_packages if plan is wanted.below else self._write
            blob = write(wanted, writer, _Making(task=task, at=at, pool=pool))
            writer.commit(blob.digest)
            layer = Layer(
                descriptor=Descriptor(media_type=media.LAYER, digest=blob.digest, size=blob.size), diff_id=blob.diff_id
            )
            self.cache.keep(_LAYERS, str(plan.key), _record(layer))
            self.made(layer.descriptor)
            return layer

    def _write(self, wanted: _Wanted, writer: Writer, making: _Making) -> LayerBlob:
        from imagekit.rootfs.layer import write_layer
        from imagekit.rootfs.watched import Watch

        plan, gathered = wanted.plan, wanted.gathered
        items = (item for part in _each(plan.parts, making.at) for item in self._items(part, gathered))
        layout = BaseLayout() if plan.is_lowest else self._layout(wanted)
        watch = Watch()
        passing = watch.over(_counted(items, making.task))
        blob = write_layer(passing, writer.file, self.codec, layout=layout, pool=making.pool)
        self.cache.keep(_GLIBC, str(plan.key), glibc.record(watch))
        return blob

    def _write_packages(self, wanted: _Wanted, writer: Writer, making: _Making) -> LayerBlob:
        """The layer of packages; the names in it are kept for the layers above."""
        from imagekit.rootfs.layer import write_layer

        if wanted.gathered.packages is None:
            raise Bug("packages are built into a layer that nobody locked")
        making.at.place = wanted.gathered.packages.part.place
        saying = Saying()
        made = self.packages(wanted.gathered.packages, saying)
        removed = made.removed()
        with closing(_counted(made.items(), making.task)) as items:  # there may be threads that read ahead for them
            blob = write_layer(items, writer.file, self.codec, layout=made.layout, pool=making.pool, removed=removed)
        names = _names_record(BaseLayout().plus(made.entries()), removed, saying.said)
        self.names[wanted.plan.key] = names
        self.cache.keep(_NAMES, str(wanted.plan.key), names)
        self.cache.keep(_SAID, str(wanted.plan.key), saying.said.record)
        return blob

    def _layout(self, wanted: _Wanted) -> BaseLayout:
        """What a layer meets: the base, or the base with packages on top."""
        layout = wanted.gathered.inputs.layout
        if wanted.below is None:
            return layout
        document = json.loads(self.names[wanted.below.key])
        return layout.below(layout_from_bytes(canonical.to_bytes(document["names"])), document["removed"])

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
            case PackagesPart():
                raise Bug("packages are a layer of their own")


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


def _names_record(names: BaseLayout, removed: Sequence[str], said: Said) -> bytes:
    document = {"names": json.loads(names.record), "removed": list(removed), "said": said.lines}
    return canonical.to_bytes(document)


def _counted(items: Iterator[Item], task: Task) -> Generator[Item, None, None]:
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
