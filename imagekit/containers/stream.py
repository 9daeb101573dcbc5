"""A connection that an engine turned into a stream of a process (Docker Engine API, "Attach to a container")."""

from __future__ import annotations

import io
import socket
import struct
from collections.abc import Iterator
from typing import Any, Final

#: Kind of the stream, three zeros, size.
_HEADER: Final = struct.Struct(">BxxxL")
_PIECE: Final = 1 << 16


class Stream:
    """What the SDK gives in one of several wrappings, by the kind of the connection."""

    def __init__(self, given: Any) -> None:
        response = getattr(given, "_response", None)
        self._layers = [one for one in (response, given) if one is not None]
        self._socket = getattr(given, "_sock", given)
        self._layers.append(self._socket)
        self._early = _read_already(response, self._socket)
        self.is_closed = False

    def output(self) -> Iterator[bytes]:
        """What the process writes, both its outputs in the order in which they came; ends with the stream."""
        while header := self._exactly(_HEADER.size):
            _, size = _HEADER.unpack(header)
            while size:
                piece = self._exactly(min(size, _PIECE))
                if not piece:
                    return
                size -= len(piece)
                yield piece

    def first(self) -> bytes:
        """The first that the process writes; empty where it ends without a word."""
        return next(self.output(), b"")

    def send(self, data: bytes) -> None:
        """Write to its standard input; raises OSError."""
        self._socket.sendall(data)

    def close(self) -> None:
        """Let go of all layers: the socket is closed with the last one."""
        self.is_closed = True
        for layer in self._layers:
            layer.close()

    def _exactly(self, size: int) -> bytes:
        """So many bytes, or none where the stream ends before."""
        data, self._early = self._early[:size], self._early[size:]
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                return b""
            data += piece
        return data


def _read_already(response: Any, connection: Any) -> bytes:
    """What came together with the answer's head, and so lies in its buffer, which the SDK passes by."""
    file = getattr(getattr(getattr(response, "raw", None), "_fp", None), "fp", None)
    if not isinstance(file, io.BufferedReader) or not isinstance(connection, socket.socket):
        return b""
    patience = connection.gettimeout()
    connection.settimeout(0)
    try:
        return file.read1(len(file.peek(1)))
    except BlockingIOError:
        return b""
    finally:
        connection.settimeout(patience)
