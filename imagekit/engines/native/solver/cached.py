"""Lists of packages in libsolv's own form, kept from one choice to the next."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Final

from imagekit.engines.native.repodata import Listed
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Cache
from imagekit.values import dataclass

#: A record that names a blob, by the list's digest and libsolv's version, which its form depends on.
_KIND: Final = "solv"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cached:
    """Keeps what the solver's process wrote."""

    cache: Cache

    @contextmanager
    def loading(self, lists: Iterable[tuple[str, int, Listed]]) -> Iterator[list[dict[str, Any]]]:
        """What the process is told of repositories (name, priority, list), while it may read and write their forms."""
        with tempfile.TemporaryDirectory(prefix="imagekit-solv-") as folder:
            items = [self._item(number, folder, *one) for number, one in enumerate(lists)]
            yield [item for item, _ in items]
            for item, key in items:
                if item["is_new"] and os.path.exists(item["form"]):
                    self._keep(item["form"], key)

    def _item(self, number: int, folder: str, name: str, priority: int, listed: Listed) -> tuple[dict[str, Any], str]:
        key = f"{listed.digest} {version('solv')}"
        kept = self.cache.record(_KIND, key)
        path = self.cache.blob(Digest.from_hex(kept.decode("ascii"))) if kept else None
        item = {
            "name": name,
            "priority": priority,
            "primary": listed.path,
            "open_size": listed.open_size,
            "form": path or f"{folder}/{number}.solv",
            "is_new": path is None,
        }
        return item, key

    def _keep(self, path: str, key: str) -> None:
        with open(path, "rb") as file, self.cache.writer() as writer:
            digest = Digest(hashlib.file_digest(file, "sha256").hexdigest())
            file.seek(0)
            shutil.copyfileobj(file, writer.file)
            writer.commit(digest)
        self.cache.keep(_KIND, key, digest.hex.encode("ascii"))
