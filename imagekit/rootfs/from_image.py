"""Files out of another image as items of a layer, by its merged view (`files: {image: …}` of a spec)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field

from imagekit.errors import BuildFailed, InvalidFile
from imagekit.oci.ports import Opener
from imagekit.rootfs.contents import contents
from imagekit.rootfs.copies import several
from imagekit.rootfs.entry import Entry, Item, Kind, checked, shown, user_mode
from imagekit.rootfs.patterns import Matcher, Patterns
from imagekit.rootfs.tar_reader import Limits, MemberKind
from imagekit.rootfs.whiteouts import MergedView, Place, descend
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePath:
    """A path of an image and where it goes: a folder's contents into `target`, a file to `target`, or into it when
    that ends in `/`. `mode` is forced on files when given; patterns choose within a folder.
    """

    path: str
    target: str
    mode: int | None = None
    patterns: Patterns = field(default_factory=Patterns)


def from_image(
    view: MergedView, layers: Sequence[Opener], source: str, wanted: ImagePath, *, limits: Limits | None = None
) -> Iterator[Item]:
    """Directories and symlinks, sorted, then files in the order in which the image's layers hold them.

    Reads once more each of the layers (the same that the view was made from) that holds one of the files, to its end,
    where its digest is judged. Symlinks on the way to the path are followed inside the image; below it they are kept.
    Files get a user's mode, owner 0:0, and keep their mtime. Raises InvalidFile when the image has no such path.
    """
    place = view.find(wanted.path)
    if place is None:
        raise InvalidFile(f"{source} has no {shown(wanted.path)}", hint="`imagekit inspect` lists what an image holds")
    files: list[tuple[Entry, Place]] = []
    for path, chosen in _chosen(place, wanted):
        entry = _entry(path, chosen, source, wanted.mode)
        if entry.kind is Kind.FILE:
            files.append((entry, chosen))
        else:
            yield entry, None
    for entries, stream, size in contents(files, layers, source, limits):
        yield from several(entries, stream, size)


def _chosen(place: Place, wanted: ImagePath) -> Iterator[tuple[str, Place]]:
    """The chosen places with their paths in the image that is built."""
    target = wanted.target.strip("/")
    if place.children is None:
        into = wanted.target.endswith("/")
        yield f"{target}/{wanted.path.rstrip('/').rpartition('/')[2]}".lstrip("/") if into else target, place
        return
    matcher = wanted.patterns.matcher()
    out = "/"  # below this nothing is wanted; no path begins with it
    for path, inner in descend(place, ""):
        if path.startswith(out):
            continue
        is_directory = inner.children is not None
        if matcher and matcher.excludes(path, directory=is_directory):
            out = f"{path}/" if is_directory else out
        elif _includes(matcher, path, is_directory):
            yield f"{target}/{path}" if target else path, inner


def _includes(matcher: Matcher | None, path: str, is_directory: bool) -> bool:
    return matcher is None or matcher.includes(path, directory=is_directory)


def _entry(path: str, place: Place, source: str, mode: int | None) -> Entry:
    path = checked(path, source)
    match place.kind:
        case MemberKind.DIRECTORY:
            return Entry(path=path, kind=Kind.DIRECTORY, mode=0o755, mtime=place.mtime)
        case MemberKind.SYMLINK:
            return Entry(path=path, kind=Kind.SYMLINK, mode=0o777, mtime=place.mtime, target=place.target)
        case MemberKind.FILE:
            mode = user_mode(place.mode) if mode is None else mode
            return Entry(path=path, mode=mode, mtime=place.mtime, size=place.size)
        case _:
            raise BuildFailed(
                f"{source}: {shown('/' + path)} is a {place.kind}; an image of Lambda holds none",
                hint="exclude it, or name a smaller part of the image",
            )
