"""`repomd.xml`: what metadata a package repository has, and by which checksums (createrepo_c, repomd.rng)."""

from __future__ import annotations

import re
from typing import Final, Self
from xml.etree.ElementTree import Element

from imagekit.oci.digest import Digest
from imagekit.rpm.xml import children, wrong
from imagekit.values import dataclass

#: How algorithms are spelt there, with the number of their hex digits.
_ALGORITHMS: Final = {"md5": 32, "sha": 40, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_MAX_SIZE: Final = 16 << 20
_MAX_RECORDS: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Checksum:
    """A checksum in hex; `algorithm` as hashlib names it."""

    algorithm: str
    hex: str

    @property
    def digest(self) -> Digest | None:
        """The same as a digest, where it is one."""
        return Digest.from_hex(self.hex) if self.algorithm == "sha256" else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One file of metadata; sizes in bytes, those with `open` of what it holds when it is not compressed.

    `href` is relative to the repository's root. What the repository does not say is None, or empty.
    """

    type: str
    href: str
    checksum: Checksum
    size: int | None = None
    open_checksum: Checksum | None = None
    open_size: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Repomd:
    """A repository at one moment; `revision` is whatever its maker counts by."""

    revision: str
    records: tuple[Record, ...]

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "repomd.xml") -> Self:
        """Read `repomd.xml`; raises RemoteFailed, naming `source`, for anything else."""
        if len(data) > _MAX_SIZE:
            raise wrong(source, f"it has {len(data):,} bytes")
        revision = ""
        records: dict[str, Record] = {}
        for element in children([data], "repomd", source):
            if element.tag == "revision":
                revision = (element.text or "").strip()[:100]
            elif element.tag == "data":
                record = _record(element, source)
                if len(records) == _MAX_RECORDS:
                    raise wrong(source, f"it has more than {_MAX_RECORDS:,} records")
                if records.setdefault(record.type, record) is not record:
                    raise wrong(source, f"it has {record.type!r} twice")
        return cls(revision=revision, records=tuple(records.values()))

    def record(self, kind: str) -> Record | None:
        """The record of that type: `primary`, `filelists`, `updateinfo`, and so on."""
        return next((record for record in self.records if record.type == kind), None)


def _record(element: Element, source: str) -> Record:
    kind = element.get("type", "")
    location = element.find("location")
    href = location.get("href", "") if location is not None else ""
    if not re.fullmatch(r"[a-z0-9_.-]{1,100}", kind, re.IGNORECASE):
        raise wrong(source, f"it has a record of the type {kind[:100]!r}")
    if not href or not href.isprintable() or len(href) > 4096:
        raise wrong(source, f"it does not say where {kind!r} is")
    checksum = _checksum(element, "checksum", source)
    if checksum is None:
        raise wrong(source, f"it has no checksum of {kind!r}")
    return Record(
        type=kind,
        href=href,
        checksum=checksum,
        size=_number(element, "size", source),
        open_checksum=_checksum(element, "open-checksum", source),
        open_size=_number(element, "open-size", source),
    )


def _checksum(element: Element, name: str, source: str) -> Checksum | None:
    child = element.find(name)
    if child is None:
        return None
    algorithm, text = child.get("type", ""), (child.text or "").strip().lower()
    if len(text) != _ALGORITHMS.get(algorithm) or not re.fullmatch("[0-9a-f]+", text):
        raise wrong(source, f"it has a checksum of an unknown kind ({algorithm[:100]} {text[:200]})")
    return Checksum(algorithm="sha1" if algorithm == "sha" else algorithm, hex=text)


def _number(element: Element, name: str, source: str) -> int | None:
    text = (element.findtext(name) or "").strip()
    if not text:
        return None
    if not re.fullmatch("[0-9]{1,18}", text):
        raise wrong(source, f"it has the {name} {text[:100]!r}")
    return int(text)
