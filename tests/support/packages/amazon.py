"""Interpreters as packages with the names that Amazon Linux has for them, made of Debian's for both architectures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support import bases
from tests.support.bases import Node
from tests.support.linked import TRIPLES, found, linked, needs, system
from tests.support.packages import site
from tests.support.packages.package import Item, Package, folder, link, program
from tests.support.packages.repository import Repository
from tests.support.packages.signing import key
from tests.support.packages.system import OCI_ARCHES, OS_RELEASE, database_files
from tests.support.registry import Registry

KEY_FILE = "keys/packager.asc"
_RELEASE = "1.amzn2023"
#: What no function needs.
_LEFT_OUT = frozenset({"__pycache__", "doc", "help", "html", "include", "man", "rdoc", "tests", "po", "translations"})


def system_files(arch: str) -> dict[str, Node]:
    """What a base has that packages look for: its release, its locale, the database of its packages."""
    provides = ("libc.so.6()(64bit)", "/bin/sh", f"system-release(releasever) = {site.RELEASE}")
    installed = (Package("system-release", site.RELEASE, _RELEASE, arch, provides=provides),)
    locale = _tree(OCI_ARCHES[arch], "usr/lib/locale/C.utf8")
    return {
        "usr/lib/locale": bases.folder(),
        **{path: Node(item.data, item.mode, item.link) for path, item in locale.items()},
        "etc/system-release": Node(b"Amazon Linux release 2023 (a stand-in)\n"),
        "usr/lib/os-release": Node(OS_RELEASE),
        "etc/os-release": bases.link("../usr/lib/os-release"),
        "var/lib/rpm": bases.folder(),
        **database_files(installed),
    }


def serve(registry: Registry) -> None:
    """Put the packages where Amazon Linux 2023 has its own, signed with the tests' key."""
    made = {arch: Repository(tuple(_packages(arch, OCI_ARCHES[arch]))) for arch in OCI_ARCHES}
    site.al2023(registry.files, made)


def trusted(spec: Path) -> None:
    """Let a spec that names packages take those of the tests' key instead of Amazon's."""
    (spec / KEY_FILE).parent.mkdir(exist_ok=True)
    (spec / KEY_FILE).write_bytes(key().armored)
    with (spec / "runtime.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\nrepositories: [{{name: amazonlinux, gpgkey: {KEY_FILE}}}]\n")


def _packages(arch: str, oci: str) -> Iterator[Package]:
    yield from _php(arch, oci)
    yield from _ruby(arch, oci)
    yield from _lua(arch, oci)
    yield from _r(arch, oci)


def _package(name: str, version: str, arch: str, files: Mapping[str, Item], *requires: str) -> Package:
    return Package(
        name,
        version,
        _RELEASE,
        arch,
        files=files,
        requires=("libc.so.6()(64bit)", *requires),
        compressor="zstd",
        signed_by=key(),
    )


def _php(arch: str, oci: str) -> Iterator[Package]:
    php = found(oci, "usr/bin/php8.2")
    yield _package("php8.4-cli", "8.4.8", arch, {"usr/bin/php": _file(php)}, "php8.4-common")
    yield _package("php8.4-common", "8.4.8", arch, _libraries(oci, php))


def _ruby(arch: str, oci: str) -> Iterator[Package]:
    ruby, home, compiled = found(oci, "usr/bin/ruby3.1"), "usr/lib/ruby/3.1.0", f"usr/lib/{TRIPLES[oci]}/ruby/3.1.0"
    library = {**_tree(oci, home), **_tree(oci, compiled), **_tree(oci, "usr/lib/ruby/vendor_ruby")}
    json = {path: item for path, item in library.items() if path.startswith((f"{home}/json", f"{compiled}/json"))}
    rest = {path: item for path, item in library.items() if path not in json}
    yield _package("ruby3.2", "3.2.8", arch, {"usr/bin/ruby": _file(ruby)}, "ruby3.2-libs")
    yield _package("ruby3.2-libs", "3.2.8", arch, {**rest, **_libraries(oci, ruby, *_shared(oci, compiled))})
    yield _package("ruby3.2-rubygem-json", "2.6.3", arch, json, "ruby3.2-libs")


def _lua(arch: str, oci: str) -> Iterator[Package]:
    lua = found(oci, "usr/bin/lua5.4")
    yield _package("lua", "5.4.4", arch, {"usr/bin/lua": _file(lua)}, "lua-libs")
    yield _package("lua-libs", "5.4.4", arch, _libraries(oci, lua))


def _r(arch: str, oci: str) -> Iterator[Package]:
    home = "usr/lib/R"
    files = {path: item for path, item in _tree(oci, home).items() if not path.startswith(f"{home}/site-library")}
    settings = {f"{home}/{path.replace('etc/R', 'etc', 1)}": item for path, item in _tree(oci, "etc/R").items()}
    shared = [path for path in _shared(oci, home) if "/modules/" not in str(path) and "/site-library/" not in str(path)]
    libraries = _libraries(oci, found(oci, f"{home}/bin/exec/R"), *shared)
    program_itself = {"usr/bin/Rscript": _file(found(oci, "usr/bin/Rscript"))}
    yield _package("R-core", "4.3.2", arch, {**files, **settings, **program_itself}, "R-core-libs", "which")
    yield _package("which", "2.21", arch, {"usr/bin/which": _file(found(oci, "usr/bin/which.debianutils"))})
    yield _package("R-core-libs", "4.3.2", arch, libraries)


def _libraries(oci: str, *programs: Path) -> dict[str, Item]:
    """The libraries that programs and libraries need, and that neither a base nor their own folders have."""
    own = {path.name for path in programs}
    wanted = {name for path in programs for name in needs(path)} - own
    known = {os.path.basename(path) for path in system(oci)}
    return {f"usr/lib64/{name}": program(data) for name, data in linked(oci, *wanted).items() if name not in known}


def _shared(oci: str, place: str) -> list[Path]:
    return sorted(path for path in found(oci, place).rglob("*.so") if path.is_file())


def _tree(oci: str, place: str) -> dict[str, Item]:
    """A folder of Debian's as the files of a package; links inside it stay links."""
    root, made = found(oci, place), {place: folder()}
    for where, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - _LEFT_OUT)
        for name in sorted(names):
            path = Path(where, name)
            if path.is_symlink() and path.exists() and "/" not in os.readlink(path):
                made[f"{place}/{path.relative_to(root)}"] = link(os.readlink(path))
            elif path.is_file():
                made[f"{place}/{path.relative_to(root)}"] = _file(path)
    return made


def _file(path: Path) -> Item:
    return Item(path.read_bytes(), 0o755 if os.access(path, os.X_OK) else 0o644)
