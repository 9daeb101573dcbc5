"""What a layer is made of: parts, each with the digest of its input, as data.

`place` is where the spec asks for a part: for messages alone, it makes no difference between parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final

from imagekit.findings import Place
from imagekit.oci.digest import Digest
from imagekit.values import dataclass

#: What a digest is when the file has yet to be made by a host step.
UNBUILT: Final = "built at build time"


@dataclass(frozen=True, kw_only=True, slots=True)
class FilesPart:
    """Files from disk: the tree `digest` goes into `target`, or becomes it when it is `single`.

    `mode` is forced on files when given.
    """

    source: str
    target: str
    digest: Digest | None
    single: bool = False
    mode: int | None = None
    place: Place | None = field(default=None, compare=False, repr=False)

    def to_mapping(self) -> dict[str, Any]:
        """As it is keyed and printed; the source is only a name, the digest is what counts."""
        return {
            "kind": "file" if self.single else "files",
            "target": self.target,
            "digest": _text(self.digest),
            "mode": _octal(self.mode),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivePart:
    """The members of an archive."""

    source: str
    target: str
    digest: Digest
    size: int
    strip: int = 0
    place: Place | None = field(default=None, compare=False, repr=False)

    def to_mapping(self) -> dict[str, Any]:
        """As it is keyed and printed."""
        return {"kind": "archive", "target": self.target, "digest": str(self.digest), "strip": self.strip}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePart:
    """Files out of another image's merged view; `digest` is that of its manifest."""

    source: str
    path: str
    target: str
    digest: Digest
    mode: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    place: Place | None = field(default=None, compare=False, repr=False)

    def to_mapping(self) -> dict[str, Any]:
        """As it is keyed and printed."""
        return {
            "kind": "image",
            "path": self.path,
            "target": self.target,
            "digest": str(self.digest),
            "mode": _octal(self.mode),
            "include": list(self.include),
            "exclude": list(self.exclude),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddedPart:
    """What imagekit itself brings: the modes of directories, the contents of files and of programs, by path."""

    directories: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    programs: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    source: str = "imagekit"
    place: Place | None = field(default=None, compare=False, repr=False)

    def to_mapping(self) -> dict[str, Any]:
        """As it is keyed and printed; contents by their digests."""
        return {
            "kind": "embedded",
            "directories": {path: _octal(mode) for path, mode in self.directories.items()},
            "files": _digests(self.files),
            "programs": _digests(self.programs),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class PackagesPart:
    """Packages for the base with the manifest `base`, and those of its own that go; `skipped` are the packages whose
    scriptlets are left out, `certificates` those that the image is to trust, `database` the file of
    the base's RPM database, by which its kind is known. `engine` is empty for one that runs nothing of the image; one
    that does may run `commands` as well.
    """

    source: str
    base: Digest
    install: Mapping[str, Digest]
    removed: tuple[str, ...] = ()
    slim: bool = False
    skipped: tuple[str, ...] = ()
    database: str = ""
    certificates: tuple[Digest, ...] = ()
    engine: str = ""
    commands: tuple[str, ...] = ()
    place: Place | None = field(default=None, compare=False, repr=False)

    def to_mapping(self) -> dict[str, Any]:
        """As it is keyed and printed."""
        return {
            "kind": "packages",
            "base": str(self.base),
            "install": {nevra: str(digest) for nevra, digest in self.install.items()},
            "remove": list(self.removed),
            "slim": self.slim,
            "skipped": list(self.skipped),
            "database": self.database,
            "certificates": [str(digest) for digest in self.certificates],
            **({"engine": self.engine, "reproducible": False, "run": list(self.commands)} if self.engine else {}),
        }


Part = FilesPart | ArchivePart | ImagePart | EmbeddedPart | PackagesPart


def _digests(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {path: str(Digest.of(data)) for path, data in contents.items()}


def _text(digest: Digest | None) -> str:
    return str(digest) if digest else UNBUILT


def _octal(mode: int | None) -> str | None:
    return None if mode is None else f"{mode:04o}"
