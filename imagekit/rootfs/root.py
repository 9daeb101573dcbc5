"""The folder that a spec's local paths are relative to: it is there, and nothing leads out of it."""

from __future__ import annotations

import os

from imagekit.errors import InvalidFile
from imagekit.findings import Place


def check(root: str, place: Place | None) -> None:
    """Raise InvalidFile for a `root` that is no folder: else every path below it would be blamed."""
    if not os.path.isdir(root):
        what = "is no folder" if os.path.lexists(root) else "does not exist"
        raise InvalidFile(
            f"`root` leads to {root}, which {what}",
            hint="name the folder that local paths are relative to, or leave `root` out: then it is the spec's own",
            place=place,
        )


def inside(root: str, real: str, text: str, place: Place | None) -> None:
    """Raise InvalidFile for a path that `root` does not hold; `real` has no symlinks left."""
    top = os.path.realpath(root)
    if os.path.commonpath((top, real)) != top:
        raise InvalidFile(
            f"{text} leads to {real}, outside {root}",
            hint="set `root` to a folder that holds both, such as `root: ..`",
            place=place,
        )
