"""What a platform's image consists of, by its lock and by the RPM database of its base."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

from imagekit import images
from imagekit.architecture import by_name
from imagekit.errors import ImagekitError
from imagekit.facts import DatabaseKind, Facts
from imagekit.gather import paths
from imagekit.gather.facts import FactsReader
from imagekit.lock import LockedImage, LockedPlatform
from imagekit.lock_packages import LockedPackage, LockedPackages
from imagekit.rpm.evr import Nevra
from imagekit.rpm.header import Header
from imagekit.rpm.package import Package
from imagekit.rpm.tag import Tag
from imagekit.sbom import Bill, Component, rpm_purl
from imagekit.spec.platform import PlatformSpec
from imagekit.values import dataclass

_UNLISTED: Final = "not in the RPM database of the image"
_SETTING: Final = re.compile(r'^(ID|VERSION_ID)=["\']?([^"\'\n]*)', re.MULTILINE)
#: Keys of a package manager's own, which are in its database as if they were packages.
_KEYS: Final = "gpg-pubkey"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bills:
    """Reads them; the base's facts are had once per digest."""

    reader: FactsReader

    def of(self, spec: PlatformSpec, locked: LockedPlatform) -> Bill:
        """One platform's."""
        facts = self._facts(locked) if locked.base else None
        packages = locked.packages or LockedPackages()
        system = _system(facts)
        is_written = bool(locked.engine or (facts and facts.database and facts.database.kind is DatabaseKind.SQLITE))
        unlisted = bool(packages.install) and not is_written
        found = [*_of_base(facts, packages, system)]
        found += [self._of_lock(item, spec, system, _UNLISTED if unlisted else "") for item in packages.install]
        found += [
            Component(name=url.rpartition("/")[2], version=spec.version or "", url=url, digest=archive.digest)
            for url, archive in sorted(locked.archives.items())
        ]
        found += [_image(image) for _, image in sorted(locked.images.items())]
        return Bill(
            architecture=locked.architecture,
            base=_image(locked.base) if locked.base else None,
            components=sorted(found, key=lambda one: (one.name, one.version, one.purl)),
            comment=f"{len(packages.install)} packages are {_UNLISTED}: rpm and scanners do not see them"
            if unlisted
            else "",
        )

    def _facts(self, locked: LockedPlatform) -> Facts:
        assert locked.base
        source, _ = self.reader.source(locked.base.reference)
        image = images.read(source, locked.base.manifest, by_name(locked.architecture), locked.base.reference)
        return self.reader.read(locked.base, image)

    def _of_lock(self, item: LockedPackage, spec: PlatformSpec, system: tuple[str, str], comment: str) -> Component:
        header = self._header(item, spec)
        return Component(
            name=item.name,
            version=_version(Nevra.parse(item.nevra)),
            purl=_purl(Nevra.parse(item.nevra), system),
            url="" if item.is_local else item.url,
            digest=item.digest,
            license=header.text(Tag.LICENSE) if header else "",
            supplier=header.text(Tag.VENDOR) if header else "",
            comment=comment,
        )

    def _header(self, item: LockedPackage, spec: PlatformSpec) -> Header | None:
        """The header of a package that is on this disk; nothing is fetched for what it says beside the lock."""
        try:
            path = str(paths.local(spec.root, item.url, None)) if item.is_local else self.reader.cache.blob(item.digest)
            if not path:
                return None
            with open(path, "rb") as file:
                return Package.read(file, item.nevra).header
        except (ImagekitError, OSError):
            return None  # a build says what is wrong with it


def _of_base(facts: Facts | None, packages: LockedPackages, system: tuple[str, str]) -> Iterator[Component]:
    """The base's packages that stay."""
    from imagekit.engines.native.database import installed

    coming = {(nevra.name, nevra.arch) for nevra in (Nevra.parse(item.nevra) for item in packages.install)}
    headers: Mapping[int, Header] = installed(facts) if facts else {}
    for header in headers.values():
        nevra = header.nevra
        if nevra.name == _KEYS or str(nevra) in packages.removed or (nevra.name, nevra.arch) in coming:
            continue
        yield Component(
            name=nevra.name,
            version=_version(nevra),
            purl=_purl(nevra, system),
            license=header.text(Tag.LICENSE),
            supplier=header.text(Tag.VENDOR),
        )


def _version(nevra: Nevra) -> str:
    return f"{nevra.evr.version}-{nevra.evr.release}"


def _purl(nevra: Nevra, system: tuple[str, str]) -> str:
    return rpm_purl(nevra.name, _version(nevra), int(nevra.evr.epoch or 0), nevra.arch, system)


def _image(image: LockedImage) -> Component:
    """purl-spec, "oci": the name alone, the digest as version, the repository beside it."""
    repository = image.reference.partition("@")[0]
    name, _, tag = repository.rpartition("/")[2].partition(":")
    where = repository.removesuffix(f":{tag}") if tag else repository
    purl = f"pkg:oci/{quote(name.lower(), safe='.-_~')}@{image.manifest}"
    purl += f"?repository_url={quote(where, safe='./-_')}" + (f"&tag={quote(tag, safe='.-_')}" if tag else "")
    is_local = image.reference.startswith("oci:")
    return Component(
        name=image.reference, version=str(image.manifest), purl="" if is_local else purl, digest=image.manifest
    )


def _system(facts: Facts | None) -> tuple[str, str]:
    """What os-release(5) calls the system and its version."""
    text = facts.content("etc/os-release").decode("utf-8", "replace") if facts else ""
    found = dict(_SETTING.findall(text))
    return found.get("ID", ""), found.get("VERSION_ID", "")
