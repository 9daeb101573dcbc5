"""Packages on their way into an image: on this disk, with a header that is what it says it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from tempfile import TemporaryFile

from imagekit import parallel
from imagekit.engines.ports import Shelf
from imagekit.errors import BuildFailed
from imagekit.lock_packages import LockedPackage
from imagekit.readable import Readable
from imagekit.rpm.files import PackagedFile, files
from imagekit.rpm.package import Package
from imagekit.rpm.payload import Pair, payload, unpacked
from imagekit.rpm.signature import verify
from imagekit.rpm.tag import Tag
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """One package: as it is locked, where it lies, what its headers say, its files."""

    locked: LockedPackage
    path: str
    package: Package
    files: tuple[PackagedFile, ...]

    @property
    def name(self) -> str:
        """The package's name alone."""
        return self.package.header.text(Tag.NAME)

    @property
    def nevra(self) -> str:
        """Its full name."""
        return self.locked.nevra

    def contents(self, archive: Readable | None = None) -> Iterator[Pair]:
        """Its files with their contents, in the archive's order; each is read before the next is asked for.

        `archive` is the `unpacked` one, where somebody reads it ahead; it is closed. Raises BuildFailed for a payload
        that is damaged, WrongChecksum for a content that the header does not mean.
        """
        with closing(archive or self.unpacked()) as stream:
            yield from payload(self.package, stream, spool=TemporaryFile, listed=self.files)

    def unpacked(self) -> Readable:
        """The archive in its payload."""
        file = open(self.path, "rb", buffering=0)  # noqa: SIM115  # whoever reads it closes it
        file.seek(self.package.payload_offset)
        return unpacked(self.package, file)


def opened(locked: Sequence[LockedPackage], shelf: Shelf, workers: int) -> tuple[Incoming, ...]:
    """All packages of a lock, sorted by name.

    Raises BuildFailed for a file that is no package, or another one than the lock says, WrongChecksum for a header that
    was changed, WrongSignature for a package that nobody signed who is trusted.
    """
    in_order = sorted(locked, key=lambda item: item.nevra)
    return parallel.each(lambda item: _opened(item, shelf), in_order, workers)


def _opened(locked: LockedPackage, shelf: Shelf) -> Incoming:
    path = shelf.place(locked)
    with open(path, "rb") as file:
        package = Package.read(file, locked.nevra)
    package.verify_header()
    keys = shelf.keys(locked)
    if keys:
        verify(package, keys, lambda: _payload(path, package))
    if str(package.header.nevra) != locked.nevra:
        raise BuildFailed(
            f"{locked.url} is the package {package.header.nevra}, the lock says {locked.nevra}",
            hint="run `imagekit lock` to have it locked anew",
        )
    if package.lead.is_source:
        raise BuildFailed(f"{locked.url} is a source package", hint="name the binary package that is built from it")
    return Incoming(locked=locked, path=path, package=package, files=files(package.header))


def _payload(path: str, package: Package) -> bytes:
    """What old signatures cover beside the header."""
    with open(path, "rb") as file:
        file.seek(package.payload_offset)
        return file.read()
