"""Secrets in what passes by: starred out, however the pieces are cut."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from mmap import mmap
from typing import Final
from urllib.parse import quote

STARS: Final = b"***"
#: Lines of a secret that are shorter than this, such as a brace of a JSON document, are no secret by themselves.
_SHORT: Final = 6
#: Bytes that nothing can be sure of: a secret that is shorter may be in a file by chance.
_CERTAIN: Final = 8


class Masked:
    """Writes what it is called with, less the secrets: each as it is, its lines, in base64, and as a URL has it."""

    def __init__(self, write: Callable[[bytes], object], secrets: Iterable[str]) -> None:
        self._write = write
        forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
        self._longest = len(forms[0]) if forms else 1
        self._pattern = re.compile(b"|".join(map(re.escape, forms))) if forms else None
        self._rest = b""

    def __call__(self, piece: bytes) -> None:
        """One more piece; what may be the beginning of a secret waits for the next."""
        self._pass(self._rest + piece, self._longest - 1)

    def close(self) -> None:
        """Nothing more comes."""
        self._pass(self._rest, 0)

    def _pass(self, data: bytes, held: int) -> None:
        if self._pattern is None:
            self._write(data)
            return
        # All that begins before the cut is here whole.
        cut, done = max(0, len(data) - held), 0
        out = []
        for found in self._pattern.finditer(data):
            if found.start() >= cut:
                break
            out += [data[done : found.start()], STARS]
            done = found.end()
        end = max(done, cut)
        out.append(data[done:end])
        self._rest = data[end:]
        self._write(b"".join(out))


def held_by(data: bytes | mmap, secret: str) -> bool:
    """True when bytes hold a secret that is long enough not to be there by chance."""
    raw = secret.strip().encode("utf-8", "surrogateescape")
    return len(raw) >= _CERTAIN and data.find(raw) >= 0


def _forms(secret: str) -> Iterable[bytes]:
    raw = secret.encode("utf-8", "surrogateescape")
    lines = [line for line in raw.splitlines() if len(line.strip()) >= _SHORT]
    found = [raw, raw.strip(), *lines, b64encode(raw), quote(raw, safe="").encode()]
    return (form for form in found if form)
