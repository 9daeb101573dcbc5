"""Names that Lambda gives things: request ids, trace ids, log streams, moments."""

from __future__ import annotations

import time

from imagekit.emulator.settings import World


def uuid(world: World) -> str:
    """A random UUID (RFC 9562, version 4), as request ids and extensions' identifiers are."""
    data = bytearray(world.random(16))
    data[6] = data[6] & 0x0F | 0x40
    data[8] = data[8] & 0x3F | 0x80
    text = data.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def trace(world: World) -> str:
    """A trace header that is not sampled (X-Ray developer guide, "Tracing header")."""
    return f"Root=1-{int(world.now()):08x}-{world.random(12).hex()};Parent={world.random(8).hex()};Sampled=0"


def log_stream(world: World, version: str) -> str:
    """`2026/11/23/[$LATEST]…`, one for each execution environment."""
    return f"{time.strftime('%Y/%m/%d', time.gmtime(world.now()))}/[{version}]{world.random(16).hex()}"


def moment(seconds: float) -> str:
    """A moment in UTC with milliseconds, as telemetry and log lines write it."""
    whole = int(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((seconds - whole) * 1000):03d}Z"
