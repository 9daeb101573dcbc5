"""What of the base's files goes with the packages that leave it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from imagekit.engines.native.placement import Ways
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.rpm.files import FileKind, PackagedFile


def gone(
    layout: BaseLayout,
    ways: Ways,
    leaving: Iterable[PackagedFile],
    staying: Iterable[PackagedFile],
    arriving: Collection[str],
) -> tuple[str, ...]:
    """The places that are empty afterwards, sorted: files of leaving packages that no other package has.

    A directory goes when nothing is left in it. `arriving` are the places of the layer itself.
    """
    there = layout.files | layout.symlinks.keys()
    kept = {_place(ways, file) for file in staying} | set(arriving)
    files: set[str] = set()
    folders: set[str] = set()
    for file in leaving:
        place = _place(ways, file)
        if place in kept or not place:
            continue
        if place in layout.directories:
            folders.add(place)
        elif place in there:
            files.add(place)
    return tuple(sorted(files | _empty(layout, folders, files, arriving)))


def _place(ways: Ways, file: PackagedFile) -> str:
    return ways.folder(file.path) if file.kind is FileKind.DIRECTORY else ways.place_of(file.path)


def _empty(layout: BaseLayout, folders: set[str], files: set[str], arriving: Collection[str]) -> set[str]:
    """Those of the directories that have nothing in them any more; the deepest first."""
    if not folders:
        return set()
    left = Counter(
        path.rpartition("/")[0] for paths in (layout.files, layout.symlinks, layout.directories) for path in paths
    )
    left.update(path.rpartition("/")[0] for path in arriving)
    left.subtract(path.rpartition("/")[0] for path in files)
    empty: set[str] = set()
    for folder in _deepest_first(folders):
        if left[folder] <= 0:
            empty.add(folder)
            left[folder.rpartition("/")[0]] -= 1
    return empty


def _deepest_first(folders: Iterable[str]) -> Sequence[str]:
    return sorted(folders, key=lambda path: path.count("/"), reverse=True)
