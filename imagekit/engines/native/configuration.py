"""Configuration files that the base has in another form than its packages brought them: what rpm does with them.

(rpm, lib/rpmfi.c, rpmfilesDecideFate; lib/transaction.c, handleOverlappedFiles; lib/fsm.c, fsmBackup)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from typing import Final

from imagekit.engines.native.placement import Placement
from imagekit.engines.ports import Reader
from imagekit.rootfs.entry import Entry, Kind
from imagekit.rpm.files import FileKind, PackagedFile
from imagekit.values import dataclass

_NEW: Final = ".rpmnew"
_SAVED: Final = ".rpmsave"
_ORIGINAL: Final = ".rpmorig"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """What became of them: places of the base that stay, and files of the base that are kept under another name."""

    staying: frozenset[str] = frozenset()
    saved: Mapping[str, tuple[Entry, bytes]] = field(default_factory=dict)


def settle(
    placement: Placement, leaving: Iterable[tuple[str, PackagedFile]], is_free: Callable[[str], bool], read: Reader
) -> Settled:
    """Take back or rename what packages would overwrite. `leaving` are places and files of packages that go.

    `is_free` says of a place that the base has something there that is of no package: what packages have that stay is
    the same, or would have been refused. Where nothing is in question, nothing is read.
    """
    before = {place: file for place, file in leaving if file.kind is FileKind.FILE and not file.is_ghost}
    touched = {
        place
        for place, placed in placement.places.items()
        if placed.kind is Kind.FILE and (placed.file.is_config or (place in before and before[place].is_config))
    }
    gone = {place for place, file in before.items() if file.is_config and place not in placement.places}
    asked = {place for place in touched | gone if place in before or is_free(place)}
    there = read(asked) if asked else {}
    staying: set[str] = set()
    saved: dict[str, tuple[Entry, bytes]] = {}
    for place, (entry, data) in sorted(there.items()):
        old, new = before.get(place), placement.places.get(place)
        if _is(old, data) or (new and _is(new.file, data)):
            continue
        if new is None:
            saved[place + _SAVED] = replace(entry, path=place + _SAVED), data
        elif old and (old.digest, old.algorithm) == (new.file.digest, new.file.algorithm):
            placement.take_back(new)
            staying.add(place)
        elif new.file.is_noreplace:
            placement.rename(new, place + _NEW)
            staying.add(place)
        else:
            ending = _SAVED if old else _ORIGINAL
            saved[place + ending] = replace(entry, path=place + ending), data
    return Settled(staying=frozenset(staying), saved=saved)


def _is(file: PackagedFile | None, data: bytes) -> bool:
    """True for the content that a package means."""
    if file is None or not file.digest:
        return False
    return hashlib.new(file.algorithm, data, usedforsecurity=False).hexdigest() == file.digest
