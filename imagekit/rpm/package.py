"""A package file: lead, signature header, header, payload (rpm, docs/format.md)."""

from __future__ import annotations

import hashlib
from typing import Final, Self

from imagekit.errors import WrongChecksum
from imagekit.readable import Readable
from imagekit.rpm import header as headers
from imagekit.rpm.header import Header, damaged
from imagekit.rpm.tag import SignatureTag, Tag
from imagekit.values import dataclass

_LEAD: Final = 96
_LEAD_MAGIC: Final = b"\xed\xab\xee\xdb"
_SOURCE_PACKAGE: Final = b"\0\1"
_PIECE: Final = 1 << 20
#: Numbers of OpenPGP's hash algorithms (RFC 9580, section 9.5), which headers use.
ALGORITHMS: Final = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Lead:
    """The first 96 bytes, which nothing needs any more."""

    major: int
    is_source: bool
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """All of a package but its payload, which begins at `payload_offset` bytes; `source` is what messages call it."""

    lead: Lead
    signature: Header
    header: Header
    payload_offset: int
    source: str = "the package"

    @classmethod
    def read(cls, stream: Readable, source: str = "the package") -> Self:
        """Read up to the payload, where the stream then stands. Raises BuildFailed for anything damaged."""
        lead = _lead(_exactly(stream, _LEAD, source), source)
        signature, offset = _header(stream, f"{source}: the signature header")
        padding = -offset % 8
        if _exactly(stream, padding, source).strip(b"\0"):
            raise damaged(source, "something stands between its headers")
        header, size = _header(stream, f"{source}: the header")
        return cls(
            lead=lead,
            signature=signature,
            header=header,
            payload_offset=_LEAD + offset + padding + size,
            source=source,
        )

    @property
    def compressor(self) -> str:
        """How the payload is compressed: gzip, bzip2, xz, lzma, zstd, or what a later rpm has."""
        return self.header.text(Tag.PAYLOADCOMPRESSOR) or "gzip"

    def verify_header(self) -> None:
        """Compare the header with its own digest. Raises WrongChecksum, also where there is none."""
        for tag, name in ((SignatureTag.SHA256, "sha256"), (SignatureTag.SHA1, "sha1")):
            expected = self.signature.text(tag)
            if expected:
                content = hashlib.new(name, headers.MAGIC, usedforsecurity=False)
                content.update(self.header.raw)
                if content.hexdigest() != expected.lower():
                    raise _wrong(self.source, f"its header has another {name}")
                return
        raise _wrong(self.source, "it has no digest of its header")

    def verify(self, payload: Readable) -> None:
        """Compare header, payload and their size with what the package says. Reads the stream to its end.

        `payload` is the stream that `read` left behind. Raises WrongChecksum, also where there is nothing to compare.
        """
        self.verify_header()
        checks = self._payload_checks()
        size = len(headers.MAGIC) + len(self.header.raw)
        while piece := payload.read(_PIECE):
            size += len(piece)
            for content, _ in checks:
                content.update(piece)
        for content, expected in checks:
            if content.hexdigest() != expected:
                raise _wrong(self.source, f"its payload has another {content.name}")
        expected_size = self.signature.integer(SignatureTag.LONGSIZE) or self.signature.integer(SignatureTag.SIZE)
        if expected_size and size != expected_size:
            raise _wrong(self.source, f"header and payload have {size:,} bytes instead of {expected_size:,}")

    def _payload_checks(self) -> list[tuple[hashlib._Hash, str]]:
        """What the payload is fed to, and what has to come out; of the oldest packages MD5 over header and payload."""
        expected = self.header.text(Tag.PAYLOADDIGEST)
        if expected:
            algorithm = ALGORITHMS.get(self.header.integer(Tag.PAYLOADDIGESTALGO, 8))
            if algorithm is None:
                raise _wrong(self.source, "its payload has a digest of an unknown algorithm")
            return [(hashlib.new(algorithm, usedforsecurity=False), expected.lower())]
        expected = self.signature.binary(SignatureTag.MD5).hex()
        if not expected:
            raise _wrong(self.source, "it has no digest of its payload")
        content = hashlib.new("md5", headers.MAGIC, usedforsecurity=False)
        content.update(self.header.raw)
        return [(content, expected)]


def _lead(data: bytes, source: str) -> Lead:
    if not data.startswith(_LEAD_MAGIC):
        raise damaged(source, "it does not begin as an RPM package does")
    name = data[10:76].partition(b"\0")[0].decode("utf-8", "replace")
    return Lead(major=data[4], is_source=data[6:8] == _SOURCE_PACKAGE, name=name)


def _header(stream: Readable, source: str) -> tuple[Header, int]:
    """A header and its size in the file."""
    start = _exactly(stream, len(headers.MAGIC) + headers.INTRO, source)
    if not start.startswith(headers.MAGIC):
        raise damaged(source, "it does not begin as a header does")
    intro = start[len(headers.MAGIC) :]
    entries, size = headers.sizes(intro, source)
    data = intro + _exactly(stream, entries * headers.ENTRY + size, source)
    return Header.from_blob(data, source), len(headers.MAGIC) + len(data)


def _exactly(stream: Readable, size: int, source: str) -> bytes:
    """So many bytes; memory grows with what comes, not with what is promised."""
    data = bytearray()
    while len(data) < size:
        piece = stream.read(min(size - len(data), _PIECE))
        if not piece:
            raise damaged(source, "it is cut off")
        data += piece
    return bytes(data)


def _wrong(source: str, what: str) -> WrongChecksum:
    return WrongChecksum(f"{source}: {what}")
