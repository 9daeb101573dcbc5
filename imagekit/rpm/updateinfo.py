"""`updateinfo.xml`: the advisories of a package repository, and the packages that each of them mends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final
from xml.etree.ElementTree import Element

from imagekit.rpm.evr import Evr, Nevra
from imagekit.rpm.xml import children, wrong
from imagekit.values import dataclass

_CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}", re.IGNORECASE)
_EPOCH: Final = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Advisory:
    """What is told of a fault. `type` is security, bugfix, enhancement and so on; `severity` may be empty.

    `issued` is as the repository writes it, mostly `YYYY-MM-DD HH:MM`; `packages` are the first ones without the fault.
    """

    id: str
    type: str
    severity: str
    issued: str
    title: str
    cves: tuple[str, ...]
    packages: tuple[Nevra, ...]

    @property
    def is_security(self) -> bool:
        """True for a fault that endangers."""
        return self.type == "security"


def advisories(pieces: Iterable[bytes], source: str = "updateinfo.xml") -> Iterator[Advisory]:
    """Read `updateinfo.xml`, advisory by advisory; raises RemoteFailed, naming `source`, for anything else."""
    for element in children(pieces, "updates", source):
        if element.tag == "update":
            yield _advisory(element, source)


def _advisory(element: Element, source: str) -> Advisory:
    name = _text(element, "id")
    if not name:
        raise wrong(source, "it has an advisory without a name")
    issued = element.find("issued")
    return Advisory(
        id=name,
        type=_clean(element.get("type", "")).lower(),
        severity=_text(element, "severity").capitalize(),
        issued=_clean(issued.get("date", "")) if issued is not None else "",
        title=_text(element, "title"),
        cves=_cves(element),
        packages=tuple(_package(item, name, source) for item in element.iterfind("pkglist/collection/package")),
    )


def _cves(element: Element) -> tuple[str, ...]:
    """Each once, by year and number; some repositories name them in the title of a reference alone."""
    found = set()
    for reference in element.iterfind("references/reference"):
        if reference.get("type", "cve").lower() == "cve":
            found |= set(_CVE.findall(reference.get("id", "") or reference.get("title", "")))
    return tuple(sorted((cve.upper() for cve in found), key=lambda cve: [int(part) for part in cve.split("-")[1:]]))


def _package(element: Element, advisory: str, source: str) -> Nevra:
    name, version, release, arch = (element.get(key, "") for key in ("name", "version", "release", "arch"))
    epoch = element.get("epoch") or "0"
    if not all(map(_is_word, (name, version, release, arch))) or not _EPOCH.fullmatch(epoch):
        raise wrong(source, f"{advisory} names a package without a full name ({name[:100]!r})")
    return Nevra(name=name, evr=Evr(epoch=int(epoch), version=version, release=release), arch=arch)


def _is_word(text: str) -> bool:
    return bool(text) and text.isprintable() and " " not in text and len(text) <= 1000


def _text(element: Element, name: str) -> str:
    return _clean(element.findtext(name) or "")


def _clean(text: str) -> str:
    """A foreign text on one line that can be printed."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())[:1000]
