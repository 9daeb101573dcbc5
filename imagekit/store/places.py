"""Which store a name means: `registry/repository:tag`, `oci:DIR`, `oci-archive:FILE`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final

from imagekit.oci.digest import Digest
from imagekit.oci.ports import Cache, Fetch, Fetched, Sink, Source
from imagekit.oci.reference import Reference, digest_in
from imagekit.store.access import Access
from imagekit.store.answers import Refused
from imagekit.store.cached import Brought, Cached, Offline
from imagekit.store.ecr import is_ecr
from imagekit.store.fetch import Downloads
from imagekit.store.hosts import Hosts
from imagekit.store.layout import Layout
from imagekit.store.registry import Registry
from imagekit.store.transport import Transport
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit.store.aws import Factory

LAYOUT: Final = "oci:"
ARCHIVE: Final = "oci-archive:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """A name of an image taken apart: which kind of store, where, and which image there."""

    kind: str
    place: str
    selector: str = ""

    @classmethod
    def parse(cls, text: str) -> Name:
        """What a person writes; raises InvalidFile. `oci:DIR` may end in `@sha256:…` or `:TAG`."""
        for kind in (LAYOUT, ARCHIVE):
            if text.startswith(kind):
                rest, at, digest = text.removeprefix(kind).partition("@")
                if at:
                    return cls(kind=kind, place=rest, selector=str(digest_in(digest, text)))
                head, colon, tag = rest.rpartition(":")
                if colon and "/" not in tag and head:
                    return cls(kind=kind, place=head, selector=tag)
                return cls(kind=kind, place=rest)
        reference = Reference.parse(text)
        return cls(kind="", place=reference.name, selector=reference.selector)


class Places:
    """Opens stores. `folder` is what paths in names are relative to; one transport and one set of logins for all."""

    def __init__(self, hosts: Hosts, cache: Cache, *, folder: str, offline: bool = False) -> None:
        self.hosts = hosts
        self._cache = cache
        self._folder = folder
        self.offline = offline
        self._sinks: dict[str, Sink] = {}

    def below(self, folder: str) -> Places:
        """The same with paths relative to another folder, sharing transport and logins."""
        other = Places(self.hosts, self._cache, folder=folder, offline=self.offline)
        other.__dict__["access"] = self.access
        return other

    @cached_property
    def access(self) -> Access:
        """The logins and the transport of this run; nothing is opened before the first request."""
        return Access(Transport(self.hosts))

    def source(self, text: str) -> tuple[Source, str]:
        """Where an image is read from, and the tag or digest in its name."""
        name = Name.parse(text)
        if name.kind == LAYOUT:
            return Layout.in_folder(self._path(name.place)), name.selector
        if name.kind == ARCHIVE:
            from imagekit.store import archive

            return archive.reading(self._path(name.place)), name.selector
        reference = Reference.parse(text)
        inner: Source = Offline(reference.name) if self.offline else Registry(reference, self.access, reads=True)
        return Cached(inner, self._cache), name.selector

    def shared(self, text: str) -> Registry:
        """A repository that is read, and asked what it has; nothing is remembered of it."""
        return Registry(Reference.parse(text), self.access, reads=True)

    def written(self, text: str) -> Source:
        """A repository as a push left it: the registry itself, never its mirror, and nothing remembered."""
        return Registry(Reference.parse(text), self.access)

    def sink(self, text: str) -> Sink:
        """The repository that an image is pushed to, one object a run; always the registry itself, never its mirror."""
        reference = Reference.parse(text)
        if reference.name not in self._sinks:
            self._sinks[reference.name] = Brought(Registry(reference, self.access))
        return self._sinks[reference.name]

    @cached_property
    def fetch(self) -> Fetch:
        """Files by URL, kept in the cache."""
        if self.offline:
            return _OfflineFetch(cache=self._cache)
        return Downloads(self.access.transport, self._cache, self.access.keyring)

    def is_immutable(self, reference: Reference) -> bool | None:
        """True when a tag may not be moved, None when its registry cannot be asked."""
        if not is_ecr(reference.registry):
            return None
        from imagekit.store.repositories import tag_mutability

        made = self._aws(reference.registry)
        return tag_mutability(reference.registry, reference.repository, reference.tag, made)

    def create_repository(self, text: str) -> str:
        """See that the repository of this name is there, and say how it comes to be; raises as `create` does."""
        from imagekit.store.repositories import create

        reference = Reference.parse(text)
        made = self._aws(reference.registry) if is_ecr(reference.registry) else None
        return create(reference.registry, reference.repository, made)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Within, a push that finds no repository says whether ECR has it in the region that AWS's tools are set to."""
        try:
            yield
        except Refused as error:
            registry, repository = error.repository or ("", "")
            if error.status == 404 and is_ecr(registry):
                from imagekit.store.repositories import elsewhere

                regions = (self.hosts.environment.get(name, "") for name in ("AWS_REGION", "AWS_DEFAULT_REGION"))
                if found := elsewhere(registry, repository, tuple(regions), self._aws(registry)):
                    error.hint = f"there is one at {found}/{repository}; {error.hint}"
            raise

    def _aws(self, registry: str) -> Factory | None:
        from imagekit.store.aws import factory_for

        return factory_for(registry, self.hosts.certificates(registry))

    def close(self) -> None:
        """Close all connections."""
        if "access" in self.__dict__:
            self.access.transport.close()

    def _path(self, text: str) -> str:
        return os.path.join(self._folder, text)


@dataclass(frozen=True, kw_only=True, slots=True)
class _OfflineFetch:
    """Only what is in the cache already."""

    cache: Cache

    def fetch(
        self, url: str, *, digest: Digest | None, size: int | None, named_by: str = "", limit: int | None = None
    ) -> Fetched:
        """The cached file; raises RemoteFailed when it is not there."""
        from imagekit.errors import RemoteFailed

        path = self.cache.blob(digest) if digest else None
        if path is None or digest is None:
            raise RemoteFailed(
                f"{url} is not in the cache, and --offline forbids the network",
                hint="run the command once without --offline",
            )
        return Fetched(path=path, digest=digest, size=os.path.getsize(path))
