"""Logins that other tools keep in files: Docker's config.json, podman's auth.json, ~/.netrc.

Docker: docs.docker.com, "docker login"; podman: containers-auth.json(5). Keys are hosts, URLs, or hosts with a path.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any, Final, Self

from imagekit.store.hosts import normal
from imagekit.store.secret import Credential, Kind, Secret
from imagekit.values import dataclass

logger = logging.getLogger(__name__)

_LARGEST: Final = 1024 * 1024
#: The name that Docker's tools keep Docker Hub's login under.
HUB_SERVER: Final = "https://index.docker.io/v1/"


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginFile:
    """One file: entries and helpers by key, and the helper for all others."""

    path: str
    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    helpers: Mapping[str, str] = field(default_factory=dict)
    store: str = ""

    @classmethod
    def read(cls, path: str) -> Self:
        """The file, empty when there is none; one that cannot be read is warned of and counts as empty."""
        try:
            with open(path, "rb") as file:
                document = json.loads(file.read(_LARGEST))
        except FileNotFoundError:
            return cls(path=path)
        except (OSError, ValueError, RecursionError) as error:
            logger.warning("the logins in %s are not used: %s", path, error)
            return cls(path=path)
        fields = _mapping(document)
        store = fields.get("credsStore")
        helpers = _mapping(fields.get("credHelpers"))
        return cls(
            path=path,
            entries={_key(key): _mapping(value) for key, value in _mapping(fields.get("auths")).items()},
            helpers={_key(key): value for key, value in helpers.items() if isinstance(value, str)},
            store=store if isinstance(store, str) else "",
        )

    def credential(self, registry: str, repository: str) -> Credential | None:
        """The login written for the repository, else for what it is in, else for the registry."""
        for key in _keys(registry, repository):
            if found := self._entry(key):
                return found
        return None

    def helper(self, registry: str, repository: str) -> str:
        """The name of the credential helper for it, if any."""
        keys = _keys(registry, repository)
        return next((self.helpers[key] for key in keys if key in self.helpers), self.store)

    def _entry(self, key: str) -> Credential | None:
        entry = self.entries.get(key, {})
        texts: dict[str, str] = {name: value for name, value in entry.items() if isinstance(value, str) and value}
        username, password = texts.get("username", ""), texts.get("password", "")
        if "auth" in texts:
            username, password = _decoded(texts["auth"])
        if "identitytoken" in texts:
            return self._made(Kind.IDENTITY, texts["identitytoken"], username)
        if "registrytoken" in texts:
            return self._made(Kind.BEARER, texts["registrytoken"], "")
        return self._made(Kind.BASIC, password, username) if username else None

    def _made(self, kind: Kind, secret: str, username: str) -> Credential:
        return Credential(origin=self.path, kind=kind, secret=Secret(secret), username=username)


def login_files(environment: Mapping[str, str]) -> Iterator[str]:
    """Where logins may be, the most explicit first."""
    home = environment.get("HOME") or "/nonexistent"
    if path := environment.get("REGISTRY_AUTH_FILE"):
        yield path
    yield os.path.join(environment.get("DOCKER_CONFIG") or os.path.join(home, ".docker"), "config.json")
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        yield os.path.join(runtime, "containers", "auth.json")
    yield os.path.join(environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "containers", "auth.json")


def from_netrc(environment: Mapping[str, str], host: str) -> Credential | None:
    """The login for a host in ~/.netrc. Its `default` entry is not used: it is for no host in particular."""
    import netrc

    path = os.path.join(environment.get("HOME", ""), ".netrc")
    try:
        found = netrc.netrc(path).hosts.get(host) if os.path.isabs(path) else None
    except FileNotFoundError:
        return None
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError) as error:
        logger.warning("%s is not used: %s", path, getattr(error, "msg", "it cannot be read"))
        return None
    if not found or not found[2]:
        return None
    return Credential(origin=path, username=found[0] or "", secret=Secret(found[2]))


def server_name(registry: str) -> str:
    """What a credential helper knows a registry by."""
    return HUB_SERVER if registry == normal(HUB_SERVER.split("/")[2]) else registry


def _keys(registry: str, repository: str) -> Iterator[str]:
    """`registry/a/b`, `registry/a`, `registry`."""
    parts = [part for part in repository.split("/") if part]
    for count in range(len(parts), -1, -1):
        yield "/".join([registry, *parts[:count]])


def _key(text: str) -> str:
    """A key in one form: no scheme, no API version, the registry's one name."""
    host, _, path = re.sub(r"^https?://", "", text).partition("/")
    return "/".join([normal(host), *(part for part in path.split("/") if part and part not in ("v1", "v2"))])


def _decoded(text: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(text, validate=False).decode("utf-8").partition(":")
    except ValueError:
        return "", ""
    return (username, password.rstrip("\0")) if colon else ("", "")


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}
