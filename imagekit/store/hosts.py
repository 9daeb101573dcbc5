"""Where hosts are and how they are spoken to: mirrors, certificates, plain http. Never what an image holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, fields, replace
from typing import Any, Final, Self

from imagekit.errors import ImagekitError, InvalidFile, UsageError
from imagekit.spec.nearest import hint
from imagekit.store.guard import special
from imagekit.store.url import Url
from imagekit.values import dataclass
from imagekit.words import cleaned

#: Docker Hub goes by several names; its registry by one (docker.io itself serves no images).
HUB: Final = "docker.io"
HUB_REGISTRY: Final = "registry-1.docker.io"
_HUB_NAMES: Final = frozenset({HUB, "index.docker.io", HUB_REGISTRY})
_TABLES: Final = ("mirrors", "hosts")
_FORM: Final = "a mirror is HOST[:PORT]=HOST[:PORT][/PREFIX], such as public.ecr.aws=127.0.0.1:5000"


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """One table `[hosts."NAME"]`. `password_env` and `token_env` name variables; secrets stand in no file of ours."""

    ca: str = ""
    client_certificate: str = ""
    client_key: str = ""
    username: str = ""
    password_env: str = ""
    token_env: str = ""
    insecure: bool | None = None

    @property
    def speaks_tls(self) -> bool:
        """True when a certificate is named, or `insecure = false` is written."""
        return bool(self.ca or self.client_certificate) or self.insecure is False


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirror:
    """Where the reads of a host go instead; `prefix` comes before the path or repository, without slashes around."""

    authority: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Out of `HOST[:PORT][/PREFIX]`; raises an ImagekitError when that is no host."""
        authority, _, prefix = text.partition("/")
        return cls(authority=normal(_checked(authority)), prefix=Url.parse(f"https://h/{prefix}").target.strip("/"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificates:
    """Files to trust beside the system's (`bundle`: instead of them), and the client's certificate and key."""

    authorities: tuple[str, ...] = ()
    bundle: str = ""
    client: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A registry's address, and the `name` that people and their credentials call it by."""

    scheme: str
    authority: str
    name: str

    def url(self, target: str) -> Url:
        """The URL of `target`, which begins with a slash."""
        return Url.parse(f"{self.scheme}://{self.authority}{target}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hosts:
    """The settings of one run. `environment` is the process's, handed in; `answers_tls` asks a host on loopback."""

    mirrors: Mapping[str, Mirror] = field(default_factory=dict)
    hosts: Mapping[str, Host] = field(default_factory=dict)
    ca_file: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    certs_d: str = "/etc/docker/certs.d"
    file: str = "imagekit.toml"
    answers_tls: Callable[[str], bool] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def from_toml(cls, document: Mapping[str, Any], *, file: str, environment: Mapping[str, str]) -> Self:
        """Out of a parsed imagekit.toml; paths in it are relative to its folder. Raises InvalidFile."""
        _known(document, _TABLES, file, "the file", "tables")
        mirrors = _table(document.get("mirrors", {}), file, "[mirrors]")
        hosts = _table(document.get("hosts", {}), file, "[hosts]")
        return cls(
            mirrors={normal(host): _mirror(host, to, file) for host, to in mirrors.items()},
            hosts={
                normal(name): _host(name, _table(table, file, f'[hosts."{name}"]'), file, environment)
                for name, table in hosts.items()
            },
            environment=environment,
            file=file,
        )

    def given(self, *, mirrors: Sequence[str] = (), insecure: Sequence[str] = (), ca_file: str = "") -> Self:
        """These settings with the command line's over them: `HOST=MIRROR`, hosts without TLS, a CA bundle more."""
        hosts = dict(self.hosts)
        for name in insecure:
            _usable(name, "--insecure")
            hosts[normal(name)] = replace(hosts.get(normal(name), Host()), insecure=True)
        named = dict(_argument(text) for text in mirrors)
        return replace(
            self,
            mirrors={**self.mirrors, **named},
            hosts=hosts,
            ca_file=ca_file or self.ca_file,
        )

    def over(self, other: Hosts) -> Self:
        """These settings, and the other's where these say nothing of a host."""
        return replace(
            self,
            mirrors={**other.mirrors, **self.mirrors},
            hosts={**other.hosts, **self.hosts},
            ca_file=self.ca_file or other.ca_file,
        )

    def host(self, authority: str) -> Host:
        """What is set for a host, by `host:port`, else by host alone."""
        name = normal(authority)
        return self.hosts.get(name) or self.hosts.get(_without_port(name)) or Host()

    def is_plain(self, authority: str) -> bool:
        """True where no TLS is spoken: on loopback unless a certificate is set for it, and where `insecure` is set.

        `--ca-file` is for all hosts and says nothing of one: those on loopback are asked.
        """
        settings = self.host(authority)
        if settings.insecure is not None:
            return settings.insecure
        if special(_without_port(authority)) != "loopback":
            return False
        if settings.speaks_tls or os.path.isdir(self._folder(authority)):
            return False
        return not (self.ca_file and self.answers_tls and self.answers_tls(authority))

    def registry(self, name: str) -> Endpoint:
        """Where a registry is written to, and read from when no mirror is set for it."""
        authority = HUB_REGISTRY if normal(name) == HUB else normal(name)
        return Endpoint(scheme="http" if self.is_plain(authority) else "https", authority=authority, name=normal(name))

    def registry_for_reading(self, name: str, repository: str) -> tuple[Endpoint, str]:
        """Where a registry's repository is read from: the mirror's host and repository, where one is set."""
        mirror = self.mirrors.get(normal(name))
        if mirror is None:
            return self.registry(name), repository
        return self.registry(mirror.authority), "/".join(filter(None, (mirror.prefix, repository)))

    def mirrored(self, url: Url) -> Url:
        """Where a file is read from: below the mirror's prefix, where one is set for the URL's host."""
        mirror = self.mirrors.get(url.authority)
        if mirror is None:
            return url
        prefix = f"/{mirror.prefix}" if mirror.prefix else ""
        return self.registry(mirror.authority).url(f"{prefix}{url.target}")

    def certificates(self, authority: str) -> Certificates:
        """The files for a TLS connection to a host; raises InvalidFile for one that is named but missing."""
        settings, environment = self.host(authority), self.environment
        named = {
            f'`ca` of [hosts."{authority}"]': settings.ca,
            "--ca-file": self.ca_file,
            "AWS_CA_BUNDLE": environment.get("AWS_CA_BUNDLE", ""),
        }
        bundle = environment.get("SSL_CERT_FILE", "")
        client = (settings.client_certificate, settings.client_key or settings.client_certificate)
        found = self._docker_certificates(authority)
        for origin, path in {
            **named,
            "SSL_CERT_FILE": bundle,
            "client certificate": settings.client_certificate,
        }.items():
            if path and not os.path.isfile(path):
                raise InvalidFile(f"{origin} names {path}, which is no file", hint="correct the path, or unset it")
        return Certificates(
            authorities=(*dict.fromkeys(path for path in named.values() if path), *found.authorities),
            bundle=bundle,
            client=client if client[0] else found.client,
        )

    def _docker_certificates(self, authority: str) -> Certificates:
        """What Docker keeps for a registry: `*.crt` to trust, `X.cert` with `X.key` to show (docs, "certificates")."""
        folder = self._folder(authority)
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            return Certificates()
        pairs = [name for name in names if name.endswith(".cert") and f"{name[:-5]}.key" in names]
        first = os.path.join(folder, pairs[0]) if pairs else ""
        return Certificates(
            authorities=tuple(os.path.join(folder, name) for name in names if name.endswith(".crt")),
            client=(first, f"{first[:-5]}.key") if first else None,
        )

    def _folder(self, authority: str) -> str:
        return os.path.join(self.certs_d, authority)


def normal(authority: str) -> str:
    """A host's name as settings are looked up by: lower case, without https's port, Docker Hub by its one name."""
    name = authority.lower().removesuffix(":443")
    return HUB if name in _HUB_NAMES else name


def _without_port(authority: str) -> str:
    """The host alone, an IPv6 address without its brackets."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0] if authority.count(":") == 1 else authority


def _argument(text: str) -> tuple[str, Mirror]:
    host, equals, mirror = text.partition("=")
    if not equals:
        raise UsageError(f"not a mirror: {cleaned(text)!r}", hint=_FORM)
    _usable(host, "--mirror")
    try:
        return normal(host), Mirror.parse(mirror)
    except ImagekitError as error:
        raise UsageError(f"not a mirror: {cleaned(text)!r}", hint=_FORM) from error


def _usable(name: str, option: str) -> None:
    try:
        _checked(name)
    except ImagekitError as error:
        raise UsageError(f"{option} takes a host, not {cleaned(name)!r}", hint="write HOST or HOST:PORT") from error


def _mirror(host: str, to: object, file: str) -> Mirror:
    where = f"[mirrors] {cleaned(host)}"
    text = _text(to, file, where)
    try:
        _checked(host)
        return Mirror.parse(text)
    except ImagekitError as error:
        raise InvalidFile(f"{file}: {where} = {cleaned(text)!r} is not a mirror", hint=_FORM) from error


def _checked(authority: str) -> str:
    """The authority; raises an ImagekitError when it is not HOST or HOST:PORT."""
    if Url.parse(f"https://{authority}/").target != "/":
        raise UsageError(f"not a host: {cleaned(authority)!r}")
    return authority


def _host(name: str, table: Mapping[str, Any], file: str, environment: Mapping[str, str]) -> Host:
    where = f'[hosts."{cleaned(name)}"]'
    try:
        _checked(name)
    except ImagekitError as error:
        raise InvalidFile(f"{file}: {where} is not a host", hint="write HOST or HOST:PORT") from error
    _known(table, [item.name for item in fields(Host)], file, where, "keys")
    insecure = table.get("insecure")
    if insecure is not None and not isinstance(insecure, bool):
        raise InvalidFile(f"{file}: {where} insecure is true or false, not {cleaned(str(insecure))!r}")
    texts = {key: _text(value, file, f"{where} {key}") for key, value in table.items() if key != "insecure"}
    folder, home = os.path.dirname(file), environment.get("HOME", "")
    for key in ("ca", "client_certificate", "client_key"):
        if path := texts.get(key):
            inside = os.path.join(home, path[2:]) if home and path.startswith("~/") else path
            texts[key] = os.path.join(folder, inside)
    return Host(**texts, insecure=insecure)


def _table(value: object, file: str, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidFile(f"{file}: {where} is a table, not {cleaned(str(value))!r}")
    return value


def _text(value: object, file: str, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidFile(f"{file}: {where} is a text, not {cleaned(str(value))!r}")
    return value


def _known(table: Mapping[str, Any], words: Sequence[str], file: str, where: str, kind: str) -> None:
    for key in table:
        if key not in words:
            raise InvalidFile(f"{file}: {where} has the unknown key `{cleaned(key)}`", hint=hint(key, words, kind))
