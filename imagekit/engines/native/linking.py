"""The dynamic linker's cache of an image with packages: which of their libraries it has to know."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from imagekit.engines.native import linker
from imagekit.engines.native.incoming import Incoming
from imagekit.engines.native.placement import Placed, Placement
from imagekit.facts import Facts
from imagekit.rootfs.base_layout import MAX_LINKS
from imagekit.rootfs.entry import Content, Kind

_PIECE: Final = 1 << 20
#: ldconfig's own, after those of its settings.
_STANDARD: Final = ("/lib64", "/usr/lib64")


def cache(
    facts: Facts, placement: Placement, packages: Sequence[Incoming], settings: Mapping[str, bytes]
) -> bytes | None:
    """The image's cache; None where no package brings settings of the linker, since nothing then depends on it.

    `settings` are the contents of packages' files in ld.so.conf.d.
    """
    if not settings:
        return None
    resolved = placement.ways.folder
    names = [*facts.files, *placement.places]
    asked = linker.folders(lambda path: settings.get(path) or facts.content(path), names)
    order = list(dict.fromkeys(linker.standard(folder, resolved) for folder in (*asked, *_STANDARD)))
    places = {resolved(folder.lstrip("/")): folder for folder in reversed(order)}
    candidates = [
        placed
        for path, placed in placement.places.items()
        if placed.kind is not Kind.DIRECTORY and path.rpartition("/")[0] in places and linker.is_library(path)
    ]
    leads_to = {one.path: target for one in candidates if (target := _followed(placement, one))}
    read = _read(placement, packages, {one.path for one in leads_to.values()})
    found: dict[str, list[linker.Found]] = {}
    for one in candidates:
        library = read.get(leads_to[one.path].path) if one.path in leads_to else None
        if library:
            item = linker.Found(path=one.path, is_link=one.kind is Kind.SYMLINK, soname=library[0], flags=library[1])
            found.setdefault(places[one.path.rpartition("/")[0]], []).append(item)
    new = {folder: list(linker.libraries(folder, files)) for folder, files in found.items()}
    before = linker.read_cache(facts.content(linker.CACHE))
    return linker.write_cache(linker.merged(before, new, order))


def _followed(placement: Placement, placed: Placed) -> Placed | None:
    """The file that a name leads to, where a package brings it."""
    for _ in range(MAX_LINKS):
        if placed.kind is not Kind.SYMLINK:
            return placed
        folder = "" if placed.file.target.startswith("/") else placed.path.rpartition("/")[0]
        path = placement.ways.place_of(f"{folder}/{placed.file.target}".strip("/"))
        following = placement.places.get(path)
        if following is None:
            return None
        placed = following
    return None


def _read(placement: Placement, packages: Sequence[Incoming], wanted: set[str]) -> dict[str, tuple[str, int]]:
    """The sonames and flags of files that packages bring, by place; what is no library is left out."""
    found: dict[str, tuple[str, int]] = {}
    holders = {placement.places[path].package for path in wanted}
    for package in packages:
        for path, content in _contents(package, placement, wanted) if package.nevra in holders else ():
            library = linker.soname(content())
            if library:
                found[path] = library
    return found


def _contents(package: Incoming, placement: Placement, wanted: set[str]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for file, content in package.contents():
        placed = placement.chosen.get((package.nevra, file.index))
        if placed and placed.path in wanted:
            yield placed.path, lambda content=content: whole(content)  # type: ignore[misc]  # this turn's content


def whole(content: Content) -> bytes:
    """A content that fits in memory."""
    if not callable(content):
        return content or b""
    stream = content()
    return stream if isinstance(stream, bytes) else b"".join(iter(lambda: stream.read(_PIECE), b""))
