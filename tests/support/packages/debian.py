"""Debian's packages as the parts of an RPM spec file: real programs and libraries, with real relations."""

from __future__ import annotations

import email.parser
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.commands import good
from tests.support.tools import need, need_file

#: Where `scripts/ci-tools` puts Debian's packages, by dpkg's name of the architecture.
DOWNLOADS = "/usr/local/share/imagekit-debian-packages"
DEBIAN_ARCHES = {"x86_64": "amd64", "aarch64": "arm64"}
_ELFDEPS = "/usr/lib/rpm/elfdeps"
_RELATION = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]*)(?::\w+)?\s*(?:\((?P<sense><<|<=|=|>=|>>)\s*(?P<version>\S+)\))?"
)
#: A version without a release is, for rpm, equal to it with every release.
_SENSES = {"<<": "<", ">>": ">="}
#: What only Debian's own administration needs; nothing depends on it here.
_ADMINISTRATION = frozenset(
    {"base-files", "debconf", "debconf-2.0", "debianutils", "dpkg", "init-system-helpers", "ucf"}
)
#: Fields of a Debian package, and the tags of a spec file that say the same.
_KINDS = {
    "Pre-Depends": "Requires",
    "Depends": "Requires",
    "Recommends": "Recommends",
    "Suggests": "Suggests",
    "Enhances": "Enhances",
    "Breaks": "Conflicts",
    "Conflicts": "Conflicts",
}
#: Directories that belong to the package `filesystem`.
SHARED = frozenset({
    *("bin", "boot", "dev", "etc", "etc/default", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root", "run"),
    *("sbin", "srv", "sys", "tmp", "usr", "usr/bin", "usr/games", "usr/include", "usr/lib", "usr/lib64", "usr/libexec"),
    *("usr/local", "usr/sbin", "usr/share", "usr/share/doc", "usr/share/lintian", "usr/share/lintian/overrides"),
    *("usr/share/man", "usr/share/man/man1", "usr/src", "var", "var/cache", "var/lib", "var/lib/rpm", "var/log"),
    *("var/run", "var/tmp"),
})  # fmt: skip


@dataclass
class Deb:
    """One package, unpacked."""

    fields: Mapping[str, str]
    folder: Path
    paths: list[str] = field(default_factory=list)
    configuration: frozenset[str] = frozenset()
    #: Lines of the spec file such as `Requires: libc6 >= 2.35`.
    relations: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.fields["Package"]

    @property
    def noarch(self) -> bool:
        return self.fields["Architecture"] == "all"

    @property
    def version(self) -> tuple[str, str, str]:
        return split(self.fields["Version"])

    @property
    def sections(self) -> tuple[str, str]:
        """What the spec file says before and in `%files`."""
        epoch, version, release = self.version
        lines = [f"%package -n {self.name}", f"Version: {version}", f"Release: {release}"]
        lines += [f"Epoch: {epoch}"] * (epoch != "0")
        lines += ["Summary: Debian's " + self.name, "License: free", "Vendor: Debian", "AutoReqProv: no"]
        lines += ["BuildArch: noarch"] * self.noarch
        lines += self.relations
        return "\n".join([*lines, f"%description -n {self.name}", "From Debian.", ""]), self._files()

    def _files(self) -> str:
        lines = [f"%files -n {self.name}", "%defattr(-,root,root,-)"]
        for path in self.paths:
            real = self.folder / path
            if real.is_dir() and not real.is_symlink():
                lines += [f'%dir "/{_plain(path)}"'] * (path not in SHARED)
            else:
                words = "%config(noreplace) " if path in self.configuration else ""
                words = "%doc " if path.startswith(("usr/share/doc/", "usr/share/man/")) else words
                lines.append(f'{words}"/{_plain(path)}"')
        return "\n".join([*lines, ""])


def split(text: str) -> tuple[str, str, str]:
    """Epoch, version and release of a Debian version, with the characters that rpm takes."""
    epoch, _, rest = text.rpartition(":")
    version, _, release = rest.rpartition("-") if "-" in rest else (rest, "", "1")
    return epoch or "0", version.replace("-", "+"), release


def unpacked(folder: Path, arch: str, downloads: str = DOWNLOADS) -> list[Deb]:
    """All downloaded packages of rpm's architecture `arch`, unpacked side by side below `folder`."""
    place = Path(need_file(f"{downloads}/{DEBIAN_ARCHES[arch]}"))
    with ThreadPoolExecutor(2) as pool:
        debs = list(pool.map(lambda path: _unpack(path, folder), sorted(place.glob("*.deb"))))
    known = {deb.name for deb in debs} | {name for deb in debs for name, *_ in _relations(deb, "Provides")}
    for deb in debs:
        _relate(deb, known - _ADMINISTRATION)
    offered = {line.split()[1] for deb in debs for line in deb.relations if line.startswith("Provides:")}
    for deb in debs:  # a few plugins need what no package has
        deb.relations = [line for line in deb.relations if "()(64bit)" not in line or line.split()[1] in offered]
    return debs


def _unpack(path: Path, folder: Path) -> Deb:
    fields = email.parser.Parser().parsestr(good(need("dpkg-deb"), "-f", path).out)
    target = folder / str(fields["Package"])
    target.mkdir(parents=True)
    good(need("dpkg-deb"), "-x", path, target)
    control = folder / "control" / str(fields["Package"])
    control.mkdir(parents=True)
    good(need("dpkg-deb"), "-e", path, control)
    named = (control / "conffiles").read_text().split() if (control / "conffiles").exists() else []
    paths = sorted(
        str((Path(root) / name).relative_to(target))
        for root, folders, names in os.walk(target)
        for name in (*folders, *names)
    )
    return Deb(dict(fields), target, paths, frozenset(name[1:] for name in named))


def _relate(deb: Deb, known: Iterable[str]) -> None:
    epoch, version, release = deb.version
    for name, sense, value in _relations(deb, "Provides"):
        deb.relations.append(
            f"Provides: {name} {sense or '='} {_evr(value) if value else f'{epoch}:{version}-{release}'}"
        )
    for kind, tag in _KINDS.items():
        for text in deb.fields.get(kind, "").split(","):
            options = [option for option in _options(text) if option[0] in known and option[0] != deb.name]
            words = [" ".join(filter(None, (name, sense, value and _evr(value)))) for name, sense, value in options]
            if words:
                line = words[0] if len(words) == 1 else f"({' or '.join(words)})"
                deb.relations.append(f"{tag}: {line}")
    programs = [str(deb.folder / path) for path in deb.paths if _elf(deb.folder / path)]
    for tag, what in (("Provides", "--provides"), ("Requires", "--requires")):
        deb.relations += [f"{tag}: {name}" for name in _sonames(programs, what)]
    if deb.name == "libc6":
        deb.relations.append("Provides: rtld(GNU_HASH)")


def _sonames(programs: list[str], what: str) -> list[str]:
    """What rpm's own reader of ELF files finds in them; it passes over what it can not read, and ends with 1 then."""
    command = [need_file(_ELFDEPS), what]
    found = subprocess.run(
        command, input="".join(f"{name}\n" for name in programs), capture_output=True, text=True, check=False
    )
    return sorted(set(found.stdout.splitlines()))


def _elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def _relations(deb: Deb, kind: str) -> Iterator[tuple[str, str, str]]:
    for text in deb.fields.get(kind, "").split(","):
        yield from _options(text)


def _options(text: str) -> list[tuple[str, str, str]]:
    """The alternatives of one relation: name, sense in rpm's words, version as Debian writes it."""
    # "1.0-." is before every release of 1.0, which rpm has no words for.
    found = (_RELATION.match(option.strip()) for option in text.split("|") if "-.)" not in option)
    return [(m["name"], _SENSES.get(m["sense"], m["sense"] or ""), m["version"] or "") for m in found if m]


def _evr(text: str) -> str:
    """A version in a relation; without a release it fits every one."""
    epoch, version, release = split(text)
    return (f"{epoch}:" if epoch != "0" else "") + version + (f"-{release}" if "-" in text else "")


def _plain(path: str) -> str:
    """A path in `%files`, where some characters stand for others."""
    return re.sub(r'[\[\]{}*"\\%]', "?", path)
