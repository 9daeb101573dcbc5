"""Payloads of packages, one after the other; those that are next are unpacked meanwhile, each by its own thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from imagekit.engines.native.incoming import Incoming
from imagekit.readable import Readable
from imagekit.rootfs.ahead import ReadAhead
from imagekit.rpm.payload import Pair

#: MiB that are held of each payload: with the decoders' own memory the most of what the layer of packages takes.
_WAITING: Final = 4


def in_turn(packages: Sequence[Incoming], workers: int) -> Iterator[tuple[Incoming, Iterator[Pair]]]:
    """Each package with its contents, which are read before the next one is asked for; raises what `contents` raises.

    As many payloads as there are workers are unpacked at once, each a few MiB ahead of who reads it.
    """
    if workers < 2:
        yield from ((package, package.contents()) for package in packages)
        return
    following, begun = iter(packages), deque[_Ahead]()
    try:
        for package in packages:
            while len(begun) < workers and (one := next(following, None)):
                begun.append(_Ahead(one.unpacked()))
            yield package, package.contents(begun[0])
            begun.popleft().close()
    finally:
        for archive in begun:
            archive.close()


class _Ahead:
    """An archive that is read ahead."""

    def __init__(self, archive: Readable) -> None:
        self._archive = archive
        self._ahead = ReadAhead(archive, _WAITING)
        self.read = self._ahead.read

    def close(self) -> None:
        """End the thread, then let go of the archive."""
        self._ahead.close()
        self._archive.close()
