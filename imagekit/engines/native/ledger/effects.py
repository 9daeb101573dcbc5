"""What a scriptlet does to an image, as values that are carried out without running it."""

from __future__ import annotations

from typing import Final, TypeAlias

from imagekit.engines.native.accounts import Account
from imagekit.values import dataclass

#: What iconv(3) knows of its modules; without it, it reads the files that this is made of.
GCONV: Final = "/usr/lib64/gconv/gconv-modules.cache"


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkerCache:
    """ldconfig(8) is run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """update-ca-trust(8) is run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stale:
    """A cache no longer says what is there; programs look for themselves where there is none."""

    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Unmade:
    """A program would make a file that others need, of what only it knows; `lacking` is what does not work without."""

    program: str
    lacking: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AddAccount:
    """A user, a group or a membership is there afterwards."""

    account: Account


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternative:
    """`alternatives --install LINK NAME PATH PRIORITY`, with the `followers` of `--slave` as link, name, path."""

    link: str
    name: str
    path: str
    priority: int
    family: str = ""
    followers: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NoAlternative:
    """`alternatives --remove NAME PATH`."""

    name: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MakeDirectory:
    """A directory is there afterwards; a new one belongs to `user` and `group`, by default to root."""

    path: str
    mode: int = 0o755
    user: str = ""
    group: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MakeFile:
    """A file is there afterwards, an empty one where there was none."""

    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MakeLink:
    """A symlink is there afterwards; `replaces` another one or a file in its place."""

    path: str
    target: str
    replaces: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SetMode:
    """A file or directory has this mode afterwards."""

    path: str
    mode: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SetOwner:
    """A file or directory has this owner or group afterwards; an empty one stays."""

    path: str
    user: str = ""
    group: str = ""


Effect: TypeAlias = (
    LinkerCache
    | Trust
    | Stale
    | Unmade
    | AddAccount
    | Alternative
    | NoAlternative
    | MakeDirectory
    | MakeFile
    | MakeLink
    | SetMode
    | SetOwner
)
