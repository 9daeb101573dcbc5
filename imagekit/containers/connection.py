"""Reaching the Docker engine that the user means (Docker Engine API), once for whoever needs it.

It is found as the docker command finds it: DOCKER_HOST with its TLS variables, else the current context, else the usual
socket. Where nobody listens there, Podman, Finch and others that speak the same API have sockets of their own.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from imagekit.containers import ssh
from imagekit.errors import Missing
from imagekit.values import dataclass
from imagekit.words import cleaned

if TYPE_CHECKING:
    from docker import APIClient

#: Seconds to reach the engine, and to wait for a word from it.
_CONNECT: Final = 30
_PATIENCE: Final = 900
#: The API of Docker Engine 20.10.
_OLDEST: Final = (1, 41)
USUAL_SOCKET: Final = "/var/run/docker.sock"
#: Below the user's runtime folder (XDG Base Directory Specification), below the home folder, and for all users.
_RUNTIME_SOCKETS: Final = ("docker.sock", "podman/podman.sock")
_HOME_SOCKETS: Final = (
    ".docker/run/docker.sock",
    ".docker/desktop/docker.sock",
    ".colima/default/docker.sock",
    ".rd/docker.sock",
    ".local/share/containers/podman/machine/podman.sock",
)
_SOCKETS: Final = (
    "/run/podman/podman.sock",
    "/run/finch.sock",
    "/Applications/Finch/lima/data/finch/sock/finch.sock",
)
_ELSEWHERE: Final = "start one, or name it with DOCKER_HOST or `docker context use`"


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """An engine that answers. `architecture` is OCI's name of its machine's, `name` and `version` its own words."""

    api: APIClient
    name: str
    version: str
    architecture: str

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"{self.name} {self.version}".strip()


@contextmanager
def connected(environment: Mapping[str, str], *, otherwise: str = "", usual: str = USUAL_SOCKET) -> Iterator[Engine]:
    """The engine, for the block; `otherwise` is what a user can do who has none, `usual` the socket of most.

    Raises Missing where none can be reached, for a socket that this user may not use, and for one that is too old.
    """
    with ExitStack() as stack:
        settings = _settings(environment, usual)
        host = settings.get("DOCKER_HOST", "")
        way = stack.enter_context(ssh.tunnel(host, environment)) if host.startswith(ssh.SCHEME) else None
        try:
            api = client({**settings, "DOCKER_HOST": way.host} if way else settings, otherwise=otherwise)
        except Missing as error:
            if way and way.said:
                raise Missing(f"{cleaned(host)} cannot be reached: {way.said}", hint=error.hint) from error
            raise
        stack.callback(api.close)
        yield _engine(api)


def client(environment: Mapping[str, str], *, otherwise: str = "") -> APIClient:
    """A connection of the Docker SDK, which knows the engine's version already; raises Missing."""
    host = environment.get("DOCKER_HOST", "")
    if host.startswith("unix:///"):
        _look(host, environment, otherwise)
    import docker

    try:
        api = docker.from_env(environment=dict(environment), timeout=_CONNECT, version="auto").api
    except Exception as error:  # a damaged context makes the SDK raise KeyError, or Exception itself
        raise _unreachable(error, environment, otherwise) from error
    api.timeout = _PATIENCE
    return api


def _look(host: str, environment: Mapping[str, str], otherwise: str) -> None:
    """Raise Missing where nobody listens on a socket; the SDK, which takes long to load, would tell it worse."""
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(_CONNECT)
        try:
            end.connect(host.removeprefix("unix://"))
        except OSError as error:
            raise _unreachable(error, environment, otherwise) from error


def _settings(environment: Mapping[str, str], usual: str) -> Mapping[str, str]:
    """The user's, with DOCKER_HOST where that says more: an engine behind ssh, or the only one that is there."""
    host = environment.get("DOCKER_HOST") or _host_of_context(environment) or _other_socket(environment, usual)
    return {**environment, "DOCKER_HOST": host} if host else environment


def _engine(api: APIClient) -> Engine:
    """What the engine says of itself; raises Missing for one that is too old."""
    facts: Mapping[str, Any] = api.version()
    name = str((facts.get("Components") or [{}])[0].get("Name") or "")
    engine = Engine(
        api=api,
        name="Docker Engine" if name in ("", "Engine") else cleaned(name),
        version=cleaned(str(facts.get("Version", ""))),
        architecture=str(facts.get("Arch", "")),
    )
    spoken = tuple(int(word) for word in str(facts.get("ApiVersion", "0")).split(".") if word.isdigit())
    if spoken < _OLDEST:
        raise Missing(
            f"the container engine {engine.title} is too old: it speaks version {facts.get('ApiVersion')} of the API",
            hint="use Docker Engine 20.10 or newer, Podman 4 or newer, or Finch",
        )
    if facts.get("Os", "linux") != "linux":
        raise Missing(
            f"the container engine {engine.title} runs no Linux containers", hint="switch it to Linux containers"
        )
    return engine


def _unreachable(error: Exception, settings: Mapping[str, str], otherwise: str) -> Missing:
    host = settings.get("DOCKER_HOST") or ("" if _names_context(settings) else f"unix://{USUAL_SOCKET}")
    more = f"; {otherwise}" if otherwise else ""
    if _is_forbidden(error):
        return Missing(
            f"no permission to use the Docker engine at {cleaned(host) or 'its socket'}",
            hint="join the group that the socket belongs to (`sudo usermod -aG docker $USER`, then log in again), or "
            f"use an engine of your own, such as Docker in rootless mode or Podman{more}",
        )
    said = cleaned(str(error) or type(error).__name__)
    if isinstance(error, OSError) and error.strerror:
        said = f"{cleaned(host)}: {error.strerror}"
    return Missing(f"no Docker engine can be reached: {said}", hint=f"{_ELSEWHERE}{more}")


def _is_forbidden(error: BaseException | None) -> bool:
    """True when the kernel refused the socket; the SDK wraps that several times, also as an argument."""
    waiting = [error]
    for _ in range(16):
        one = waiting.pop(0) if waiting else None
        if isinstance(one, PermissionError):
            return True
        if isinstance(one, BaseException):
            waiting += [one.__cause__, one.__context__, *(item for item in one.args if isinstance(item, BaseException))]
    return False


def _other_socket(environment: Mapping[str, str], usual: str) -> str:
    """The engine elsewhere, where the user named none and nothing is in the usual place; else empty."""
    if _names_context(environment) or os.path.exists(usual):
        return ""
    runtime, home = environment.get("XDG_RUNTIME_DIR", ""), environment.get("HOME", "")
    places = [f"{runtime}/{name}" for name in _RUNTIME_SOCKETS if runtime]
    places += [f"{home}/{name}" for name in _HOME_SOCKETS if home]
    found = next((place for place in (*places, *_SOCKETS) if os.path.exists(place)), "")
    return f"unix://{found}" if found else ""


def _host_of_context(environment: Mapping[str, str]) -> str:
    """Where the user's context leads, if that is behind ssh: all others the SDK follows itself."""
    if not _names_context(environment):
        return ""
    from docker.context import ContextAPI

    try:
        context = ContextAPI.get_context(environment.get("DOCKER_CONTEXT"))
        host = str(getattr(context, "Host", "") or "")
    except Exception:  # damaged; the SDK meets it again, and then it is told
        return ""
    return host if host.startswith(ssh.SCHEME) else ""


def _names_context(environment: Mapping[str, str]) -> bool:
    folder = environment.get("DOCKER_CONFIG") or os.path.join(environment.get("HOME", "/"), ".docker")
    try:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            settings = json.load(file)
    except (OSError, ValueError):
        settings = {}
    context = settings.get("currentContext", "") if isinstance(settings, dict) else ""
    return environment.get("DOCKER_CONTEXT", context) not in ("", "default")
