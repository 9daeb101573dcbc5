"""A small package repository in the shape of Amazon Linux 2023, for both architectures."""

from __future__ import annotations

import functools
from dataclasses import replace

from tests.support.packages.package import (
    CONFIG,
    DOC,
    LICENSE,
    NOREPLACE,
    Item,
    Package,
    Trigger,
    folder,
    link,
    program,
)
from tests.support.packages.repository import Advisory, Repository
from tests.support.packages.signing import Key

_SYSUSERS = (
    b'#Type Name ID GECOS Home Shell\ng nginx 991\nu nginx 991:991 "nginx server" /var/lib/nginx /sbin/nologin\n'
)


@functools.cache
def packages(arch: str, signed_by: Key | None = None) -> tuple[Package, ...]:
    """What the repository offers for rpm's architecture `arch`."""
    made = (*_tools(arch), *_libraries(arch), *_services(arch), *_replacements(arch), *_broken(arch))
    if arch == "x86_64":
        made += (Package("only-x86", "1.0", "1.amzn2023", arch, files={"usr/bin/only": program(b"x86")}),)
    return tuple(replace(package, signed_by=signed_by) for package in made)


def advisories(arch: str, signed_by: Key | None = None) -> tuple[Advisory, ...]:
    """What the repository says about them: zlib's newer version repairs something, libcurl's is a feature."""
    by_name = {package.name: package for package in packages(arch, signed_by)}
    return (
        Advisory("ALAS2023-2026-101", (by_name["zlib"],), "Critical", cves=("CVE-2026-1000", "CVE-2026-1001")),
        Advisory("ALAS2023-2026-102", (by_name["libcurl-minimal"],), "Low", kind="bugfix"),
    )


def repository(arch: str, signed_by: Key | None = None, compression: str = "gz") -> Repository:
    """The repository for rpm's architecture `arch`."""
    return Repository(packages(arch, signed_by), advisories(arch, signed_by), compression)


def repositories(signed_by: Key | None = None) -> dict[str, Repository]:
    """Both, by rpm's architecture."""
    return {arch: repository(arch, signed_by) for arch in ("x86_64", "aarch64")}


def _library(name: str, soname: str, arch: str, version: str = "1.0", **more: object) -> Package:
    """A library as rpmbuild packs it: a file named in full, a link by its soname, licence and page."""
    full = f"{soname}.{version}"
    package = Package(
        name,
        version,
        "2.amzn2023",
        arch,
        provides=(f"{soname}()(64bit)",),
        requires=("libc.so.6()(64bit)",),
        files={
            f"usr/lib64/{full}": program(f"{soname} of {arch}".encode()),
            f"usr/lib64/{soname}": link(full),
            f"usr/share/licenses/{name}": folder(),
            f"usr/share/licenses/{name}/COPYING": Item(b"MIT\n", flags=LICENSE),
        },
    )
    return replace(package, **more)  # type: ignore[arg-type]


def _tools(arch: str) -> tuple[Package, ...]:
    return (
        Package(
            "jq",
            "1.7.1",
            "49.amzn2023",
            arch,
            requires=("libonig.so.5()(64bit)", "libc.so.6()(64bit)"),
            recommends=("jq-completion",),
            files={
                "usr/bin/jq": program(b"jq of " + arch.encode()),
                "usr/share/doc/jq": folder(),
                "usr/share/doc/jq/README.md": Item(b"# jq\n", flags=DOC),
                "usr/share/man/man1/jq.1.gz": Item(b"a page", flags=DOC),
            },
        ),
        Package(
            "jq",
            "1.6",
            "10.amzn2023",
            arch,
            requires=("libonig.so.5()(64bit)",),
            files={"usr/bin/jq": program(b"jq 1.6")},
        ),
        Package("jq-completion", "1.0", "1.amzn2023", "noarch", files={"usr/share/bash-completion/jq": Item(b"x")}),
        Package(
            "php8.4-cli",
            "8.4.2",
            "1.amzn2023",
            arch,
            source="php8.4",
            requires=("php8.4-common(x) = 8.4.2-1.amzn2023", "libicuuc.so.67()(64bit)"),
            recommends=("php8.4-opcache",),
            files={"usr/bin/php8.4": program(b"php of " + arch.encode()), "usr/bin/php": link("php8.4")},
        ),
        Package(
            "php8.4-common",
            "8.4.2",
            "1.amzn2023",
            arch,
            source="php8.4",
            provides=("php8.4-common(x) = 8.4.2-1.amzn2023",),
            files={"etc/php.ini": Item(b"[PHP]\n", flags=CONFIG | NOREPLACE), "etc/php.d": folder()},
        ),
        Package("php8.4-opcache", "8.4.2", "1.amzn2023", arch, files={"etc/php.d/10-opcache.ini": Item(b"zend\n")}),
    )


def _libraries(arch: str) -> tuple[Package, ...]:
    caches = Trigger("transaction", "/sbin/ldconfig", ("/usr/lib64",), program="/sbin/ldconfig")
    return (
        _library("oniguruma", "libonig.so.5", arch, "6.9.7.1"),
        replace(_library("libicu", "libicuuc.so.67", arch, "67.1"), compressor="xz", triggers=(caches,)),
        replace(_library("zlib", "libz.so.1", arch, "1.2.13"), scripts={"post": ("/sbin/ldconfig", "")}),
        _library("libcurl-minimal", "libcurl.so.4", arch, "8.11.1", conflicts=("libcurl",)),
        replace(
            _library("mariadb-connector", "libmariadb.so.3", arch),
            files={
                "etc/ld.so.conf.d/mariadb.conf": Item(b"/usr/lib64/mariadb\n", flags=CONFIG),
                "usr/lib64/mariadb": folder(),
                "usr/lib64/mariadb/libmariadb.so.3": program(b"not ELF"),
            },
        ),
    )


def _services(arch: str) -> tuple[Package, ...]:
    return (
        Package(
            "nginx",
            "1.26.2",
            "1.amzn2023",
            arch,
            epoch=1,
            files={
                "usr/sbin/nginx": program(b"nginx"),
                "usr/lib/sysusers.d": folder(),
                "usr/lib/sysusers.d/nginx.conf": Item(_SYSUSERS),
                "var/lib/nginx": Item(None, 0o770, user="nginx", group="root"),
                "etc/nginx": folder(),
                "etc/nginx/nginx.conf": Item(b"worker_processes auto;\n", flags=CONFIG | NOREPLACE),
            },
            compressor="gzip",
        ),
        Package(
            "ping",
            "1.0",
            "1.amzn2023",
            arch,
            files={
                "bin/ping": Item(b"ping", 0o755, capabilities="cap_net_raw=ep"),
                "usr/bin/su-like": program(b"setuid", 0o4755),
                "usr/bin/write": Item(b"setgid", 0o2755, group="tty"),
                "usr/share/one/name": Item(b"the same bytes", same="a"),
                "usr/share/other/name": Item(b"the same bytes", same="a"),
            },
            compressor="bzip2",
        ),
        Package("strange", "1.0", "1.amzn2023", arch, scripts={"post": ("/bin/sh", "/usr/bin/strange --register\n")}),
    )


def _replacements(arch: str) -> tuple[Package, ...]:
    """`curl` and `libcurl`, which the minimal ones of the base conflict with; and a rename."""
    return (
        Package(
            "curl",
            "8.11.1",
            "1.amzn2023",
            arch,
            requires=("libcurl = 8.11.1-1.amzn2023",),
            conflicts=("curl-minimal",),
            files={"usr/bin/curl": program(b"curl, the large one")},
        ),
        Package(
            "libcurl",
            "8.11.1",
            "1.amzn2023",
            arch,
            provides=("libcurl.so.4()(64bit)",),
            conflicts=("libcurl-minimal",),
            files={"usr/lib64/libcurl.so.4": program(b"libcurl, the large one")},
        ),
        Package("new-name", "2.0", "1.amzn2023", "noarch", obsoletes=("old-name < 2.0",), provides=("old-name = 2.0",)),
    )


def _broken(arch: str) -> tuple[Package, ...]:
    return (
        Package("needs-nothing-there", requires=("nowhere.so.1()(64bit)",), arch=arch),
        Package("this", conflicts=("that",), arch=arch, files={"usr/share/both": Item(b"this")}),
        Package("that", arch=arch, files={"usr/share/both": Item(b"that")}),
        Package("those", arch=arch, files={"usr/share/both": Item(b"those")}),
        Package("by-path", requires=("/usr/share/one/name",), arch=arch),
    )
