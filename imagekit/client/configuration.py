"""`bootstrap.conf`, which tells the runtime client what to start (docs/runtime-client.md, "bootstrap.conf")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imagekit.errors import InvalidFile
from imagekit.spec.bootstrap import Client

#: Bytes that the runtime client reads.
LIMIT: Final = 65_536


def to_bytes(client: Client) -> bytes:
    """The file's text; raises InvalidFile for a command that is too long for it."""
    text = "".join(f"{line}\n" for line in _lines(client)).encode("utf-8")
    if len(text) > LIMIT:
        raise InvalidFile(
            f"the command of `bootstrap` makes a bootstrap.conf of {len(text):,} bytes; at most {LIMIT:,} are read",
            hint="shorten it, or put its arguments into a file of the image",
            place=client.place,
        )
    return text


def _lines(client: Client) -> Iterator[str]:
    yield f"mode={client.mode}"
    yield from (f"argument={word}" for word in client.command)
    yield from (f"{name}={value}" for name, value in sorted(client.settings.items()))
    yield from (f"variable={name}={value}" for name, value in sorted(client.environment.items()))
