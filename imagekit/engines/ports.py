"""The seam: what engines are asked, what they are given, what they answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from typing import Protocol

from imagekit.architecture import Architecture
from imagekit.engines.codes import LEFT_OUT
from imagekit.facts import Facts
from imagekit.lock_packages import LockedPackage, LockedPackages
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Cache, Fetch
from imagekit.packages import PackageRequest
from imagekit.progress import Progress
from imagekit.rootfs.authorities import Authority
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.rootfs.entry import Entry, Item
from imagekit.rpm.header import Header
from imagekit.rpm.signature import Certificates
from imagekit.values import dataclass

#: Regular files of the base by place, with mode, owner and content; those that are not there are left out.
Reader = Callable[[Collection[str]], Mapping[str, tuple[Entry, bytes]]]


class Warn(Protocol):
    """Is told what the user should know of packages."""

    def __call__(self, text: str, code: str = LEFT_OUT, /) -> None:
        """One sentence, and the code of its finding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What engines work with; `root` is what local paths are relative to, `workers` how many things go on at once.

    `environment` is imagekit's own, which leads to a Docker engine; `logs` is the folder for the output of commands.
    """

    fetch: Fetch
    cache: Cache
    progress: Progress
    root: str
    workers: int = 1
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    logs: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseImage:
    """The image that a change is for: what an engine may call it, and its stream for `docker load`, in pieces."""

    reference: str
    architecture: Architecture
    diff_ids: tuple[Digest, ...]
    archive: Callable[[], AbstractContextManager[Iterable[bytes]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """Where packages are: `place` says where one lies, its digest compared; `keys` gives the certificates of which one
    has to have signed a package, None where no signature is asked for.
    """

    place: Callable[[LockedPackage], str]
    keys: Callable[[LockedPackage], Certificates | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What is to become of a base. `read` gives files of it by place, `installed` are its packages by their number in
    its database; `skipped` are packages whose scriptlets are left out. `commands` are run in the base afterwards, by an
    engine that can; it needs the `image`.
    """

    facts: Facts
    install: tuple[LockedPackage, ...]
    removed: frozenset[str]
    installed: Mapping[int, Header]
    shelf: Shelf
    warn: Warn
    workers: int
    slim: bool = False
    read: Reader
    skipped: Mapping[str, str] = field(default_factory=dict)
    authorities: tuple[Authority, ...] = ()
    image: BaseImage | None = None
    commands: tuple[str, ...] = ()


class Difference(Protocol):
    """What a change makes of a base, ready to be written as one layer."""

    @property
    def layout(self) -> BaseLayout:
        """What the layer meets."""

    def items(self) -> Iterator[Item]:
        """The entries of the layer."""

    def removed(self) -> tuple[str, ...]:
        """The places of the base that are gone; asked for after the last entry."""

    def entries(self) -> Iterator[Entry]:
        """All entries of the layer without their contents, for what is put on top of it."""


class Engine(Protocol):
    """A way to install packages into a base."""

    def missing(self) -> str | None:
        """How to get what this machine lacks for this engine; None when it lacks nothing."""

    def resolve(
        self,
        request: PackageRequest,
        facts: Facts,
        known: Sequence[str] = (),
        *,
        best: Sequence[str] = (),
        fetch: bool = True,
    ) -> LockedPackages:
        """What is to be installed and removed; packages that are `known` from an older lock stay as they are, those
        named in `best` are the newest that there are.

        With `fetch` the packages are brought here, and their signatures judged. Raises Missing where this machine
        cannot do it, BuildFailed for what cannot be had, WrongChecksum and WrongSignature for what is not what it
        should be, RemoteFailed for what repositories answer.
        """

    def install(self, change: Change) -> Difference:
        """Locked packages on a base; raises BuildFailed for what cannot be installed, and as `resolve` does."""
