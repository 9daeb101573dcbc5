"""What a package repository says of its packages: mirror list, repomd.xml, and the lists that it names by checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import urljoin, urlsplit

from imagekit.errors import InvalidFile, RemoteFailed, WrongChecksum
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Fetch, Fetched
from imagekit.packages import PackageRepository
from imagekit.rpm.repomd import Record, Repomd
from imagekit.values import dataclass

_MAX_LIST: Final = 1 << 20
_MAX_REPOMD: Final = 16 << 20
_MAX_SIGNATURE: Final = 1 << 20
#: Of one compressed list; Fedora's file lists have a hundred million bytes.
_MAX_RECORD: Final = 1 << 30
#: What a server answers for what it does not have.
_NOT_FOUND: Final = 404
#: Mirrors of one list that are tried.
_MIRRORS: Final = 5
#: Checksums that nobody can make two files for.
_STRONG: Final = frozenset({"sha224", "sha256", "sha384", "sha512"})
_Found = TypeVar("_Found")


@dataclass(frozen=True, kw_only=True, slots=True)
class Repodata:
    """A package repository as it is now. `url` is the folder that it was read from, which ends in a slash."""

    repository: PackageRepository
    url: str
    repomd: Repomd
    digest: Digest

    def href(self, href: str, base: str = "") -> str:
        """The URL of a file that the repository names; raises RemoteFailed for one on another host."""
        try:
            url = urljoin(urljoin(self.url, base), href)
            there, here = urlsplit(url), urlsplit(self.url)
            stays = (there.scheme, there.netloc) == (here.scheme, here.netloc)
        except ValueError:
            url, stays = href, False
        if not stays or not url.isprintable() or " " in url:
            raise RemoteFailed(
                f"the package repository {self.repository.name} names a file at another place: {url[:200]!r}",
                hint="do not trust this repository or the proxy before it",
            )
        return url


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """One of a repository's lists on this disk. `open_size` is how many bytes it has when it is unpacked, as the
    repository says; None where it does not.
    """

    path: str
    digest: Digest
    open_size: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """Reads repositories; `verify` looks at the signature of a repomd.xml where one is asked for."""

    fetch: Fetch
    verify: Callable[[PackageRepository, bytes, bytes], None]

    def read(self, repository: PackageRepository) -> Repodata:
        """The repository as it is now, from the first of its mirrors that answers; raises RemoteFailed."""
        try:
            if repository.baseurl:
                return self._at(repository, repository.baseurl, "")
            return _first(self._mirrors(repository), lambda url: self._at(repository, url, repository.mirrorlist))
        except RemoteFailed as error:
            if getattr(error, "status", None) != _NOT_FOUND:
                raise
            key = "baseurl" if repository.baseurl else "mirrorlist"
            raise RemoteFailed(
                error.message,
                hint=f"check `{key}` and `release` of the package repository {repository.name}",
                place=repository.place,
            ) from error

    def record(self, found: Repodata, kind: str) -> Listed | None:
        """One of its lists; None when it has none of this kind. Raises WrongChecksum, RemoteFailed."""
        record = found.repomd.record(kind)
        return self._record(found, record) if record else None

    def _mirrors(self, repository: PackageRepository) -> list[str]:
        url = repository.mirrorlist
        data = _bytes(self.fetch.fetch(url, digest=None, size=None, limit=_MAX_LIST))
        lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
        found = [line for line in lines if line and not line.startswith("#")][:_MIRRORS]
        if not found or any("://" not in line or "<" in line for line in found):
            raise RemoteFailed(
                f"{url} is no list of mirrors", hint="check `mirrorlist`; metalinks are not read, name a `baseurl`"
            )
        return found

    def _at(self, repository: PackageRepository, url: str, named_by: str) -> Repodata:
        url = url if url.endswith("/") else f"{url}/"
        source = f"{url}repodata/repomd.xml"
        data = _bytes(self.fetch.fetch(source, digest=None, size=None, named_by=named_by, limit=_MAX_REPOMD))
        if repository.checks_metadata:
            signature = self.fetch.fetch(
                f"{source}.asc", digest=None, size=None, named_by=named_by, limit=_MAX_SIGNATURE
            )
            self.verify(repository, data, _bytes(signature))
        found = Repodata(repository=repository, url=url, repomd=Repomd.from_bytes(data, source), digest=Digest.of(data))
        if found.repomd.record("primary") is None:
            raise RemoteFailed(f"{source} names no list of packages", hint="check the repository's URL")
        return found

    def _record(self, found: Repodata, record: Record) -> Listed:
        url = found.href(record.href)
        if record.checksum.algorithm not in _STRONG:
            raise WrongChecksum(f"{url} is known by its {record.checksum.algorithm} alone, which anyone can forge")
        fetched = self.fetch.fetch(
            url, digest=record.checksum.digest, size=record.size, named_by=found.url, limit=_MAX_RECORD
        )
        if record.checksum.digest is None:
            with open(fetched.path, "rb") as file:
                content = hashlib.file_digest(file, record.checksum.algorithm).hexdigest()
            if content != record.checksum.hex:
                raise WrongChecksum(f"{url} has another checksum: expected {record.checksum.hex}, got {content}")
        return Listed(path=fetched.path, digest=fetched.digest, open_size=record.open_size)


def _first(urls: list[str], read: Callable[[str], _Found]) -> _Found:
    """From the first URL that answers; raises what the last one said."""
    for url in urls[:-1]:
        try:
            return read(url)
        except (RemoteFailed, InvalidFile):
            continue  # the next mirror has the same; what the last one says is told
    return read(urls[-1])


def _bytes(fetched: Fetched) -> bytes:
    with open(fetched.path, "rb") as file:
        return file.read()
