"""A digest: the name of a blob by its content (image-spec, descriptor.md, "Digests")."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

from imagekit.errors import RemoteFailed

_SHA256: Final = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A sha256 digest; `str()` is `sha256:` and 64 lower-case hex digits."""

    hex: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """A digest out of a foreign document; raises RemoteFailed. Only sha256 is taken, as Lambda does."""
        match = _SHA256.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise RemoteFailed(
                f"not a sha256 digest: {str(text)[:100]!r}", hint="a digest is sha256: and 64 hex digits"
            )
        return cls(match.group(1))

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The digest of these bytes."""
        return cls(hashlib.sha256(data).hexdigest())

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """The digest with these 64 hex digits."""
        return cls.parse(f"sha256:{text}")

    def __str__(self) -> str:
        return f"sha256:{self.hex}"

    @property
    def short(self) -> str:
        """Twelve hex digits, for people."""
        return self.hex[:12]
