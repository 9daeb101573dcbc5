"""Package files below `root`: what they are, by content."""

from __future__ import annotations

import hashlib
import os
import stat

from imagekit.errors import InvalidFile
from imagekit.findings import Place


def sha256(path: str, place: Place | None) -> str:
    """The hex digest of a package file; raises InvalidFile when it cannot be read, or is no regular file."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InvalidFile(f"{path} is no file", hint="name a .rpm file", place=place)
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidFile(
            f"{path}: {error.strerror}", hint="paths are relative to `root`; correct it", place=place
        ) from error
