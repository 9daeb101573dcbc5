"""Contents out of the merged view of an image: the layers that hold them are read once more, each once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from imagekit.errors import BuildFailed
from imagekit.oci.ports import Opener
from imagekit.readable import Readable
from imagekit.rootfs.tar_reader import Limits
from imagekit.rootfs.whiteouts import Place, read_layer

_Wanted = TypeVar("_Wanted")


def contents(
    wanted: Iterable[tuple[_Wanted, Place]], layers: Sequence[Opener], source: str, limits: Limits | None = None
) -> Iterator[tuple[list[_Wanted], Readable, int]]:
    """The content and size of files, in the order in which the layers hold them, each with all that wanted it.

    `layers` are those that the view was made from. A stream is read before the next one is asked for. Each layer is
    read to its end, where its digest is judged. Raises BuildFailed for layers that changed meanwhile.
    """
    by_layer: dict[int, dict[int, list[_Wanted]]] = {}
    for name, place in wanted:
        by_layer.setdefault(place.layer, {}).setdefault(place.number, []).append(name)
    for layer in sorted(by_layer):
        title = f"{source}, layer {layer + 1}"
        members = by_layer[layer]
        for reader, member in read_layer(layers[layer], title, limits or Limits()):
            names = members.pop(member.number, None)
            if names:
                yield names, reader.content(), member.size
        if members:
            raise BuildFailed(f"{title} changed between two readings", hint="pull the image again")
