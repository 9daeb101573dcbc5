"""Reading a base's file system out of its layers: its facts, and files of it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import BinaryIO, Final

from imagekit.errors import BuildFailed
from imagekit.facts import CONTENTS, DATABASES, Database, DatabaseKind, Facts, KnownFile
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Cache, Opener
from imagekit.readable import Readable
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.rootfs.contents import contents
from imagekit.rootfs.entry import Entry
from imagekit.rootfs.tar_reader import MemberKind
from imagekit.rootfs.whiteouts import MergedView, Place, descend

_PIECE: Final = 1 << 20
#: Bytes of all files whose contents are facts; a real base has three million, most of them certificates.
_MAX_CONTENTS: Final = 24 << 20
#: Bytes of a configuration file that is compared with a package's.
_MAX_FILE: Final = 16 << 20
#: Bytes of an RPM database; a base of 130 packages has five million.
_MAX_DATABASE: Final = 1 << 30


def facts(layers: Sequence[Opener], source: str, cache: Cache) -> Facts:
    """The facts of a base, whose RPM database comes into the cache; raises BuildFailed for layers that are hostile."""
    view = MergedView.from_layers(layers, source)
    layout = view.layout()
    wanted = _wanted(view, source)
    database = _database(view, layout)
    if database:
        path, _, place = database
        wanted[path] = place
        log = view.find(f"{path}-wal")
        if log and log.kind is MemberKind.FILE and log.size:
            wanted[f"{path}-wal"] = log
    texts: dict[str, bytes] = {}
    blobs: dict[str, tuple[Digest, str]] = {}
    for paths, stream, _ in contents(wanted.items(), layers, source):
        if database and any(path.startswith(database[0]) for path in paths):
            blobs |= dict.fromkeys(paths, _blob(stream, cache))
        else:
            texts |= dict.fromkeys(paths, _all(stream))
    return Facts(layout=layout, files=_files(wanted, texts), database=_described(database, blobs))


def files(layers: Sequence[Opener], source: str, paths: Collection[str]) -> dict[str, tuple[Entry, bytes]]:
    """Small regular files by their real paths; those that are not there are left out."""
    view = MergedView.from_layers(layers, source)
    wanted = [(path, place) for path in sorted(paths) if (place := view.find(path)) and _is_small(place)]
    found: dict[str, tuple[Entry, bytes]] = {}
    for names, stream, _ in contents(wanted, layers, source):
        data = _all(stream)
        for path in names:
            place = dict(wanted)[path]
            entry = Entry(path=path, mode=place.mode, uid=place.uid, gid=place.gid, mtime=place.mtime, size=len(data))
            found[path] = entry, data
    return found


def _blob(stream: Readable, cache: Cache) -> tuple[Digest, str]:
    """A file of the database, in the cache: its digest and where it lies."""
    with cache.writer() as writer:
        digest = _copy(stream, writer.file)
        return digest, writer.commit(digest)


def _is_small(place: Place) -> bool:
    return place.kind is MemberKind.FILE and place.size <= _MAX_FILE


def _wanted(view: MergedView, source: str) -> dict[str, Place]:
    """The files whose contents are facts."""
    wanted = {
        path: place
        for path, place in descend(view.root, "")
        if place.kind is MemberKind.FILE and CONTENTS.fullmatch(path) and path.isprintable()
    }
    if sum(place.size for place in wanted.values()) > _MAX_CONTENTS:
        raise BuildFailed(
            f"{source}: its users, certificates and settings have more than {_MAX_CONTENTS:,} bytes",
            hint="do not use this image; it is not made as images are",
        )
    return wanted


def _database(view: MergedView, layout: BaseLayout) -> tuple[str, DatabaseKind, Place] | None:
    """The RPM database's real path, its kind, and where its content is."""
    for folder in DATABASES:
        for kind in DatabaseKind:
            path = layout.resolved(f"{folder}/{kind.value}")
            place = view.find(path)
            if place and place.kind is MemberKind.FILE:
                if place.size > _MAX_DATABASE:
                    raise BuildFailed(f"the base's RPM database /{path} has {place.size:,} bytes; that is too many")
                return path, kind, place
    return None


def _described(
    database: tuple[str, DatabaseKind, Place] | None, blobs: Mapping[str, tuple[Digest, str]]
) -> Database | None:
    if database is None:
        return None
    path, kind, place = database
    digest, file = blobs[path]
    log, log_file = blobs.get(f"{path}-wal", (None, ""))
    return Database(kind=kind, path=path, digest=digest, log=log, mode=place.mode, file=file, log_file=log_file)


def _files(wanted: Mapping[str, Place], texts: Mapping[str, bytes]) -> dict[str, KnownFile]:
    return {
        path: KnownFile(content=texts[path], mode=place.mode, uid=place.uid, gid=place.gid)
        for path, place in sorted(wanted.items())
        if path in texts
    }


def _all(stream: Readable) -> bytes:
    return b"".join(iter(lambda: stream.read(_PIECE), b""))


def _copy(stream: Readable, target: BinaryIO) -> Digest:
    digest = hashlib.sha256()
    while piece := stream.read(_PIECE):
        digest.update(piece)
        target.write(piece)
    return Digest(digest.hexdigest())
