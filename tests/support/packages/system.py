"""Bases with packages and the database of them: what is installed, and the image of it."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.support import bases
from tests.support.bases import Node, StandIn
from tests.support.packages import database
from tests.support.packages.package import CONFIG, GHOST, NOREPLACE, Item, Package, folder, link, program
from tests.support.packages.site import RELEASE

#: imagekit's names of architectures, rpm's, and OCI's.
RPM_ARCHES = {"x86_64": "x86_64", "arm64": "aarch64"}
OCI_ARCHES = {"x86_64": "amd64", "aarch64": "arm64"}
PASSWD = b"root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/sbin/nologin\nnobody:x:65534:65534::/:/sbin/nologin\n"
GROUP = b"root:x:0:\nbin:x:1:\nmail:x:12:\ntty:x:5:\nnobody:x:65534:\n"
SHADOW = b"root:*:19000:0:99999:7:::\nbin:*:19000:0:99999:7:::\n"
GSHADOW = b"root:::\nbin:::\n"
OS_RELEASE = b'NAME="Amazon Linux"\nVERSION="2023"\nID="amzn"\nVERSION_ID="2023"\nPRETTY_NAME="Amazon Linux 2023"\n'


def installed(arch: str = "x86_64", release: str = RELEASE) -> tuple[Package, ...]:
    """A base's packages for rpm's architecture `arch`: few, with the relations that real ones have."""
    lib = "()(64bit)"
    return (
        Package("filesystem", "3.14", "5.amzn2023", arch, files=_filesystem()),
        Package(
            "setup",
            "2.13.7",
            "3.amzn2023",
            "noarch",
            files={
                "etc/passwd": Item(PASSWD, flags=CONFIG | NOREPLACE),
                "etc/group": Item(GROUP, flags=CONFIG | NOREPLACE),
                "etc/shadow": Item(SHADOW, 0o000, flags=CONFIG | NOREPLACE),
                "etc/gshadow": Item(GSHADOW, 0o000, flags=CONFIG | NOREPLACE),
            },
        ),
        Package(
            "system-release",
            release,
            "1.amzn2023",
            "noarch",
            provides=(f"system-release(releasever) = {release}", "redhat-release"),
            files={
                "etc/os-release": link("../usr/lib/os-release"),
                "etc/system-release": Item(b"Amazon Linux release 2023 (Amazon Linux)\n"),
                "usr/lib/os-release": Item(OS_RELEASE),
            },
        ),
        Package(
            "glibc",
            "2.34",
            "117.amzn2023",
            arch,
            requires=("filesystem",),
            provides=(
                f"libc.so.6{lib}",
                "libc.so.6(GLIBC_2.34)(64bit)",
                f"libm.so.6{lib}",
                "rtld(GNU_HASH)",
                "/sbin/ldconfig",
            ),
            files={
                "etc/ld.so.conf": Item(b"include ld.so.conf.d/*.conf\n", flags=CONFIG),
                "etc/ld.so.cache": Item(b"", flags=GHOST),
                "etc/ld.so.conf.d": folder(),
                "usr/lib64/libm.so.6": program(b"the libm of " + arch.encode()),
                "usr/sbin/ldconfig": program(b"ldconfig"),
            },
            scripts={"post": ("/sbin/ldconfig", "")},
        ),
        Package(
            "bash",
            "5.2.15",
            "1.amzn2023",
            arch,
            provides=("/bin/sh", "/bin/bash"),
            requires=(f"libc.so.6{lib}",),
            files={"usr/bin/bash": program(b"#! a shell\n"), "usr/bin/sh": link("bash")},
        ),
        Package(
            "libcurl-minimal",
            "8.5.0",
            "1.amzn2023",
            arch,
            provides=(f"libcurl.so.4{lib}",),
            conflicts=("libcurl",),
            files={"usr/lib64/libcurl.so.4": program(b"libcurl, the small one")},
        ),
        Package(
            "curl-minimal",
            "8.5.0",
            "1.amzn2023",
            arch,
            provides=("curl = 8.5.0-1.amzn2023",),
            conflicts=("curl",),
            requires=(f"libcurl.so.4{lib}",),
            files={
                "usr/bin/curl": program(b"curl, the small one"),
                "usr/share/doc/curl-minimal": folder(),
                "usr/share/doc/curl-minimal/README": Item(b"read me", flags=2),
            },
        ),
        Package(
            "zlib",
            "1.2.11",
            "33.amzn2023",
            arch,
            provides=(f"libz.so.1{lib}",),
            files={
                "usr/lib64/libz.so.1": link("libz.so.1.2.11"),
                "usr/lib64/libz.so.1.2.11": program(b"libz, the old one"),
            },
        ),
    )


def _filesystem() -> dict[str, Item]:
    folders = ("etc", "opt", "usr", "usr/share", "var", "var/lib", "usr/libexec", "usr/share/doc", "usr/local")
    closed = ("usr/bin", "usr/lib", "usr/lib64", "usr/sbin")
    links = {name: link(f"usr/{name}") for name in ("bin", "lib", "lib64", "sbin")}
    return {
        **{name: folder() for name in folders},
        **{name: folder(0o555) for name in closed},
        **links,
        "var/run": link("../run"),
    }


def nodes(packages: Iterable[Package]) -> dict[str, Node]:
    """The packages' files as a layer has them; all owners are root."""
    made: dict[str, Node] = {}
    for package in packages:
        for path, item in package.sorted_files:
            if not item.flags & GHOST:
                made[path] = Node(item.data, item.mode, item.link)
    return dict(sorted(made.items()))


def with_database(
    packages: Mapping[str, Iterable[Package]], database_kind: str = "sqlite", **more: Mapping[str, bytes]
) -> dict[str, dict[str, Node]]:
    """The layer of packages and their database, by OCI's architecture; `more` are files besides, likewise."""
    made = {}
    for arch, all_held in packages.items():
        held, oci = tuple(all_held), OCI_ARCHES[arch]
        files = {"var/lib/rpm": bases.folder(), **database_files(held, database_kind)}
        made[oci] = {**nodes(held), **files, **{path: Node(data) for path, data in more.get(oci, {}).items()}}
    return made


def database_files(packages: tuple[Package, ...], kind: str = "sqlite") -> dict[str, Node]:
    """The database: `sqlite`, `logged` (the last package is in the write-ahead log alone) or `berkeley`."""
    if kind == "berkeley":
        return {database.BERKELEY: Node(database.berkeley(packages))}
    if kind == "sqlite":
        return {database.SQLITE: Node(database.sqlite(packages))}
    with tempfile.TemporaryDirectory() as folder:
        data, log = database.sqlite_with_log(packages[:-1], packages[-1:], Path(folder))
    return {
        database.SQLITE: Node(data),
        f"{database.SQLITE}-wal": Node(log),
        f"{database.SQLITE}-shm": Node(b""),
    }


def base(kind: str = "sqlite", packages: Mapping[str, Iterable[Package]] | None = None) -> StandIn:
    """A stand-in for AWS's base image with packages (by default `installed`) and a database of that kind."""
    return _base(kind, packages) if packages else _usual(kind)


@functools.cache
def _usual(kind: str) -> StandIn:
    return _base(kind, {arch: installed(arch) for arch in OCI_ARCHES})


def _base(kind: str, packages: Mapping[str, Iterable[Package]]) -> StandIn:
    return StandIn.make("docker" if kind == "berkeley" else "oci", also=with_database(packages, kind))
