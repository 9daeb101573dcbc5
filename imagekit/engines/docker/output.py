"""What a command in a container prints: all of it in a log, its beginning and its end for messages."""

from __future__ import annotations

import os
from typing import BinaryIO, Final

from imagekit.errors import InvalidFile

#: Lines that a failed command's message shows, of the beginning and of the end, and bytes that they are taken from.
_HEAD: Final = 8
_TAIL: Final = 24
_BYTES: Final = 32 * 1024


class Output:
    """Takes it in pieces; a context, which closes the log. Without a path there is no log."""

    def __init__(self, log: str = "") -> None:
        self.log = log
        self._head = b""
        self._tail = b""
        self._size = 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> Output:
        if self.log:
            try:
                os.makedirs(os.path.dirname(self.log), exist_ok=True)
                self._file = open(self.log, "wb")  # closed by __exit__
            except OSError as error:
                raise InvalidFile(
                    f"the log {self.log} cannot be written: {error.strerror}",
                    hint="remove or rename what is in its way",
                ) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def add(self, piece: bytes) -> None:
        """The next piece."""
        self._size += len(piece)
        self._head += piece[: max(0, _BYTES - len(self._head))]
        self._tail = (self._tail + piece)[-_BYTES:]
        if self._file:
            self._file.write(piece)

    @property
    def shown(self) -> str:
        """The lines for a message, indented, without control characters: they must not move the reader's cursor."""
        lines = self._tail.decode("utf-8", "replace").splitlines()
        if self._size > _BYTES or len(lines) > _HEAD + _TAIL:
            first = self._head.decode("utf-8", "replace").splitlines()
            lines = [*first[:_HEAD], "…", *lines[-_TAIL:]]
        return "\n".join(f"  | {_printable(line)}" for line in lines) or "  | (it printed nothing)"


def _printable(line: str) -> str:
    return "".join(letter if letter.isprintable() or letter == "\t" else "?" for letter in line)[:500]
