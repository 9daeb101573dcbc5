"""`application/vnd.amazon.eventstream`: messages with headers, a payload and two checksums.

Source: Amazon's "Event stream encoding" (Transcribe and S3 Select reference): total length, headers' length, CRC-32 of
both, headers, payload, CRC-32 of all; numbers are big-endian. A header is a name with one byte of length, the type 7
for text, and the text with two bytes of length.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Final

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
#: Bytes of a payload in one message.
LARGEST_PAYLOAD: Final = 16 << 20
_TEXT: Final = 7
_PRELUDE: Final = struct.Struct(">II")
_CHECKSUM: Final = struct.Struct(">I")


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message; a name has at most 255 bytes, a value 32,767."""
    return _message(_headers(headers), payload)


def payload_chunk(piece: bytes) -> bytes:
    """A piece of a streamed answer."""
    return _message(_CHUNK, piece)


def invoke_complete(document: bytes) -> bytes:
    """The end of a streamed answer; the document is JSON."""
    return _message(_COMPLETE, document)


def _message(head: bytes, payload: bytes) -> bytes:
    prelude = _PRELUDE.pack(len(head) + len(payload) + 16, len(head))
    front = b"".join((prelude, _CHECKSUM.pack(zlib.crc32(prelude)), head))
    checksum = zlib.crc32(payload, zlib.crc32(front))
    return b"".join((front, payload, _CHECKSUM.pack(checksum)))


def _headers(headers: Mapping[str, str]) -> bytes:
    found = bytearray()
    for name, value in headers.items():
        key, text = name.encode(), value.encode()
        found += bytes((len(key),)) + key + struct.pack(">BH", _TEXT, len(text)) + text
    return bytes(found)


def _event(kind: str, content_type: str) -> bytes:
    return _headers({":message-type": "event", ":event-type": kind, ":content-type": content_type})


_CHUNK: Final = _event("PayloadChunk", "application/octet-stream")
_COMPLETE: Final = _event("InvokeComplete", "application/json")
