"""A package repository of packages that lie in one folder: what `repodata/` says of them (createrepo's formats).

All files stand in the list of packages itself, so that nothing has to look for more.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from imagekit.oci.digest import Digest
from imagekit.rpm.dependency import Dependency, DependencyKind, dependencies
from imagekit.rpm.evr import Evr
from imagekit.rpm.files import FileKind, PackagedFile, files
from imagekit.rpm.header import Header
from imagekit.rpm.tag import Tag
from imagekit.values import dataclass

_COMMON: Final = "http://linux.duke.edu/metadata/common"
_RPM: Final = "http://linux.duke.edu/metadata/rpm"
_REPO: Final = "http://linux.duke.edu/metadata/repo"
_FILELISTS: Final = "http://linux.duke.edu/metadata/filelists"
_FLAGS: Final = {"<": "LT", "<=": "LE", "=": "EQ", ">=": "GE", ">": "GT"}
#: What XML 1.0 cannot hold, whatever is written for it.
_UNFIT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Offered:
    """A package of the repository: its header, and its file's name, size in bytes, and digest."""

    header: Header
    name: str
    size: int
    digest: Digest


def repodata(offered: Sequence[Offered]) -> dict[str, bytes]:
    """The files of the repository by their paths; the same packages give the same bytes."""
    lists = {"primary": _primary(offered), "filelists": _filelists(offered)}
    found = {f"repodata/{kind}.xml": text.encode() for kind, text in lists.items()}
    records = "".join(_record(kind, found[f"repodata/{kind}.xml"]) for kind in lists)
    repomd = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<repomd xmlns="{_REPO}"><revision>1</revision>{records}</repomd>\n'
    )
    return {**found, "repodata/repomd.xml": repomd.encode()}


def _record(kind: str, data: bytes) -> str:
    checksum = hashlib.sha256(data).hexdigest()
    return (
        f'<data type="{kind}"><checksum type="sha256">{checksum}</checksum><location href="repodata/{kind}.xml"/>'
        f"<timestamp>1</timestamp><size>{len(data)}</size></data>"
    )


def _primary(offered: Sequence[Offered]) -> str:
    packages = "".join(map(_package, offered))
    return f'<metadata xmlns="{_COMMON}" xmlns:rpm="{_RPM}" packages="{len(offered)}">{packages}</metadata>\n'


def _package(item: Offered) -> str:
    header, nevra = item.header, item.header.nevra
    relations = "".join(_relations(header, kind) for kind in DependencyKind)
    texts = {"license": Tag.LICENSE, "vendor": Tag.VENDOR, "group": Tag.GROUP, "sourcerpm": Tag.SOURCERPM}
    details = "".join(f"<rpm:{name}>{_text(header.text(tag))}</rpm:{name}>" for name, tag in texts.items())
    return (
        f'<package type="rpm"><name>{_text(nevra.name)}</name><arch>{_text(nevra.arch)}</arch>{_version(nevra.evr)}'
        f'<checksum type="sha256" pkgid="YES">{item.digest.hex}</checksum>'
        f"<summary>{_text(header.text(Tag.SUMMARY))}</summary><description></description><packager></packager>"
        f'<url></url><time file="1" build="{header.integer(Tag.BUILDTIME)}"/>'
        f'<size package="{item.size}" installed="{header.integer(Tag.SIZE)}" archive="0"/>'
        f"<location href={_quoted(item.name)}/><format>{details}{relations}{_files(header)}</format></package>\n"
    )


def _relations(header: Header, kind: DependencyKind) -> str:
    entries = "".join(_entry(one) for one in dependencies(header, kind) if not one.is_of_rpm)
    name = kind.name.lower()
    return f"<rpm:{name}>{entries}</rpm:{name}>" if entries else ""


def _entry(one: Dependency) -> str:
    flags, versions = _FLAGS.get(one.relation, ""), ""
    if flags and one.evr:
        epoch, _, rest = one.evr.rpartition(":")
        version, _, release = rest.partition("-")
        versions = f' flags="{flags}" epoch={_quoted(epoch or "0")} ver={_quoted(version)}'
        versions += f" rel={_quoted(release)}" if release else ""
    return f"<rpm:entry name={_quoted(one.name)}{versions}/>"


def _filelists(offered: Sequence[Offered]) -> str:
    packages = "".join(
        f'<package pkgid="{item.digest.hex}" name={_quoted(item.header.nevra.name)} '
        f"arch={_quoted(item.header.nevra.arch)}>{_version(item.header.nevra.evr)}{_files(item.header)}</package>\n"
        for item in offered
    )
    return f'<filelists xmlns="{_FILELISTS}" packages="{len(offered)}">{packages}</filelists>\n'


def _files(header: Header) -> str:
    return "".join(_file(one) for one in _named(files(header)))


def _named(all_files: Iterable[PackagedFile]) -> Iterator[PackagedFile]:
    """Those whose name XML can hold: no other can be asked for there."""
    return (one for one in all_files if not _UNFIT.search(one.path))


def _file(one: PackagedFile) -> str:
    kind = ' type="dir"' if one.kind is FileKind.DIRECTORY else ' type="ghost"' if one.is_ghost else ""
    return f"<file{kind}>/{_text(one.path)}</file>"


def _version(evr: Evr) -> str:
    return f'<version epoch="{evr.epoch}" ver={_quoted(evr.version)} rel={_quoted(evr.release)}/>'


def _text(text: str) -> str:
    return escape(_UNFIT.sub("\N{REPLACEMENT CHARACTER}", text))


def _quoted(text: str) -> str:
    return quoteattr(_UNFIT.sub("\N{REPLACEMENT CHARACTER}", text))
