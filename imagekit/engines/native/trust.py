"""The OpenPGP keys that packages and package repositories are signed with: named by fingerprint, had by URL or file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Final

from imagekit.errors import BuildFailed, InvalidFile, RemoteFailed
from imagekit.lock_packages import LockedKey, LockedPackage, LockedRepository
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Fetch
from imagekit.packages import PackageRepository
from imagekit.placed import At
from imagekit.rootfs.root import inside
from imagekit.rpm.package import Package
from imagekit.rpm.signature import Certificates, verify
from imagekit.spec.syntax import is_url
from imagekit.values import dataclass

#: Bytes of a file of keys; a distribution's whole keyring has a hundred thousand.
_MAX_KEYS: Final = 4 << 20
#: What a server answers for what it does not have.
_NOT_FOUND: Final = 404


@dataclass(frozen=True, kw_only=True, slots=True)
class Trusted:
    """The keys of one repository: for the lock, and to verify with."""

    keys: tuple[LockedKey, ...] = ()
    certificates: Certificates = field(default_factory=lambda: Certificates(certificates=()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """Gets keys by `fetch`, or from files below `root`."""

    fetch: Fetch
    root: str

    def of(self, repository: PackageRepository) -> Trusted:
        """The trusted keys of a repository.

        Raises BuildFailed when one that is trusted by its fingerprint is not among them, InvalidFile for a file
        without keys.
        """
        keys: dict[str, LockedKey] = {}
        certificates = []
        for source in repository.keys:
            with At(repository.place):
                data, digest = self._read(source)
                found = Certificates.from_bytes(data, source)
            if repository.fingerprints:
                found = found.only(repository.fingerprints)
            for name, certificate in zip(found.fingerprints, found.certificates, strict=True):
                if name not in keys:
                    keys[name] = LockedKey(fingerprint=name, url=source, digest=digest)
                    certificates.append(certificate)
        lacking = sorted(set(repository.fingerprints) - keys.keys())
        if lacking or not keys:
            raise BuildFailed(
                f"the keys of the package repository {repository.name} do not include {', '.join(lacking) or 'any'}",
                hint="somebody changed the key: find out who before you take another fingerprint over",
                place=repository.place,
            )
        return Trusted(keys=tuple(keys.values()), certificates=Certificates(certificates=tuple(certificates)))

    def locked(self, repository: LockedRepository) -> Certificates:
        """The keys that a lock names; raises WrongChecksum, BuildFailed when they are other ones now."""
        found: list[Certificates] = []
        for key in repository.keys:
            data, digest = self._read(key.url, key.digest)
            mine = Certificates.from_bytes(data, key.url).only([key.fingerprint])
            if digest != key.digest or not mine.certificates:
                raise BuildFailed(
                    f"{key.url} is not the key {key.fingerprint} that was locked",
                    hint="put the old file back, or run `imagekit lock` and look at the difference",
                )
            found.append(mine)
        return Certificates(certificates=tuple(one for mine in found for one in mine.certificates))

    def _read(self, source: str, digest: Digest | None = None) -> tuple[bytes, Digest]:
        if is_url(source):
            path = self._fetched(source, digest)
        else:
            path = os.path.realpath(os.path.join(self.root, source))
            inside(self.root, path, source, None)
        try:
            with open(path, "rb") as file:
                data = file.read(_MAX_KEYS + 1)
        except OSError as error:
            absent = isinstance(error, FileNotFoundError | NotADirectoryError)
            hint = "paths are relative to `root`; correct it" if absent else "`gpgkey` names a file that can be read"
            raise InvalidFile(f"{source}: {error.strerror}", hint=hint) from error
        if len(data) > _MAX_KEYS:
            raise InvalidFile(f"{source} has more than {_MAX_KEYS:,} bytes; this is no key")
        return data, Digest.of(data)

    def _fetched(self, source: str, digest: Digest | None) -> str:
        try:
            return self.fetch.fetch(source, digest=digest, size=None, limit=_MAX_KEYS).path
        except RemoteFailed as error:
            if getattr(error, "status", None) != _NOT_FOUND:
                raise
            raise RemoteFailed(error.message, hint="check `gpgkey`: there is no key at its URL") from error


def check(locked: LockedPackage, path: str, trusted: Mapping[str, Certificates]) -> None:
    """Raise WrongSignature for a package that no key of its repository signed, BuildFailed for one that is another.

    `trusted` are the keys by repository; what is in none of them is not asked for a signature.
    """
    with open(path, "rb") as file:
        package = Package.read(file, locked.nevra)
        if str(package.header.nevra) != locked.nevra:
            raise BuildFailed(
                f"{locked.url} is the package {package.header.nevra}, not {locked.nevra}",
                hint="the package repository is inconsistent: try again later, or another mirror",
            )
    certificates = trusted.get(locked.repository)
    if certificates:
        check_signature(locked.nevra, path, certificates)


def check_signature(source: str, path: str, certificates: Certificates) -> None:
    """Raise WrongSignature, naming `source`, for a package that none of the certificates signed."""
    with open(path, "rb") as file:
        package = Package.read(file, source)

        def payload() -> bytes:
            file.seek(package.payload_offset)
            return file.read()

        verify(package, certificates, payload)
