"""HTTP/1.1 messages (RFC 9112) as far as a server needs them: requests read from given bytes, heads written.

Bounded: a head, a chunk's size line and the trailers have a largest size; a body is handed on in pieces and kept by
nobody here. Like Go's server, which Lambda's own is, a line may end with LF alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from imagekit.values import dataclass

#: Bytes of a head or of trailers: the X-Ray cause of an error is a header and may have almost 1 MiB.
LARGEST_HEAD: Final = (1 << 20) + (64 << 10)
_LARGEST_LINE: Final = 4096
_MOST_FIELDS: Final = 1000
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(r"[\x21-\x7e\x80-\xff]+")
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_REASONS: Final = {
    100: "Continue",
    200: "OK",
    202: "Accepted",
    204: "No Content",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Payload Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    505: "HTTP Version Not Supported",
}


class BadRequestError(Exception):
    """What was sent is no request that this server takes; `status` is the answer to it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """A request's line and its headers; names are in lower case, several of one name are joined by a comma."""

    method: str
    target: str
    version: str
    headers: Mapping[str, str]

    def header(self, name: str) -> str:
        """The header of this name, which is in lower case; empty when there is none."""
        return self.headers.get(name, "")

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the question mark."""
        return self.target.partition("?")[2]

    @property
    def keeps_connection(self) -> bool:
        """Whether the client wants to go on with this connection."""
        wish = self.header("connection").lower()
        return "close" not in wish if self.version == "HTTP/1.1" else "keep-alive" in wish


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """The end of a request, and the trailers after a chunked body."""

    trailers: Mapping[str, str]


_NO_TRAILERS: Final = End(trailers={})
Part = Head | bytes | End


class RequestReader:
    """Requests out of bytes as they come: each is a Head, any number of pieces of its body, and an End."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._scanned = 0
        self._step = self._head
        self._left = 0

    def feed(self, data: bytes) -> None:
        """More bytes."""
        self._data += data

    @property
    def held(self) -> int:
        """Bytes that were fed and not handed on yet."""
        return len(self._data)

    @property
    def between(self) -> bool:
        """Whether no request is begun."""
        return self._step == self._head and not self._data

    def next(self) -> Part | None:
        """The next part, None when more bytes are needed for it; raises BadRequestError."""
        return self._step()

    def _head(self) -> Part | None:
        while self._data[:1] == b"\r" or self._data[:1] == b"\n":
            del self._data[:1]  # RFC 9112, 2.2: empty lines before a request
        block = self._until_empty_line()
        if block is None:
            return None
        lines = block.split("\n")
        head = _request_line(lines[0].rstrip("\r"), _fields(lines[1:]))
        self._begin_body(head)
        return head

    def _until_empty_line(self) -> str | None:
        found = _HEAD_END.search(self._data, max(self._scanned - 3, 0))
        if (found.start() if found else len(self._data)) > LARGEST_HEAD:
            raise BadRequestError(431, "the headers are too large")
        if found is None:
            self._scanned = len(self._data)
            return None
        block = self._data[: found.start()].decode("latin-1")
        del self._data[: found.end()]
        self._scanned = 0
        return block

    def _begin_body(self, head: Head) -> None:
        coding = head.header("transfer-encoding").strip().lower()
        length = head.header("content-length")
        if coding:
            if length:
                raise BadRequestError(400, "both Transfer-Encoding and Content-Length")
            if coding != "chunked":
                raise BadRequestError(501, f"Transfer-Encoding is {coding[:100]!r}")
            self._step = self._chunk_size
            return
        if length and not _LENGTH.fullmatch(length):
            raise BadRequestError(400, "Content-Length is no number")
        self._left = int(length or 0)
        self._step = self._counted

    def _counted(self) -> Part | None:
        if not self._left:
            self._step = self._head
            return _NO_TRAILERS
        return self._piece()

    def _piece(self) -> bytes | None:
        if not self._data:
            return None
        if len(self._data) <= self._left:
            piece = bytes(self._data)
            self._data = bytearray()
        else:
            piece = bytes(self._data[: self._left])
            del self._data[: self._left]
        self._left -= len(piece)
        return piece

    def _chunk_size(self) -> Part | None:
        line = self._line()
        if line is None:
            return None
        found = _SIZE.fullmatch(line)
        if not found:
            raise BadRequestError(400, "a chunk's size is no number")
        self._left = int(found[1], 16)
        self._step = self._chunk if self._left else self._trailers
        return self._step()

    def _chunk(self) -> Part | None:
        if self._left:
            return self._piece()
        line = self._line()
        if line is None:
            return None
        if line not in (b"", b"\r"):
            raise BadRequestError(400, "a chunk is longer than its size")
        self._step = self._chunk_size
        return self._step()

    def _trailers(self) -> Part | None:
        if self._data[:1] == b"\n" or self._data[:2] == b"\r\n":
            del self._data[: 1 if self._data[:1] == b"\n" else 2]
            self._scanned = 0
            self._step = self._head
            return _NO_TRAILERS
        block = self._until_empty_line()
        if block is None:
            return None
        self._step = self._head
        return End(trailers=_fields(block.split("\n")))

    def _line(self) -> bytes | None:
        end = self._data.find(b"\n", 0, _LARGEST_LINE)
        if end < 0:
            if len(self._data) >= _LARGEST_LINE:
                raise BadRequestError(400, "a chunk's size line is too long")
            return None
        line = bytes(self._data[:end])
        del self._data[: end + 1]
        return line


def _request_line(line: str, headers: Mapping[str, str]) -> Head:
    words = line.split(" ")
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]) or not _TARGET.fullmatch(words[1]):
        raise BadRequestError(400, "the request line is not valid")
    if words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequestError(505, "HTTP/1.1 is spoken here")
    return Head(method=words[0], target=words[1], version=words[2], headers=headers)


def _fields(lines: list[str]) -> Mapping[str, str]:
    if len(lines) > _MOST_FIELDS:
        raise BadRequestError(431, "too many headers")
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            raise BadRequestError(400, "a header is not valid")
        name, value = name.lower(), value.strip(" \t\r")
        if name in found:
            if name == "content-length":
                raise BadRequestError(400, "two Content-Length")
            value = f"{found[name]}, {value}"
        found[name] = value
    return found


def response_head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """The head of a response; what would end a line is taken out of values."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}"]
    lines += [f"{name}: {_one_line(value)}" for name, value in headers]
    return "\r\n".join((*lines, "\r\n")).encode("latin-1", "replace")


def _one_line(value: str) -> str:
    return value if value.isprintable() else "".join(" " if character in "\r\n\0" else character for character in value)
