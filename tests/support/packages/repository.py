"""Repositories of packages: `repomd.xml` and what it names, as createrepo_c writes it."""

from __future__ import annotations

import gzip
import hashlib
import lzma
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

import zstandard

from tests.support.packages.package import DEPENDENCIES, GHOST, Package, dependency
from tests.support.packages.signing import Key

COMPRESSIONS: Mapping[str, tuple[str, Callable[[bytes], bytes]]] = {
    "": ("", lambda data: data),
    "gz": (".gz", lambda data: gzip.compress(data, 6, mtime=0)),
    "xz": (".xz", lambda data: lzma.compress(data, preset=1)),
    "zst": (".zst", lambda data: zstandard.ZstdCompressor().compress(data)),
}
_FLAGS = {2: "LT", 4: "GT", 8: "EQ", 10: "LE", 12: "GE"}
REVISION = "1750000000"


@dataclass(frozen=True)
class Advisory:
    """An advisory of `updateinfo.xml`, with the packages that solve it."""

    id: str
    packages: tuple[Package, ...]
    severity: str = "Important"
    kind: str = "security"
    cves: tuple[str, ...] = ()
    issued: str = "2026-01-02 03:04:05"


@dataclass(frozen=True)
class Repository:
    """Packages and advisories; `files` are the repository's, by their path below its root.

    `href` gives a package's address, by default below `Packages/`; where that leaves the repository, `packages_at` has
    the RPM files by the same text. `primary_lists` are the paths that primary.xml names; all by default as createrepo
    chooses them.
    """

    packages: tuple[Package, ...]
    advisories: tuple[Advisory, ...] = ()
    compression: str = "gz"
    signed_by: Key | None = None
    href: Callable[[Package], str] = lambda package: f"Packages/{package.file_name[0]}/{package.file_name}"
    revision: str = REVISION
    #: Other metadata than the packages make, by kind.
    instead: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def metadata(self) -> dict[str, bytes]:
        """The documents by kind, as they are before they are compressed."""
        made = {"primary": self._primary(), "filelists": self._filelists(), "other": self._other()}
        if self.advisories:
            made["updateinfo"] = self._updateinfo()
        return {**made, **self.instead}

    @property
    def repodata(self) -> dict[str, bytes]:
        """`repomd.xml` and what it names."""
        suffix, compress = COMPRESSIONS[self.compression]
        records, files = [], {}
        for kind, document in self.metadata.items():
            data = compress(document)
            name = f"repodata/{_sha256(data)}-{kind}.xml{suffix}"
            files[name] = data
            records.append(_record(kind, name, data, document))
        repomd = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo"'
            f' xmlns:rpm="http://linux.duke.edu/metadata/rpm">\n  <revision>{self.revision}</revision>\n'
            f"{''.join(records)}</repomd>\n"
        ).encode()
        files["repodata/repomd.xml"] = repomd
        if self.signed_by:
            files["repodata/repomd.xml.asc"] = self.signed_by.sign_armored(repomd)
            files["repodata/repomd.xml.key"] = self.signed_by.armored
        return files

    @property
    def packages_at(self) -> dict[str, bytes]:
        """The RPM files by their href."""
        return {self.href(package): package.built.data for package in self.packages}

    @property
    def files(self) -> dict[str, bytes]:
        """Everything below the root."""
        return {**self.repodata, **self.packages_at}

    def _primary(self) -> bytes:
        body = "".join(self._package(package) for package in self.packages)
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="http://linux.duke.edu/metadata/common"'
            f' xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="{len(self.packages)}">\n{body}</metadata>\n'
        ).encode()

    def _package(self, package: Package) -> str:
        built = package.built
        start, end = built.header_range
        installed = sum(len(item.content) for item in package.files.values() if not item.flags & GHOST)
        relations = "".join(_relations(package, kind) for kind in DEPENDENCIES)
        listed = "".join(_file(path, package) for path in package.files if _in_primary(path))
        return f"""<package type="rpm">
  <name>{escape(package.name)}</name>
  <arch>{package.arch}</arch>
  {_version(package)}
  <checksum type="sha256" pkgid="YES">{built.sha256}</checksum>
  <summary>{escape(package.summary)}</summary>
  <description>{escape(package.summary)}.</description>
  <packager/>
  <url>https://example.com/{escape(package.name)}</url>
  <time file="{package.build_time}" build="{package.build_time}"/>
  <size package="{len(built.data)}" installed="{installed}" archive="{installed}"/>
  <location href={quoteattr(self.href(package))}/>
  <format>
    <rpm:license>{escape(package.license)}</rpm:license>
    <rpm:vendor>{escape(package.vendor)}</rpm:vendor>
    <rpm:group>Unspecified</rpm:group>
    <rpm:buildhost>builder.example.com</rpm:buildhost>
    <rpm:sourcerpm>{package.source or package.name}-{package.version}-{package.release}.src.rpm</rpm:sourcerpm>
    <rpm:header-range start="{start}" end="{end}"/>
{relations}{listed}  </format>
</package>
"""

    def _filelists(self) -> bytes:
        body = "".join(
            f'<package pkgid="{package.built.sha256}" name={quoteattr(package.name)} arch="{package.arch}">\n'
            f"  {_version(package)}\n{''.join(_file(path, package) for path in package.files)}</package>\n"
            for package in self.packages
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<filelists xmlns="http://linux.duke.edu/metadata/filelists"'
            f' packages="{len(self.packages)}">\n{body}</filelists>\n'
        ).encode()

    def _other(self) -> bytes:
        body = "".join(
            f'<package pkgid="{package.built.sha256}" name={quoteattr(package.name)} arch="{package.arch}">\n'
            f"  {_version(package)}\n</package>\n"
            for package in self.packages
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<otherdata xmlns="http://linux.duke.edu/metadata/other"'
            f' packages="{len(self.packages)}">\n{body}</otherdata>\n'
        ).encode()

    def _updateinfo(self) -> bytes:
        return ("<updates>\n" + "".join(_update(advisory) for advisory in self.advisories) + "</updates>\n").encode()


def _record(kind: str, name: str, data: bytes, document: bytes) -> str:
    return f"""  <data type="{kind}">
    <checksum type="sha256">{_sha256(data)}</checksum>
    <open-checksum type="sha256">{_sha256(document)}</open-checksum>
    <location href="{name}"/>
    <timestamp>{REVISION}</timestamp>
    <size>{len(data)}</size>
    <open-size>{len(document)}</open-size>
  </data>
"""


def _version(package: Package) -> str:
    return f'<version epoch="{package.epoch}" ver={quoteattr(package.version)} rel={quoteattr(package.release)}/>'


def _relations(package: Package, kind: str) -> str:
    texts = getattr(package, {"requires": "all_requires", "provides": "all_provides"}.get(kind, kind))
    if not texts:
        return ""
    entries = "".join(f"      {_entry(*dependency(text))}\n" for text in texts)
    return f"    <rpm:{kind}>\n{entries}    </rpm:{kind}>\n"


def _entry(name: str, flags: int, version: str) -> str:
    if not flags:
        return f"<rpm:entry name={quoteattr(name)}/>"
    epoch, _, rest = version.rpartition(":")
    ver, _, rel = rest.partition("-")
    release = f" rel={quoteattr(rel)}" if rel else ""
    order = f'flags="{_FLAGS[flags]}" epoch="{epoch or 0}" ver={quoteattr(ver)}{release}'
    return f"<rpm:entry name={quoteattr(name)} {order}/>"


def _in_primary(path: str) -> bool:
    """The paths that createrepo puts into primary.xml."""
    return path.startswith("etc/") or "bin/" in path or path == "usr/lib/sendmail"


def _file(path: str, package: Package) -> str:
    item = package.files[path]
    kind = ' type="dir"' if item.data is None and not item.link else ' type="ghost"' if item.flags & GHOST else ""
    return f"    <file{kind}>/{escape(path)}</file>\n"


def _update(advisory: Advisory) -> str:
    references = "".join(
        f'<reference href="https://nvd.nist.gov/vuln/detail/{cve}" id="{cve}" title={quoteattr(cve)} type="cve"/>'
        for cve in advisory.cves
    )
    packages = "".join(
        f'<package name={quoteattr(item.name)} version="{item.version}" release="{item.release}" epoch="{item.epoch}"'
        f' arch="{item.arch}"><filename>{item.file_name}</filename></package>'
        for item in advisory.packages
    )
    return f"""<update author="linux-security@example.com" from="linux-security@example.com" status="final"\
 type="{advisory.kind}" version="1.4">
  <id>{advisory.id}</id>
  <title>{advisory.id}: {advisory.severity}</title>
  <issued date="{advisory.issued}"/><updated date="{advisory.issued}"/>
  <severity>{advisory.severity}</severity>
  <description>What was wrong</description>
  <references>{references}</references>
  <pkglist><collection short="core"><name>core</name>{packages}</collection></pkglist>
</update>
"""


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
