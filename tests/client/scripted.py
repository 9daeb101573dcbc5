"""A worker that does what a script says: right, wrong, or nonsense. `python -S -E scripted.py SCRIPT`.

It has to start fast, so it imports next to nothing. The script sees the functions below, `os`, `sys` and `signal`.
"""

import os
import signal
import sys

__all__ = ["Frame", "answer", "frame", "frames", "ready", "signal", "write"]

READ, WRITE = map(int, os.environ["IMAGEKIT_FDS"].split(","))


class Frame:
    """A frame from the client; fields are as they came."""

    def __init__(self, kind: str, fields: list[str], body: bytes) -> None:
        self.kind, self.fields, self.body = kind, fields, body
        self.id = fields[0] if fields else ""


def write(data: bytes) -> None:
    """These bytes, whatever they are."""
    while data:
        data = data[os.write(WRITE, data) :]


def frame(kind: str, body: bytes, *fields: str) -> None:
    """A well-formed frame."""
    write(" ".join((kind, str(len(body)), *fields)).encode() + b"\n" + body)


def ready(*fields: str) -> None:
    """READY."""
    frame("READY", b"", *fields)


def answer(event: Frame, body: bytes = b'"fine"', *fields: str) -> None:
    """OK, with the event's own id."""
    frame("OK", body, event.id, *fields)


def _exactly(length: int) -> bytes:
    pieces = []
    while length:
        piece = os.read(READ, length)
        if not piece:
            sys.exit("the client closed in the middle of a frame")
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def take():
    """The next frame; None at the end of file."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(READ, 1)
        if not byte:
            return None
        line += byte
    kind, length, *fields = line[:-1].decode().split(" ")
    return Frame(kind, fields, _exactly(int(length)))


def frames():
    """All frames until the end of file."""
    while (got := take()) is not None:
        yield got


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as opened:
        text = opened.read()
    exec(compile(text, sys.argv[1], "exec"), globals())
