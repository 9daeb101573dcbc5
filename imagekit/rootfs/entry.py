"""An entry: one file, directory or symlink of a layer, and the rules for its path and its mode."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Final

from imagekit.errors import BuildFailed
from imagekit.oci.digest import Digest
from imagekit.readable import Readable
from imagekit.values import dataclass

#: The mtime of files from disk and of generated entries, in seconds: 1980-01-01T00:00:00Z, the first that zip holds.
MTIME: Final = 315_532_800
#: Linux's PATH_MAX and NAME_MAX, in bytes.
MAX_PATH: Final = 4096
MAX_NAME: Final = 255
#: Names that mean a removal in a layer (image-spec, layer.md, "Whiteouts").
WHITEOUT: Final = ".wh."
_FORBIDDEN: Final = re.compile(r"\0|(?:^|/)(?:\.\.(?=/|\Z)|\.wh\.)")
_REASONS: Final = {
    "\0": "holds a NUL",
    "..": "climbs out with `..`",
    WHITEOUT: "has a name that begins with .wh., which would remove a file of the image",
}


class Kind(StrEnum):
    """What an entry is; Lambda takes nothing else (no hard links, devices, sockets)."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"


#: Contents of a file: the bytes, or what gives them (or a stream of them) when they are needed.
Content = bytes | Callable[[], bytes | Readable] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """`path` is relative and normalised, as `checked` gives it; `mtime` in seconds, `size` in bytes.

    `digest` is that of the content where it is known beforehand; the layer is refused when the content differs.
    """

    path: str
    kind: Kind = Kind.FILE
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = MTIME
    size: int = 0
    target: str = ""
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    digest: Digest | None = None


#: An entry and its content; a stream is read before the next item is asked for.
Item = tuple[Entry, Content]


def user_mode(mode: int) -> int:
    """The mode of a user's file: exactly 0644, or 0755 when anyone may execute it."""
    return 0o755 if mode & 0o111 else 0o644


def archive_mode(mode: int, kind: Kind) -> int:
    """The mode of an archive's entry: readable for all, without setuid, setgid, sticky, write for group and others.

    Lambda runs as an unprivileged user, which must be able to enter directories and to run what the owner can run.
    """
    mode = (mode & 0o755) | 0o444
    return mode | 0o111 if kind is Kind.DIRECTORY or mode & 0o111 else mode


def problem_of(path: str) -> str:
    """Why no layer can hold this normalised path; empty when one can."""
    try:
        raw = path.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8"
    if not 0 < len(raw) <= MAX_PATH:
        return f"is longer than {MAX_PATH} bytes" if raw else "is empty"
    if len(raw) > MAX_NAME and max(map(len, raw.split(b"/"))) > MAX_NAME:
        return f"has a name longer than {MAX_NAME} bytes"
    forbidden = _FORBIDDEN.search(path)
    return _REASONS[forbidden.group(0).lstrip("/")] if forbidden else ""


def normalised(path: str) -> str:
    """Without `.`, doubled and trailing slashes; a leading slash and `..` stay, for `checked` to refuse."""
    names = [name for name in path.split("/") if name not in {"", "."}]
    return ("/" if path.startswith("/") else "") + "/".join(names)


def checked(path: str, source: str = "") -> str:
    """The normalised path; raises BuildFailed, naming `source`, for one that no layer may hold."""
    path = normalised(path)
    problem = "is absolute" if path.startswith("/") else problem_of(path)
    if problem:
        where = f"{source}: " if source else ""
        raise BuildFailed(
            f"{where}the path {shown(path)} {problem}",
            hint="only relative paths that stay inside the image can be put into it",
        )
    return path


def shown(path: str) -> str:
    """A hostile path as one short, printable word."""
    text = repr(path)
    return text if len(text) <= 200 else f"{text[:150]}…{text[-49:]}"
