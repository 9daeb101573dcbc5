"""Whiteouts of a layer apart from the rest of it, for those who can only add (image-spec, layer.md, "Whiteouts")."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from imagekit.errors import BuildFailed
from imagekit.oci.ports import Opener
from imagekit.readable import Readable
from imagekit.rootfs.entry import WHITEOUT
from imagekit.rootfs.tar import END
from imagekit.rootfs.tar_header import BLOCK, EXTENSIONS, Header
from imagekit.rootfs.tar_reader import Limits
from imagekit.rootfs.whiteouts import read_layer

_PIECE: Final = 1 << 20


def removed(layer: Opener, source: str) -> tuple[str, ...]:
    """The paths that a layer takes away from those below; raises BuildFailed for a damaged one."""
    names = (member.name for _, member in read_layer(layer, source, Limits()))
    return tuple(_shown_path(name) for name in names if _is_whiteout(name))


def without(tar: Readable, write: Callable[[bytes], object]) -> None:
    """A layer's tar, uncompressed and as imagekit writes it, once more without its whiteouts."""
    while True:
        parts, header = _header(tar)
        if header is None:
            write(END)
            return
        keep = not _is_whiteout(header.name)
        for piece in (*parts, *_body(tar, header.size)):
            if keep:
                write(piece)


def _header(tar: Readable) -> tuple[list[bytes], Header | None]:
    """The next header with the extensions before it, as bytes and read; None at the end."""
    parts: list[bytes] = []
    records: dict[str, bytes] = {}
    while True:
        block = _exactly(tar, BLOCK)
        if not any(block):
            return parts, None
        header = Header.from_block(block)
        parts.append(block)
        if header.kind not in EXTENSIONS:
            return parts, header.extended(records)
        body = b"".join(_body(tar, header.size))
        records |= header.extension(body[: header.size])
        parts.append(body)


def _body(tar: Readable, size: int) -> Iterator[bytes]:
    """The content with its padding."""
    left = size + -size % BLOCK
    while left:
        piece = _exactly(tar, min(left, _PIECE))
        left -= len(piece)
        yield piece


def _exactly(tar: Readable, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = tar.read(size - len(data))
        if not piece:
            raise BuildFailed("a layer of imagekit's own is cut off", hint="run `imagekit cache prune`, then try again")
        data += piece
    return bytes(data)


def _is_whiteout(name: str) -> bool:
    return name.rstrip("/").rpartition("/")[2].startswith(WHITEOUT)


def _shown_path(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.removeprefix(WHITEOUT)
