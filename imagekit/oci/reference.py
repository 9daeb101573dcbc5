"""A reference: registry, repository, tag and digest of an image (distribution-spec, "Pulling manifests")."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final, Self

from imagekit.errors import InvalidFile
from imagekit.oci.digest import Digest
from imagekit.values import dataclass

DOCKER_HUB: Final = "docker.io"
_REPOSITORY: Final = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_REGISTRY: Final = re.compile(
    r"(?:\[[0-9a-fA-F:]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*)(?::[0-9]{1,5})?"
)
TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST_LIKE: Final = re.compile(r"sha[0-9]+:[^/]*", re.IGNORECASE)
_LAST_PORT: Final = 65535
_FORM: Final = "a reference is registry/repository:tag or registry/repository@sha256:…, the repository in lower case"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """Where an image is. Neither tag nor digest: a repository."""

    registry: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """What a person writes; a name without a registry is Docker Hub's. Raises InvalidFile."""
        _refuse_user(text)
        rest, at, digest = text.partition("@")
        head, slash, tail = rest.partition("/")
        if slash and (head == "localhost" or any(mark in head for mark in ".:[")):
            registry, path = head, tail
        else:
            registry, path = DOCKER_HUB, rest
        repository, colon, tag = path.partition(":")
        if registry == DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}"
        return cls(
            registry=_registry(registry, text),
            repository=_matching(_REPOSITORY, repository, text),
            tag=_matching(TAG, tag, text) if colon else "",
            digest=digest_in(digest, text) if at else None,
        )

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    @property
    def selector(self) -> str:
        """What a registry is asked for: the digest, else the tag, else `latest`."""
        return str(self.digest) if self.digest else self.tag or "latest"

    def at(self, digest: Digest) -> Self:
        """This repository at a digest, without a tag."""
        return replace(self, tag="", digest=digest)

    def tagged(self, tag: str) -> Self:
        """This repository under a tag, without a digest; raises InvalidFile."""
        return replace(self, tag=_matching(TAG, tag, f"{self.name}:{tag}"), digest=None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}@{self.digest}" if self.digest else f"{self.name}{tag}"


def _refuse_user(text: str) -> None:
    """Raise InvalidFile where something but a digest follows an `@`: what stands before may be a password, untold."""
    before, at, after = text.rpartition("@")
    name = before if at and _DIGEST_LIKE.fullmatch(after) else text
    if "@" not in name:
        return
    host = name.rpartition("@")[2].partition("/")[0]
    logging_in = f"log in with `docker login {host}`" if _REGISTRY.fullmatch(host) else "log in with `docker login`"
    raise InvalidFile(
        f"not an image reference: '…@{name.rpartition('@')[2][:200]}' has user info, or an `@` without a digest",
        hint=f"credentials stand in no name, {logging_in}; {_FORM}",
    )


def _registry(text: str, whole: str) -> str:
    registry = _matching(_REGISTRY, text, whole)
    port = registry.rpartition("]")[2].partition(":")[2]
    if port and not 0 < int(port) <= _LAST_PORT:
        raise InvalidFile(f"not an image reference: {whole[:300]!r} (there is no port {port})", hint=_FORM)
    return registry


def _matching(pattern: re.Pattern[str], part: str, whole: str) -> str:
    if len(part) > 255 or not pattern.fullmatch(part):
        raise InvalidFile(f"not an image reference: {whole[:300]!r} ({part[:100]!r} does not fit)", hint=_FORM)
    return part


def digest_in(text: str, whole: str) -> Digest:
    """The digest that a person wrote in the name `whole`; raises InvalidFile."""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", text):
        raise InvalidFile(f"not an image reference: {whole[:300]!r} (the digest does not fit)", hint=_FORM)
    return Digest.parse(text)
