"""Where credentials come from: settings, other tools' login files, their helpers, ~/.netrc, AWS.

This is the module that runs credential helpers (github.com/docker/docker-credential-helpers, "Development").
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from imagekit.errors import InvalidFile
from imagekit.store.ecr import PUBLIC, expiry, is_ecr
from imagekit.store.hosts import Hosts, normal
from imagekit.store.loginfiles import LoginFile, from_netrc, login_files, server_name
from imagekit.store.secret import Credential, Kind, Secret
from imagekit.words import cleaned

logger = logging.getLogger(__name__)

#: Seconds that a credential helper gets.
HELPER_TIME: Final = 30.0
_HELPER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: The user name by which a helper says that the secret is an OAuth2 refresh token.
_TOKEN_USER: Final = "<token>"
_NOT_FOUND: Final = "credentials not found"


class Keyring:
    """The credentials of one run; thread-safe. What was found is kept, what failed is warned of once."""

    def __init__(
        self,
        hosts: Hosts,
        *,
        ecr: Callable[[str], Credential | None] | None = None,
        helper_time: float = HELPER_TIME,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._hosts = hosts
        self._ecr = ecr or self._from_aws
        self._helper_time = helper_time
        self._now = now
        self._lock = threading.RLock()
        self._files: tuple[LoginFile, ...] | None = None
        self._helped: dict[tuple[str, str], Credential | None] = {}
        self._aws: dict[str, Credential | None] = {}
        self._ended: set[str] = set()

    def find(self, registry: str, repository: str, *, writes: bool) -> Credential | None:
        """Who we are to a registry: the first that is set or kept for it; nothing is no error."""
        with self._lock:
            return (
                self.configured(registry)
                or self._unexpired(normal(registry), self._kept(normal(registry), repository))
                or from_netrc(self._hosts.environment, _host(registry))
                or self._of_aws(normal(registry), writes=writes)
            )

    def for_url(self, authority: str) -> Credential | None:
        """Who we are to a host that files are fetched from: the settings or ~/.netrc, never a registry's login."""
        return self.configured(authority) or from_netrc(self._hosts.environment, _host(authority))

    def forget(self, registry: str) -> None:
        """A registry refused what was found: helpers and AWS are asked anew."""
        with self._lock:
            server = server_name(normal(registry))
            self._helped = {key: value for key, value in self._helped.items() if key[1] != server}
            self._aws.pop(normal(registry), None)

    def configured(self, authority: str) -> Credential | None:
        """What `[hosts."…"]` says; raises InvalidFile for a variable that is not set."""
        settings = self._hosts.host(authority)
        where = f'[hosts."{normal(authority)}"] of {self._hosts.file}'
        if settings.token_env:
            token = self._variable(settings.token_env, where)
            return Credential(origin=f"{settings.token_env}, by {where}", kind=Kind.BEARER, secret=token)
        if settings.username or settings.password_env:
            if not (settings.username and settings.password_env):
                raise InvalidFile(f"{where} needs both `username` and `password_env`", hint="or `token_env` alone")
            secret = self._variable(settings.password_env, where)
            origin = f"{settings.password_env}, by {where}"
            return Credential(origin=origin, username=settings.username, secret=secret)
        return None

    def _variable(self, name: str, where: str) -> Secret:
        value = self._hosts.environment.get(name, "").strip()
        if not value:
            raise InvalidFile(f"{where} names the variable {name}, which is not set", hint=f"set {name}")
        return Secret(value)

    def _kept(self, registry: str, repository: str) -> Credential | None:
        if self._files is None:
            self._files = tuple(LoginFile.read(path) for path in login_files(self._hosts.environment))
        for file in self._files:
            helper = file.helper(registry, repository)
            found = self._from_helper(helper, server_name(registry)) if helper else None
            if found := found or file.credential(registry, repository):
                return found
        return None

    def _unexpired(self, registry: str, kept: Credential | None) -> Credential | None:
        """A login that is still good: ECR's ends after twelve hours, and AWS can be asked for another one."""
        end = expiry(kept.secret.reveal()) if kept and is_ecr(registry) else None
        if end is None or self._now() < end:
            return kept
        if registry not in self._ended:
            self._ended.add(registry)
            logger.warning("the login for %s %s has ended; AWS is asked for another one", registry, kept)
        return None

    def _from_helper(self, helper: str, server: str) -> Credential | None:
        if (helper, server) not in self._helped:
            self._helped[helper, server] = run_helper(helper, server, self._hosts.environment, self._helper_time)
        return self._helped[helper, server]

    def _of_aws(self, registry: str, *, writes: bool) -> Credential | None:
        """ECR's token. ECR Public is read without one: its token needs a permission that few who read have."""
        if not is_ecr(registry) or (registry == PUBLIC and not writes):
            return None
        if registry not in self._aws:
            self._aws[registry] = self._ecr(registry)
        return self._aws[registry]

    def _from_aws(self, registry: str) -> Credential | None:
        from imagekit.store.aws import ecr_credential

        return ecr_credential(registry, certificates=self._hosts.certificates(registry))


def run_helper(helper: str, server: str, environment: Mapping[str, str], seconds: float) -> Credential | None:
    """What `docker-credential-HELPER get` answers; a helper that is missing or fails is a warning, never an error."""
    import subprocess

    name = f"docker-credential-{helper}"
    if not _HELPER.fullmatch(helper):
        logger.warning("the credential helper %r is not run: that is no name", cleaned(helper, 80))
        return None
    try:
        done = subprocess.run(
            [name, "get"],
            input=server.encode(),
            capture_output=True,
            timeout=seconds,
            env=dict(environment),
            check=False,
        )
    except subprocess.TimeoutExpired:
        logger.warning("%s did not answer for %s in %g s", name, server, seconds)
        return None
    except OSError as error:
        logger.warning("%s cannot be run for %s: %s", name, server, error.strerror)
        return None
    if done.returncode:
        said = cleaned((done.stdout or done.stderr)[:1000].decode("utf-8", "replace"), 160)
        if _NOT_FOUND not in said:
            logger.warning("%s has no credentials for %s: %s", name, server, said)
        return None
    return _answered(name, server, done.stdout)


def _answered(name: str, server: str, output: bytes) -> Credential | None:
    try:
        document: Any = json.loads(output)
        username, secret = document["Username"], document["Secret"]
    except (ValueError, RecursionError, KeyError, TypeError):
        username, secret = None, None
    if not (isinstance(username, str) and isinstance(secret, str) and secret):
        logger.warning("%s answers for %s with something that is no credential", name, server)
        return None
    kind = Kind.IDENTITY if username == _TOKEN_USER else Kind.BASIC
    named = "" if kind is Kind.IDENTITY else username
    return Credential(origin=name, kind=kind, username=named, secret=Secret(secret), renewable=True)


def _host(authority: str) -> str:
    """The host without its port."""
    return authority.rpartition(":")[0] if re.search(r":[0-9]+$", authority) else authority
