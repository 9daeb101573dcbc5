"""What scans of the disk remember, in the cache."""

from __future__ import annotations

from typing import Final

from imagekit.oci.ports import Cache
from imagekit.values import dataclass

_SCANS: Final = "scan"


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """The cache as a scan sees it."""

    cache: Cache

    def get(self, key: str) -> bytes | None:
        """What was kept."""
        return self.cache.record(_SCANS, key)

    def put(self, key: str, data: bytes) -> None:
        """Keep it."""
        self.cache.keep(_SCANS, key, data)
