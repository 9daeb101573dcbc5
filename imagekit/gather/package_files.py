"""Package files below `root`: what they are, by content."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from imagekit.errors import InvalidFile
from imagekit.findings import Place
from imagekit.gather.memory import Memory
from imagekit.oci.ports import Cache
from imagekit.rootfs.scan import Selection, scan
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageFiles:
    """Reads them; a file that is known by its times and size is not read again. `now` gives seconds since 1970."""

    cache: Cache
    root: str
    now: Callable[[], float]

    def sha256(self, path: str, place: Place | None) -> str:
        """The hex digest of a package file; raises InvalidFile when it cannot be read, or is no regular file."""
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise InvalidFile(f"{path} is no file", hint="name a .rpm file", place=place)
            selection = Selection(path=path, root=self.root)
            (node,) = scan(selection, Memory(cache=self.cache), now_ns=int(self.now() * 1e9)).nodes
        except OSError as error:
            raise InvalidFile(
                f"{path}: {error.strerror}", hint="paths are relative to `root`; correct it", place=place
            ) from error
        assert node.digest
        return node.digest.hex
