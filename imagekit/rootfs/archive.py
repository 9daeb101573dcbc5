"""An archive on disk as items of a layer: streamed in its own order, nothing is unpacked to disk.

Its kind (tar, plain or compressed by gzip, xz, bzip2, zstd; zip) is told by its bytes, not by its name. Entries keep
their mtime, lose their owner and what `archive_mode` takes. Symlinks are kept and never followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imagekit.decompression import Decompressed
from imagekit.errors import BuildFailed, InvalidFile
from imagekit.rootfs.copies import several
from imagekit.rootfs.entry import Content, Entry, Item, Kind, archive_mode, normalised, shown
from imagekit.rootfs.placing import Placing
from imagekit.rootfs.tar_reader import Limits, Member, MemberKind, TarReader

_KINDS: Final = {
    MemberKind.FILE: Kind.FILE,
    MemberKind.DIRECTORY: Kind.DIRECTORY,
    MemberKind.SYMLINK: Kind.SYMLINK,
}
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")


def read_archive(
    path: str, *, target: str = "", strip: int = 0, source: str = "", limits: Limits | None = None
) -> Iterator[Item]:
    """The items of the archive at `path`, below `target`, a directory of the image. Messages call it `source`.

    `strip` leading names of each entry are dropped, and entries that have no more (as tar's `--strip-components`).
    Hard links come last, as copies of what they lead to. The content of an item is there until the next one is
    asked for. Raises BuildFailed, naming archive and entry, for what is damaged or must not be in a layer, and for an
    archive that `strip` leaves nothing of.
    """
    limits = limits or Limits()
    placing = Placing(source=source or path, target=target.strip("/"), strip=strip)
    try:
        with open(path, "rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise InvalidFile(f"{placing.source}: cannot be read: {error.strerror}") from error
    if magic in _ZIP:
        from imagekit.rootfs.zip_archive import read_zip

        yield from read_zip(path, placing, limits)
    else:
        yield from _read_tar(path, placing, limits)
    placing.check_left()


def _read_tar(path: str, placing: Placing, limits: Limits) -> Iterator[Item]:
    #: Hard links by the name that they lead to, and by their own.
    links: dict[str, list[str]] = {}
    origins: dict[str, str] = {}
    for reader, member in _members(path, placing.source, limits):
        place = placing.place_of(member.name)
        if place is None:
            continue
        if member.kind is MemberKind.HARDLINK:
            origin = normalised(member.target)
            origins[normalised(member.name)] = origin = origins.get(origin, origin)
            links.setdefault(origin, []).append(place)
        else:
            yield _item(member, place, placing, reader)
    if links:
        yield from _copies(path, links, placing, limits)


def _copies(path: str, links: dict[str, list[str]], placing: Placing, limits: Limits) -> Iterator[Item]:
    """The archive once more, for what its hard links lead to."""
    for reader, member in _members(path, placing.source, limits):
        if member.kind is MemberKind.FILE:
            entries = [_entry(member, place, placing) for place in links.pop(normalised(member.name), ())]
            if entries:
                yield from several(entries, reader.content(), member.size)
        elif member.kind is MemberKind.SYMLINK:
            for place in links.pop(normalised(member.name), ()):
                yield _entry(member, place, placing), None
    for origin, places in links.items():
        raise BuildFailed(
            f"{placing.source}: the hard link {shown(places[0])} leads to {shown(origin)}, which is not in the archive",
            hint="get the archive again, or pack it with `tar --hard-dereference`",
        )


def _members(path: str, source: str, limits: Limits) -> Iterator[tuple[TarReader, Member]]:
    """The members of a tar file, with the reader that has their content."""
    with open(path, "rb") as file:
        reader = TarReader(Decompressed(file), source, limits)
        for member in reader:
            yield reader, member


def _item(member: Member, place: str, placing: Placing, reader: TarReader) -> Item:
    entry = _entry(member, place, placing)
    content: Content = reader.content if entry.kind is Kind.FILE else None
    return entry, content


def _entry(member: Member, place: str, placing: Placing) -> Entry:
    kind = _KINDS.get(member.kind)
    if kind is None:
        raise BuildFailed(
            f"{placing.source}: {shown(member.name)} is a {member.kind}; "
            "an image holds files, directories and symlinks",
            hint="pack the archive without it",
        )
    if kind is Kind.SYMLINK:
        placing.check_link(place, member.target)
    return Entry(
        path=place,
        kind=kind,
        mode=0o777 if kind is Kind.SYMLINK else archive_mode(member.mode, kind),
        mtime=member.mtime,
        size=member.size,
        target=member.target if kind is Kind.SYMLINK else "",
    )
