"""A scan: a folder or a file on disk becomes a tree, and contents are read only where they may have changed.

First the digest over every path and `lstat`: when it is known, so is the tree, and no content is read. Else files
whose size, times and inode are known keep their digest, and only the others are read. The kernel sets ctime and
nobody else can; but its clock is coarse, so a file that changed within two seconds of the scan is not trusted later.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Protocol

from imagekit.errors import InvalidFile
from imagekit.oci import canonical
from imagekit.rootfs.disk import hash_file
from imagekit.rootfs.entry import shown, user_mode
from imagekit.rootfs.patterns import IGNORE_FILE, IgnoreFile, Patterns
from imagekit.rootfs.tree import Tree
from imagekit.rootfs.walk import MAX_ENTRIES, Found, Walk, check_regular, real_inside
from imagekit.values import dataclass

if TYPE_CHECKING:
    from concurrent.futures import Executor

#: Part of every key: counts up when the same files would give another tree.
_FORMAT: Final = "1"
_TRUST_AFTER_NS: Final = 2_000_000_000
#: Files from this size on are hashed on other threads; below it handing them over costs more.
_LARGE: Final = 1 << 20
_MAX_IGNORE_FILE: Final = 1 << 20


class Memory(Protocol):
    """Small records that can be made again, kept between scans; keys are letters, digits and dashes."""

    def get(self, key: str) -> bytes | None:
        """What was kept under this key."""

    def put(self, key: str, data: bytes) -> None:
        """Keep it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What of the disk: a folder, or a single file. `root` is what symlinks may not leave.

    `left_out` are absolute paths that are never taken (the spec, its lock). Patterns do not apply to a single file.
    """

    path: str
    root: str
    patterns: Patterns = field(default_factory=Patterns)
    left_out: frozenset[str] = frozenset()
    limit: int = MAX_ENTRIES

    @property
    def key(self) -> str:
        """Names the record of its files' digests; another record only costs time."""
        words = [_FORMAT, self.path, *self.patterns.include, "", *self.patterns.exclude]
        return "files-" + hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()


def scan(selection: Selection, memory: Memory, *, now_ns: int, pool: Executor | None = None) -> Tree:
    """The tree of what is selected; `now_ns` is the time (Unix, nanoseconds) before the scan.

    A single file's tree has one node, named as the file. `pool` hashes large files beside this thread. Raises
    InvalidFile for what cannot be in an image, BuildFailed for a file that changes while it is read.
    """
    files, directories = _found(selection)
    key = "tree-" + _digest_of(files, directories)
    kept = memory.get(key)
    tree = Tree.from_bytes(kept) if kept is not None else None
    if tree is not None:
        return tree
    known = _known(memory.get(selection.key))
    stamps = {disk: _stamp(facts) for _, disk, facts in files if facts}
    digests = {stamp: known[stamp] for stamp in stamps.values() if stamp in known}
    fresh = [item for item in files if item[2] and stamps[item[1]] not in digests]
    digests |= zip((stamps[disk] for _, disk, _ in fresh), _hashes(fresh, pool), strict=True)
    tree = Tree.from_rows(_rows(files, directories, digests))
    racy = {stamps[disk] for _, disk, facts in files if facts and _is_racy(facts, now_ns)}
    if not racy:
        memory.put(key, tree.to_bytes())
    memory.put(selection.key, canonical.to_bytes({s: d for s, d in digests.items() if s not in racy}))
    return tree


def _found(selection: Selection) -> tuple[list[Found], list[str]]:
    """What there is, sorted by path: files and symlinks, and directories."""
    root = os.path.realpath(selection.root)
    if not os.path.lexists(selection.path):
        raise InvalidFile(f"{selection.path} does not exist", hint="correct the path, or make the file first")
    folder = real_inside(selection.path, root)
    if not os.path.isdir(folder):
        facts = os.stat(folder)
        check_regular(facts, selection.path)
        return [(os.path.basename(selection.path), folder, facts)], []
    return Walk(
        folder=folder,
        root=root,
        left_out=frozenset(map(os.path.realpath, selection.left_out)),
        matcher=selection.patterns.matcher(_ignore_files(folder, root)),
        limit=selection.limit,
    ).found()


def _ignore_files(folder: str, root: str) -> list[IgnoreFile]:
    """Every `.imagekitignore` from the root down to the folder."""
    found = []
    place, prefix = folder, ""
    while True:
        path = os.path.join(place, IGNORE_FILE)
        if os.path.isfile(path):
            found.append(IgnoreFile(path=path, prefix=prefix, lines=_lines(path)))
        if place in {root, "/"}:
            return found[::-1]
        place, name = os.path.split(place)
        prefix = f"{name}/{prefix}"


def _lines(path: str) -> tuple[str, ...]:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_IGNORE_FILE + 1)
        if len(data) > _MAX_IGNORE_FILE:
            raise InvalidFile(f"{path}: larger than {_MAX_IGNORE_FILE:,} bytes", hint="use fewer, wider patterns")
        return tuple(data.decode("utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFile(f"{path}: cannot be read: {error}", hint="it is a text in UTF-8, as .gitignore") from error


def _digest_of(files: list[Found], directories: list[str]) -> str:
    """Over all that `lstat` and the names say. Of a directory only its name counts: what is in it is listed here."""
    words = [_FORMAT]
    for path, disk, facts in files:
        words.append(path)
        words.append(f"{user_mode(facts.st_mode):o} {_stamp(facts)}" if facts else f"-> {disk}")
    try:
        return hashlib.sha256("\0".join([*words, "", *directories]).encode("utf-8")).hexdigest()
    except UnicodeEncodeError as error:
        bad = next(word for word in (*words, *directories) if not _is_utf8(word))
        raise InvalidFile(
            f"the file name {shown(bad)} is not UTF-8", hint="rename it (`convmv` can do many), or exclude it"
        ) from error


def _is_utf8(text: str) -> bool:
    return text.encode("utf-8", "replace").decode("utf-8") == text


def _stamp(facts: os.stat_result) -> str:
    """Names a content as long as the file is not touched."""
    return f"{facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns} {facts.st_dev} {facts.st_ino}"


def _is_racy(facts: os.stat_result, now_ns: int) -> bool:
    """True when a later change could leave the same times: the clock of the file system is too coarse to tell."""
    recent = abs(facts.st_mtime_ns - now_ns) < _TRUST_AFTER_NS
    return recent or facts.st_ctime_ns > now_ns - _TRUST_AFTER_NS


def _known(data: bytes | None) -> Mapping[str, str]:
    """The digests by stamp that an earlier scan kept; a damaged record counts as none."""
    try:
        known = json.loads(data or b"{}")
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}


def _hashes(files: list[Found], pool: Executor | None) -> list[str]:
    """The sha256 of each file, in order; large ones on the pool's threads."""
    large = {
        disk: pool.submit(hash_file, disk, facts)
        for _, disk, facts in files
        if pool and facts and facts.st_size >= _LARGE
    }
    here = {disk: hash_file(disk, facts) for _, disk, facts in files if facts and disk not in large}
    return [large[disk].result() if disk in large else here[disk] for _, disk, _ in files]


def _rows(files: list[Found], directories: list[str], digests: Mapping[str, str]) -> list[list[Any]]:
    """As a tree's record holds them."""
    rows: list[list[Any]] = [[path] for path in directories]
    for path, disk, facts in files:
        if facts:
            rows.append([path, user_mode(facts.st_mode), facts.st_size, digests[_stamp(facts)]])
        else:
            rows.append([path, disk])
    rows.sort(key=_path)
    return rows


def _path(row: list[Any]) -> str:
    return str(row[0])
