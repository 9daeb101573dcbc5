"""Local paths of a spec: relative to `root`, and never out of it, not even through a symlink."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from imagekit.errors import InvalidFile
from imagekit.findings import Place
from imagekit.rootfs.root import inside


def local(root: str, text: str, place: Place | None) -> Path:
    """The file or folder that `text` names; raises InvalidFile when it is not there, not readable, or outside."""
    path = Path(root, text)
    try:
        real = Path(os.path.realpath(path, strict=True))
        mode = real.stat().st_mode
    except OSError as error:
        raise InvalidFile(
            f"{text}: {error.strerror}", hint=f"paths are relative to {root}; correct it, or set `root`", place=place
        ) from error
    inside(root, str(real), text, place)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InvalidFile(
            f"{text} is neither a file nor a folder",
            hint="name one; an image holds no devices, pipes and sockets",
            place=place,
        )
    if not os.access(real, os.R_OK | (os.X_OK if stat.S_ISDIR(mode) else 0)):
        raise InvalidFile(f"{text}: permission denied", hint="make it readable for the user who builds", place=place)
    return real


def planned(root: str, text: str, place: Place | None) -> Path:
    """Where a file will be that a step has yet to make; raises InvalidFile when that is outside `root`."""
    path = Path(root, text)
    inside(root, os.path.realpath(path), text, place)
    return path
