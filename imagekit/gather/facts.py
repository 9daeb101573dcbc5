"""The facts of a base, which are read once per digest."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from imagekit.facts import Facts
from imagekit.gather.local_layers import LocalLayers
from imagekit.lock import LockedImage
from imagekit.oci.image import Image
from imagekit.oci.ports import Cache, Source
from imagekit.progress import Progress
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit.rootfs.entry import Entry

_KIND: Final = "base-facts-2"
_DATABASE: Final = "base-database"


@dataclass(frozen=True, kw_only=True, slots=True)
class FactsReader:
    """Reads the facts of bases; `source` opens an image's name."""

    cache: Cache
    progress: Progress
    source: Callable[[str], tuple[Source, str]]

    def read(self, locked: LockedImage, image: Image) -> Facts:
        """The facts of a base; raises BuildFailed for layers that are damaged or hostile."""
        key = str(locked.manifest)
        kept = self.cache.record(_KIND, key)
        facts = self._on_disk(Facts.from_record(kept)) if kept else None
        if facts is None:
            from imagekit.gather import file_system

            source, _ = self.source(locked.reference)
            local = LocalLayers(cache=self.cache, progress=self.progress)
            layers = local.openers(source, image.manifest.layers, locked.reference)
            with self.progress.task(f"reading the file system of {locked.reference}"):
                facts = file_system.facts(layers, locked.reference, self.cache)
            self.cache.keep(_KIND, key, facts.record)
        if facts.database is None:
            return facts
        named = f"the RPM database /{facts.database.path} of {locked.reference} ({image.platform})"
        return replace(facts, database=replace(facts.database, source=named))

    def database(self, locked: LockedImage, image: Image) -> str:
        """The kind of a base's RPM database, empty where it has none; all facts are read only for the first time."""
        key = str(locked.manifest)
        kept = self.cache.record(_DATABASE, key)
        if kept is None:
            found = self.read(locked, image).database
            kept = found.kind.value.encode() if found else b""
            self.cache.keep(_DATABASE, key, kept)
        return kept.decode()

    def contents(self, locked: LockedImage, image: Image, paths: Collection[str]) -> dict[str, tuple[Entry, bytes]]:
        """Small regular files of a base by their real paths; those that it does not have are left out."""
        from imagekit.gather import file_system

        source, _ = self.source(locked.reference)
        layers = LocalLayers(cache=self.cache, progress=self.progress).openers(
            source, image.manifest.layers, locked.reference
        )
        return file_system.files(layers, locked.reference, paths)

    def _on_disk(self, facts: Facts) -> Facts | None:
        """With the places of the database's files; None when the cache no longer has them."""
        known = facts.database
        if known is None:
            return facts
        file = self.cache.blob(known.digest)
        log_file = self.cache.blob(known.log) if known.log else ""
        if file is None or log_file is None:
            return None
        return replace(facts, database=replace(known, file=file, log_file=log_file))
