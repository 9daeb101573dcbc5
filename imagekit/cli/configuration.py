"""imagekit.toml and the places of things: where and how, never what; nothing here can change a digest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from imagekit.errors import InvalidFile, Missing

if TYPE_CHECKING:
    from imagekit.store.hosts import Hosts

_NAME: Final = "imagekit.toml"
#: Bytes of an imagekit.toml that are read.
_MAX_SIZE: Final = 1024 * 1024
#: Bytes of a CA file in which a certificate has to be.
_MAX_AUTHORITIES: Final = 1024 * 1024
#: How certificates begin in PEM (RFC 7468, section 5), and in OpenSSL's own form with trust settings.
_CERTIFICATE: Final = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----")


def cache_folder(environment: Mapping[str, str]) -> str:
    """The cache's default place (XDG Base Directory Specification, 0.8); raises Missing without a home."""
    base = _xdg("XDG_CACHE_HOME", ".cache", environment)
    if not base:
        raise Missing("there is no place for the cache: HOME is not set", hint="set HOME or IMAGEKIT_CACHE_DIR")
    return os.path.join(base, "imagekit")


def read_hosts(folder: str, environment: Mapping[str, str]) -> Hosts:
    """What the imagekit.toml nearest above `folder` says of hosts, over what the user's own says."""
    from imagekit.store.hosts import Hosts

    hosts = Hosts(environment=environment)
    for path in dict.fromkeys(_files(folder, environment)):
        hosts = hosts.over(Hosts.from_toml(_read(path), file=path, environment=environment))
    return hosts


def check_authorities(path: str) -> None:
    """Raise InvalidFile when a `--ca-file` is no file with certificates, whether or not TLS will be spoken."""
    from imagekit.gather import regular

    try:
        data = regular.read(path, _MAX_AUTHORITIES)
    except OSError as error:
        raise InvalidFile(f"--ca-file {path} cannot be read: {error.strerror}", hint="correct the path") from error
    if not _CERTIFICATE.search(data):
        raise InvalidFile(
            f"--ca-file {path} holds no certificate", hint="it has to be a file in PEM format (BEGIN CERTIFICATE)"
        )


def _files(folder: str, environment: Mapping[str, str]) -> Iterator[str]:
    """The files that count, nearest first."""
    while True:
        path = os.path.join(folder, _NAME)
        if os.path.lexists(path):
            yield path
            break
        above = os.path.dirname(folder)
        if above == folder:
            break
        folder = above
    base = _xdg("XDG_CONFIG_HOME", ".config", environment)
    own = os.path.join(base, "imagekit", _NAME)
    if base and os.path.lexists(own):
        yield own


def _read(path: str) -> dict[str, Any]:
    import tomllib

    from imagekit.gather import regular

    try:
        data = regular.read(path, _MAX_SIZE)
        if len(data) > _MAX_SIZE:
            raise InvalidFile(f"{path} is larger than {_MAX_SIZE} bytes")
        return tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise InvalidFile(f"{path} cannot be read: {error.strerror}", hint="mend it, or remove it") from error
    except ValueError as error:
        raise InvalidFile(f"{path} is not TOML: {error}", hint="the error names the line and column to mend") from error
    except RecursionError as error:
        raise InvalidFile(f"{path} is nested too deeply") from error


def _xdg(variable: str, below_home: str, environment: Mapping[str, str]) -> str:
    """A base folder; "All paths must be absolute", others are ignored."""
    named = environment.get(variable, "")
    if os.path.isabs(named):
        return named
    home = environment.get("HOME", "")
    return os.path.join(home, below_home) if os.path.isabs(home) else ""
