"""Two images' files compared: what only one of them has, and what is another thing in the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from imagekit.oci.ports import Opener
from imagekit.rootfs.tar_reader import Limits, MemberKind
from imagekit.rootfs.whiteouts import MergedView, Place, descend, read_layer
from imagekit.values import dataclass

_PIECE: Final = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class FileChange:
    """One path: `what` is `added`, `removed`, or what is another in the second image, such as `content, mode`."""

    path: str
    what: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One image: its layers' openers, lowest first, and what names each layer's bytes."""

    name: str
    layers: Sequence[Opener]
    digests: Sequence[str]


def file_changes(first: Side, second: Side) -> tuple[FileChange, ...]:
    """What differs, by path; times are no difference. Raises BuildFailed for a layer that is damaged or hostile."""
    one, other = (dict(descend(_view(side).root, "")) for side in (first, second))
    both = [path for path in one if path in other]
    suspects = [path for path in both if _may_differ(one[path], other[path], first, second)]
    ours, theirs = (
        _contents(side, [places[path] for path in suspects]) for side, places in ((first, one), (second, other))
    )
    found = [FileChange(path=path, what="removed", before=_told(one[path])) for path in one.keys() - other.keys()]
    found += [FileChange(path=path, what="added", after=_told(other[path])) for path in other.keys() - one.keys()]
    for path in both:
        same = path not in suspects or ours[_key(one[path])] == theirs[_key(other[path])]
        if change := _change(path, one[path], other[path], same=same):
            found.append(change)
    return tuple(sorted(found, key=lambda change: change.path))


def _view(side: Side) -> MergedView:
    return MergedView.from_layers(side.layers, side.name)


def _may_differ(one: Place, other: Place, first: Side, second: Side) -> bool:
    """Whether two files of one size are other members of other layers: only then their bytes have to be looked at."""
    if one.kind is not MemberKind.FILE or other.kind is not MemberKind.FILE or one.size != other.size:
        return False
    return (first.digests[one.layer], one.number) != (second.digests[other.layer], other.number)


def _contents(side: Side, places: Sequence[Place]) -> Mapping[tuple[int, int], bytes]:
    """The digests of files' contents, by layer and member."""
    wanted = {_key(place) for place in places}
    found: dict[tuple[int, int], bytes] = {}
    for layer in sorted({number for number, _ in wanted}):
        for reader, member in read_layer(side.layers[layer], f"{side.name}, layer {layer + 1}", Limits()):
            if (layer, member.number) in wanted:
                content, digest = reader.content(), hashlib.sha256()
                while piece := content.read(_PIECE):
                    digest.update(piece)
                found[layer, member.number] = digest.digest()
    return found


def _key(place: Place) -> tuple[int, int]:
    return place.layer, place.number


def _change(path: str, one: Place, other: Place, *, same: bool) -> FileChange | None:
    what = tuple(_differences(one, other, same=same))
    if not what:
        return None
    return FileChange(path=path, what=", ".join(what), before=_told(one), after=_told(other))


def _differences(one: Place, other: Place, *, same: bool) -> Iterator[str]:
    if one.kind is not other.kind:
        yield "kind"
        return
    if one.kind is MemberKind.FILE and (one.size != other.size or not same):
        yield "content"
    if one.kind is MemberKind.SYMLINK:
        if one.target != other.target:
            yield "target"
    elif one.mode != other.mode:  # a symlink's own mode means nothing
        yield "mode"
    if (one.uid, one.gid) != (other.uid, other.gid):
        yield "owner"


def _told(place: Place) -> str:
    """A path's state for people: mode, owner, and size or target."""
    owner = f" {place.uid}:{place.gid}" if place.uid or place.gid else ""
    if place.kind is MemberKind.SYMLINK:
        return f"→ {place.target}{owner}"
    size = f" {place.size} B" if place.kind is MemberKind.FILE else f" {place.kind}"
    return f"{place.mode:04o}{owner}{size}"
