"""`rpmbuild`, `rpmsign` and `createrepo_c`: RPM files and repositories as distributions make them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.support.commands import good
from tests.support.packages.debian import Deb
from tests.support.tools import need

PAYLOADS = {"zstd": "w3.zstdio", "xz": "w1.xzdio", "gzip": "w6.gzdio"}
_HEAD = """%define debug_package %{{nil}}
%define __os_install_post %{{nil}}
%define __check_files %{{nil}}
%define _build_id_links none
%define _binaries_in_noarch_packages_terminate_build 0
%define _binary_payload {payload}
Name: {name}
Version: 1
Release: 1
Summary: Only the packages below
License: free
%description
None of its own.
"""


@dataclass(frozen=True)
class Workshop:
    """A folder to build in. `settings` make rpm and gpg look there alone."""

    folder: Path
    name: str = "packager"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def settings(self) -> dict[str, str]:
        return {"HOME": str(self.home), "GNUPGHOME": str(self.home / "gnupg")}

    @property
    def key(self) -> bytes:
        """The armored key that packages are signed with."""
        return good(need("gpg"), "--armor", "--export", self.name, settings=self.settings).out.encode()

    @property
    def fingerprint(self) -> str:
        listed = good(need("gpg"), "--with-colons", "--list-keys", self.name, settings=self.settings).lines
        return next(line.split(":")[9] for line in listed if line.startswith("fpr:"))

    def __enter__(self) -> Workshop:
        """Write the settings and make the key: RSA, and one key for everything, as Amazon's is."""
        (self.home / "gnupg").mkdir(parents=True, mode=0o700)
        # Debian's rpm keeps its database in the user's home; other distributions' do not.
        macros = {"_dbpath": "/var/lib/rpm", "_topdir": self.folder / "build", "_gpg_name": self.name}
        macros |= {"_gpg_path": self.home / "gnupg", "__gpg": need("gpg"), "_buildshell": need("bash")}
        (self.home / ".rpmmacros").write_text("".join(f"%{name} {value}\n" for name, value in macros.items()))
        words = ("--batch", "--passphrase", "", "--quick-generate-key", self.name, "rsa2048", "sign", "never")
        good(need("gpg"), *words, settings=self.settings)
        return self

    def __exit__(self, *error: object) -> None:
        """End gpg's agent."""
        good(need("gpgconf"), "--kill", "all", settings=self.settings)

    def build(self, name: str, spec: str, arch: str, *definitions: str) -> list[Path]:
        """Build all packages of a spec file for an architecture."""
        path = self.folder / f"{name}-{arch}.spec"
        path.write_text(spec)
        target = self.folder / "made" / f"{name}-{arch}"
        words = ["-bb", "--quiet", "--target", f"{arch}-linux", "--define", f"_rpmdir {target}"]
        words += ["--define", f"_builddir {self.folder}", "--define", f"_buildrootdir {self.folder}/root-{name}-{arch}"]
        words += [word for definition in definitions for word in ("--define", definition)]
        good(need("rpmbuild"), *words, path, settings=self.settings, seconds=600)
        return sorted(target.rglob("*.rpm"))

    def repack(self, debs: Iterable[Deb], arch: str, payload: str) -> list[Path]:
        """Debian packages as RPM packages."""
        held = list(debs)
        sections = [deb.sections for deb in held]
        copies = "\n".join(f"cp -al {deb.folder}/. %{{buildroot}}/" for deb in held)
        head = _HEAD.format(payload=PAYLOADS[payload], name=f"debian-{payload}")
        spec = head + "".join(first for first, _ in sections) + f"%install\nmkdir -p %{{buildroot}}\n{copies}\n"
        return self.build(f"debian-{payload}", spec + "".join(last for _, last in sections), arch)

    def sign(self, packages: Iterable[Path]) -> None:
        """Sign packages in place."""
        good(need("rpmsign"), "--addsign", *packages, settings=self.settings, seconds=600)

    def index(self, packages: Iterable[Path], site: Path, arch: str, compression: str = "gz") -> str:
        """A repository of them in the shape of Amazon Linux 2023 below `site`; its path there."""
        store, names = site / "al2023/blobstore", []
        for package in packages:
            name = f"{hashlib.sha256(package.read_bytes()).hexdigest()}/{package.name}"
            (store / name).parent.mkdir(parents=True, exist_ok=True)
            if not (store / name).exists():
                os.link(package, store / name)
            names.append(name)
        guid = hashlib.sha256(f"{compression}{names}".encode()).hexdigest()
        root = site / f"al2023/core/guids/{guid}/{arch}"
        root.mkdir(parents=True)
        (self.folder / "list").write_text("\n".join(names))
        words = ("--quiet", "--no-database", "--workers=2", f"--general-compress-type={compression}")
        words += ("--location-prefix=../../../../blobstore/", f"--pkglist={self.folder / 'list'}")
        good(need("createrepo_c"), *words, f"--outputdir={root}", store, settings=self.settings)
        return f"/al2023/core/guids/{guid}/{arch}"

    def clean(self) -> None:
        """Take away what was only needed to build."""
        for pattern in ("root-*", "debs-*"):
            for path in self.folder.glob(pattern):
                shutil.rmtree(path)
