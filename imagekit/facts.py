"""Facts: what is known of a base's file system, as values and as the records that are kept of them."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Final, Self

from imagekit.oci import canonical
from imagekit.oci.digest import Digest
from imagekit.rootfs.base_layout import BaseLayout, Directory
from imagekit.values import dataclass

#: The files whose contents are facts, by their real paths: users and groups, the dynamic linker's settings,
#: alternatives, trusted certificates, and what the base says of its release and of its package repositories.
CONTENTS: Final = re.compile(
    r"etc/(?:passwd|group|shadow|gshadow|os-release|ld\.so\.conf|ld\.so\.cache|ld\.so\.conf\.d/[^/]+\.conf)"
    r"|etc/(?:dnf|yum)/vars/[^/]+|etc/pki/ca-trust/.+"
    r"|usr/lib/(?:os-release|sysusers\.d/[^/]+\.conf)"
    r"|usr/share/pki/ca-trust-(?:source|legacy)/.+"
    r"|var/lib/alternatives/[^/]+"
)
#: The folders where RPM keeps its database, the newer one last.
DATABASES: Final = ("var/lib/rpm", "usr/lib/sysimage/rpm")


class DatabaseKind(StrEnum):
    """How an RPM database is stored; the value is the name of its file."""

    SQLITE = "rpmdb.sqlite"
    BERKELEY = "Packages"


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownFile:
    """A file of the base with its content."""

    content: bytes = field(repr=False)
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """The base's RPM database. `path` is its file in the image, without symlinks on the way; `digest` its content.

    `log` is what SQLite has written but not yet put into the file (`-wal`). `file` and `log_file` are where both lie
    on this disk, read-only, `source` is what messages call it.
    """

    kind: DatabaseKind
    path: str
    digest: Digest
    log: Digest | None = None
    mode: int = 0o644
    file: str = field(default="", compare=False)
    log_file: str = field(default="", compare=False)
    source: str = field(default="the base's RPM database", compare=False)

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Self:
        """Out of a record."""
        return cls(
            kind=DatabaseKind(document["kind"]),
            path=document["path"],
            digest=Digest.parse(document["digest"]),
            log=Digest.parse(document["log"]) if document["log"] else None,
            mode=document["mode"],
        )

    def to_mapping(self) -> dict[str, Any]:
        """As a record holds it."""
        return {
            "kind": self.kind.value,
            "path": self.path,
            "digest": str(self.digest),
            "log": str(self.log) if self.log else None,
            "mode": self.mode,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """All names of a base's file system, the contents of some files by their real paths, and its RPM database."""

    layout: BaseLayout
    files: Mapping[str, KnownFile] = field(default_factory=dict)
    database: Database | None = None

    @classmethod
    def from_record(cls, record: bytes) -> Self:
        """The facts that `record` describes; where the database lies on this disk is not among them."""
        document = json.loads(record)
        database = document["database"]
        return cls(
            layout=_layout(document["layout"]),
            files={
                path: KnownFile(content=b64decode(content), mode=mode, uid=uid, gid=gid)
                for path, (content, mode, uid, gid) in document["files"].items()
            },
            database=Database.from_mapping(database) if database else None,
        )

    @property
    def record(self) -> bytes:
        """Everything in canonical bytes."""
        return canonical.to_bytes(
            {
                "layout": json.loads(self.layout.record),
                "files": {
                    path: [b64encode(file.content).decode("ascii"), file.mode, file.uid, file.gid]
                    for path, file in self.files.items()
                },
                "database": self.database.to_mapping() if self.database else None,
            }
        )

    def content(self, path: str) -> bytes:
        """A file's content, symlinks on the way followed; empty when it is none of `CONTENTS`, or not there."""
        file = self.files.get(self.layout.resolved(path))
        return file.content if file else b""


def layout_from_bytes(record: bytes) -> BaseLayout:
    """The layout that a `BaseLayout.record` describes."""
    return _layout(json.loads(record))


def _layout(document: Mapping[str, Any]) -> BaseLayout:
    return BaseLayout(
        directories={
            path: Directory(mode=mode, uid=uid, gid=gid, mtime=mtime)
            for path, (mode, uid, gid, mtime) in document["directories"].items()
        },
        symlinks=document["symlinks"],
        files=frozenset(document["files"]),
    )
