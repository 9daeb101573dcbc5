"""Whom an image with packages trusts: what update-ca-trust(8) would extract after they came and went."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

from imagekit.engines.native.incoming import Incoming
from imagekit.engines.native.placement import Placement
from imagekit.errors import BuildFailed
from imagekit.facts import Facts
from imagekit.rootfs.anchors import FOLDERS, Anchor, anchors, is_source
from imagekit.rootfs.authorities import Authority
from imagekit.rootfs.entry import Entry, Kind
from imagekit.rootfs.extracted import BUNDLE, FOLDER, extracted
from imagekit.values import dataclass

_TOOL: Final = "usr/bin/update-ca-trust"
#: Where source folders' symlinks lead to (ca-legacy(8)).
_LEGACY: Final = "usr/share/pki/ca-trust-legacy"
_READ: Final = tuple(f"{folder}/" for folder in (*FOLDERS, FOLDER, _LEGACY))
#: Of a bundle that is made where there was none.
_MODE: Final = 0o444


@dataclass(frozen=True, kw_only=True, slots=True)
class Trusting:
    """What it depends on. `contents` gives a package's files below folders, `links` are symlinks that scriptlets make,
    `gone` the places of the base that are empty afterwards, `authorities` the user's own.
    """

    facts: Facts
    placement: Placement
    packages: Sequence[Incoming]
    contents: Callable[[Incoming, tuple[str, ...]], Iterator[tuple[str, bytes]]]
    links: Mapping[str, str]
    gone: Callable[[], Collection[str]]
    authorities: Sequence[Authority]
    warn: Callable[[str], None]

    def files(self, leaving: Collection[str], *, is_asked: bool) -> dict[str, tuple[Entry, bytes]]:
        """The anchors and bundles that change, by place.

        They are looked at where a scriptlet asks for it, where the user has authorities, or where a package brings a
        source or takes one along; `leaving` are the places of what goes. Raises BuildFailed for an image that has no
        place for the user's.
        """
        touched = any(is_source(place) for paths in (self.placement.places, leaving) for place in paths)
        if not (self.authorities or is_asked or touched):
            return {}
        gone = frozenset(self.gone()) if leaving else frozenset()
        base = {path: file.content for path, file in self.facts.files.items() if path.startswith(_READ)}
        image = {path: data for path, data in base.items() if path not in gone} | self._packaged()
        if not (BUNDLE in image or _TOOL in self.placement.places or _TOOL in self.facts.layout.files):
            return self._without()
        own = {one.certificate: Anchor(authority=one) for one in self.authorities}
        before = anchors(self._sources(base, self.facts.layout.symlinks))
        after = {**anchors(self._sources(image, self._links(gone)), self.warn), **own}
        made = {one.anchor: one.pem for one in self.authorities} | extracted(image, before, after)
        return {path: (self._entry(path, data), data) for path, data in made.items()}

    def _packaged(self) -> dict[str, bytes]:
        """What packages bring of sources and bundles, by place."""
        found: dict[str, bytes] = {}
        for package in self.packages:
            for path, data in self.contents(package, _READ):
                placed = self.placement.places.get(self.placement.ways.place_of(path))
                if placed and placed.package == package.nevra:
                    found[placed.path] = data
        return found

    def _links(self, gone: Collection[str]) -> dict[str, str]:
        """All symlinks of the image."""
        base = {path: target for path, target in self.facts.layout.symlinks.items() if path not in gone}
        placed = {path: one.file.target for path, one in self.placement.places.items() if one.kind is Kind.SYMLINK}
        return {**base, **placed, **self.links}

    def _sources(self, files: Mapping[str, bytes], links: Mapping[str, str]) -> dict[str, bytes]:
        """With what the symlinks among the sources lead to."""
        found = dict(files)
        for path, target in links.items():
            if is_source(path):
                place = posixpath.normpath(posixpath.join("/", path.rpartition("/")[0], target)).strip("/")
                if place in files:
                    found[path] = files[place]
        return found

    def _without(self) -> dict[str, tuple[Entry, bytes]]:
        if self.authorities:
            raise BuildFailed(
                f"the base has no /{BUNDLE} that `certificates` could be added to",
                hint="choose a base with the package ca-certificates, or put the file in place with `files`",
            )
        self.warn(f"nothing is extracted into /{BUNDLE}: the image has neither that nor update-ca-trust")
        return {}

    def _entry(self, path: str, data: bytes) -> Entry:
        known = self.facts.files.get(path)
        mode = known.mode if known else (_MODE if path.startswith(FOLDER) else 0o644)
        return Entry(path=path, mode=mode, size=len(data))
