"""A base with packages, and what a layer of other packages on it holds."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imagekit.engines.native.database import installed
from imagekit.engines.native.install import Installation
from imagekit.engines.ports import Change, Shelf
from imagekit.facts import CONTENTS, Database, DatabaseKind, Facts, KnownFile
from imagekit.lock_packages import LockedPackage, Reason, Why
from imagekit.oci.digest import Digest
from imagekit.rootfs.base_layout import BaseLayout, Directory
from imagekit.rootfs.entry import Entry
from imagekit.rootfs.gzip import Codec
from imagekit.rootfs.layer import write_layer
from imagekit.rpm.database.sqlite import headers
from imagekit.rpm.header import Header
from imagekit.rpm.signature import Certificates
from tests.support.packages import database, system
from tests.support.packages.package import Item, Package

DATABASE = "var/lib/rpm/rpmdb.sqlite"


@dataclass
class Made:
    """A finished layer: its entries and contents by path, and what was said."""

    members: Mapping[str, tarfile.TarInfo]
    contents: Mapping[str, bytes]
    said: list[str] = field(default_factory=list)
    installation: Installation | None = None

    @property
    def paths(self) -> list[str]:
        """All that is no directory and not the database, sorted."""
        return sorted(path for path, item in self.members.items() if not item.isdir() and "rpmdb" not in path)

    def packages(self, folder: Path) -> dict[str, Header]:
        """What the layer's database holds, by full name."""
        place = folder / "made.sqlite"
        place.write_bytes(self.contents[DATABASE])
        return {str(header.nevra): header for _, header in headers(str(place))}


def base(folder: Path, *more: Package, files: Mapping[str, bytes] | None = None) -> Facts:
    """The facts of a base with the usual packages and some more, and files that no package has."""
    packages = (*system.installed("x86_64"), *more)
    directories: dict[str, Directory] = {"var/lib/rpm": Directory()}
    links: dict[str, str] = {}
    found: dict[str, tuple[bytes, int]] = {path: (data, 0o644) for path, data in (files or {}).items()}
    for package in packages:
        for path, item in package.sorted_files:
            if item.data is None:
                directories[path] = Directory(mode=item.mode)
            elif item.link:
                links[path] = item.link
            elif not item.flags & 64:
                found[path] = (item.content, item.mode)
    for path in (*found, *links):
        for cut in (number for number, letter in enumerate(path) if letter == "/"):
            directories.setdefault(path[:cut], Directory())
    data = database.sqlite(packages)
    place = folder / "rpmdb.sqlite"
    place.write_bytes(data)
    return Facts(
        layout=BaseLayout(directories=directories, symlinks=links, files=frozenset({*found, DATABASE})),
        files={
            path: KnownFile(content=content, mode=mode)
            for path, (content, mode) in found.items()
            if CONTENTS.fullmatch(path)
        },
        database=Database(kind=DatabaseKind.SQLITE, path=DATABASE, digest=Digest.of(data), file=str(place)),
    )


def lock(folder: Path, packages: Iterable[Package]) -> tuple[LockedPackage, ...]:
    """The packages as files in a folder, and as they are locked."""
    found = []
    for package in packages:
        data = package.built.data
        (folder / package.file_name).write_bytes(data)
        found.append(
            LockedPackage(
                nevra=str(package.nevra),
                repository="here",
                url=f"./{package.file_name}",
                size=len(data),
                digest=Digest.of(data),
                because=Reason(why=Why.ASKED, what=package.name),
            )
        )
    return tuple(found)


def install(
    folder: Path,
    *packages: Package,
    facts: Facts | None = None,
    removed: Iterable[str] = (),
    keys: Certificates | None = None,
    slim: bool = False,
    skipped: Mapping[str, str] | None = None,
    held: Mapping[str, bytes] | None = None,
) -> Made:
    """Put packages on a base and read the layer; `held` is what the base really has in files that are asked for."""
    facts = facts or base(folder)
    said: list[str] = []
    there = {path: (Entry(path=path, mode=0o640, gid=5, size=len(data)), data) for path, data in (held or {}).items()}
    installation = Installation(
        Change(
            facts=facts,
            install=lock(folder, packages),
            removed=frozenset(removed),
            installed=installed(facts),
            shelf=Shelf(place=lambda item: str(folder / item.url), keys=lambda item: keys),
            warn=lambda text, code="": said.append(text),
            read=lambda paths: {path: there[path] for path in paths if path in there},
            workers=2,
            slim=slim,
            skipped=skipped or {},
        )
    )
    sink = io.BytesIO()
    write_layer(installation.items(), sink, Codec(level=2), layout=installation.layout, removed=installation.removed())
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(sink.getvalue()))) as tar:
        members = tar.getmembers()
        contents = {item.name: (tar.extractfile(item) or io.BytesIO()).read() for item in members if item.isfile()}
    assert len({item.name for item in members}) == len(members)
    return Made({item.name: item for item in members}, contents, said, installation)


def post(body: str, program: str = "/bin/sh", **files: Item) -> Package:
    """A package with a %post scriptlet."""
    return Package("scripted", scripts={"post": (program, body)}, files=files)
