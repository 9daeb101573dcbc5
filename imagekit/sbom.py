"""What images consist of, as SPDX 2.3: the packages of the base and of the spec, archives, other images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from imagekit.oci import canonical
from imagekit.oci.digest import Digest
from imagekit.values import dataclass

_VERSION: Final = "SPDX-2.3"
_DOCUMENT: Final = "SPDXRef-DOCUMENT"
#: What is not known, and what nobody has looked for (SPDX 2.3, 7.7 and 7.13).
_UNKNOWN: Final = "NOASSERTION"
_LEFT_OUT: Final = (
    "Listed are the packages of the system, archives and other images that the lock names. Not listed are files of the "
    "project's own and what a language's own package manager installs."
)
#: purl leaves these as they are (package-url, "Rules for each purl component").
_PLAIN: Final = ".-_~:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One thing in an image. `purl` names it for machines, `url` is where it comes from, `license` in its maker's own
    words; what is not known is empty.
    """

    name: str
    version: str = ""
    purl: str = ""
    url: str = ""
    digest: Digest | None = None
    license: str = ""
    supplier: str = ""
    comment: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bill:
    """What one platform's image consists of; `base` is what it is built on, `comment` what is to be known of it."""

    architecture: str
    base: Component | None
    components: Sequence[Component]
    comment: str = ""


def document(name: str, version: str, bills: Sequence[Bill], created: str, tool: str) -> dict[str, Any]:
    """The images of a spec as one document; the same content has the same namespace."""
    packages: list[dict[str, Any]] = []
    relations: list[dict[str, str]] = []
    for bill in bills:
        image = f"SPDXRef-image-{_id(bill.architecture)}"
        about = Component(name=f"{name} ({bill.architecture})", version=version, comment=bill.comment)
        packages.append(_package(image, about, "CONTAINER"))
        relations.append(_relation(_DOCUMENT, "DESCRIBES", image))
        if bill.base:
            base = f"SPDXRef-base-{_id(bill.architecture)}"
            packages.append(_package(base, bill.base, "CONTAINER"))
            relations.append(_relation(image, "DESCENDANT_OF", base))
        for number, component in enumerate(bill.components, 1):
            one = f"SPDXRef-{_id(bill.architecture)}-{number}-{_id(component.name)}"
            packages.append(_package(one, component, ""))
            relations.append(_relation(image, "CONTAINS", one))
    made = {
        "spdxVersion": _VERSION,
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": name,
        "comment": _LEFT_OUT,
        "creationInfo": {"created": created, "creators": [f"Tool: {tool}"]},
        "packages": packages,
        "relationships": relations,
    }
    digest = Digest.of(canonical.to_bytes(made)).hex
    return {**made, "documentNamespace": f"https://spdx.org/spdxdocs/{quote(name, safe=_PLAIN)}-{digest}"}


def rpm_purl(name: str, version: str, epoch: int, arch: str, system: tuple[str, str]) -> str:
    """A package's purl; `system` is the ID and VERSION_ID of os-release(5), which may be empty."""
    space, release = system
    where = f"{quote(space, safe=_PLAIN)}/" if space else ""
    words = {"arch": arch, "distro": f"{space}-{release}" if space and release else "", "epoch": str(epoch or "")}
    given = "&".join(f"{key}={quote(value, safe=_PLAIN)}" for key, value in words.items() if value)
    return f"pkg:rpm/{where}{quote(name, safe=_PLAIN)}@{quote(version, safe=_PLAIN)}{'?' if given else ''}{given}"


def _package(one: str, component: Component, purpose: str) -> dict[str, Any]:
    """SPDX 2.3, 7; licenses of packages are rarely expressions of SPDX, so they are comments."""
    made: dict[str, Any] = {
        "SPDXID": one,
        "name": component.name,
        "downloadLocation": component.url or _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
        "supplier": f"Organization: {component.supplier}" if component.supplier else _UNKNOWN,
    }
    optional = {
        "versionInfo": component.version,
        "primaryPackagePurpose": purpose,
        "comment": component.comment,
        "licenseComments": f"its maker says: {component.license}" if component.license else "",
    }
    made |= {key: value for key, value in optional.items() if value}
    if component.digest:
        made["checksums"] = [{"algorithm": "SHA256", "checksumValue": component.digest.hex}]
    if component.purl:
        reference = {
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": component.purl,
        }
        made["externalRefs"] = [reference]
    return made


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _id(text: str) -> str:
    """Letters, digits, dots and dashes are all that an identifier has (SPDX 2.3, 3.2)."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text)
