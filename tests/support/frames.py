"""Frames v1 (docs/frames.md) without the runtime client: frames as bytes, and a worker behind two descriptors."""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote_to_bytes

_HEADER = re.compile(rb"([A-Z]+) (0|[1-9][0-9]*)((?: [!-~]+)*)\n")


def encoded(text: str | bytes | None) -> str:
    """A field: printable ASCII stands as it is, the rest is percent-encoded; None is absent."""
    if text is None:
        return "-"
    data = text.encode() if isinstance(text, str) else text
    if data == b"-":
        return "%2D"
    return "".join(chr(byte) if 0x21 <= byte <= 0x7E and byte != 0x25 else f"%{byte:02X}" for byte in data)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A frame; its fields are as they came, encoded."""

    type: str
    fields: tuple[str, ...] = ()
    body: bytes = b""

    @property
    def id(self) -> str:
        return self.fields[0]

    def decoded(self, number: int) -> str | None:
        """A field's text; None where it is absent."""
        if number >= len(self.fields) or self.fields[number] == "-":
            return None
        return unquote_to_bytes(self.fields[number]).decode()

    @property
    def bytes(self) -> bytes:
        """On the wire."""
        return " ".join((self.type, str(len(self.body)), *self.fields)).encode() + b"\n" + self.body


def invoke(id: str, body: bytes = b"{}", *more: str | None) -> Frame:
    """INVOKE: `more` are deadline, arn, trace, tenant, cognito, client_context, content_type."""
    return Frame(type="INVOKE", fields=(id, *map(encoded, more)), body=body)


class Driven:
    """A worker whose client is the test; use it as a context. Frames that are not frames fail the test."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        channel: str = "pipes",
        stdout: int | None = None,
    ) -> None:
        self._command = command
        self._stdout = stdout
        self._channel = channel
        self._environment = environment
        self._buffer = b""

    def __enter__(self) -> Self:
        if self._channel == "socket":
            ours, theirs = socket.socketpair()
            given = (theirs.detach(),) * 2
            descriptor = ours.detach()
            self._in, self._out = descriptor, os.dup(descriptor)
        else:
            (reads, self._out), (self._in, writes) = os.pipe(), os.pipe()
            given = (reads, writes)
        fds = ",".join(map(str, given))
        self.process = subprocess.Popen(
            self._command,
            env={**os.environ, **self._environment, "IMAGEKIT_FDS": fds},
            pass_fds=given,
            stdin=subprocess.DEVNULL,
            stdout=self._stdout,
            cwd=self._environment.get("LAMBDA_TASK_ROOT"),
        )
        for descriptor in set(given):
            os.close(descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        os.close(self._in)
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()

    def send(self, *frames: Frame | bytes) -> None:
        """Write them, whatever they are."""
        for frame in frames:
            data = frame if isinstance(frame, bytes) else frame.bytes
            while data:
                data = data[os.write(self._out, data) :]

    def close(self) -> None:
        """The end of file that tells a worker to end."""
        if self._out >= 0:
            if self._channel == "socket":
                with socket.socket(fileno=os.dup(self._out)) as sock:
                    sock.shutdown(socket.SHUT_WR)
            os.close(self._out)
            self._out = -1

    def frame(self, seconds: float = 30) -> Frame:
        """The next frame."""
        end = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            self._more(end)
        header = _HEADER.match(self._buffer)
        assert header, f"no header of a frame: {self._buffer[:200]!r}"
        length = int(header[2])
        while len(self._buffer) < header.end() + length:
            self._more(end)
        body = self._buffer[header.end() : header.end() + length]
        self._buffer = self._buffer[header.end() + length :]
        return Frame(type=header[1].decode(), fields=tuple(header[3].decode().split()), body=body)

    def ask(self, id: str, body: bytes, *more: Any) -> Frame:
        """The frame that an event is answered with."""
        self.send(invoke(id, body, *more))
        return self.frame()

    def silent(self, seconds: float = 0.05) -> bool:
        """Whether nothing comes for so long."""
        return not self._buffer and not select.select([self._in], [], [], seconds)[0]

    def _more(self, end: float) -> None:
        ready = select.select([self._in], [], [], max(end - time.monotonic(), 0))[0]
        assert ready, f"no frame in time, so far {self._buffer[:200]!r}"
        data = os.read(self._in, 1 << 20)
        assert data, f"the worker closed, after {self._buffer[:200]!r}; {self.process.poll()}"
        self._buffer += data
