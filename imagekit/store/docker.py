"""A Docker engine as a place: images are streamed into it as `docker load` does (Docker Engine API, ImageLoad).

The engine is found as the Docker SDK finds it: DOCKER_HOST with its TLS variables, else the current context, else the
local socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from imagekit.errors import BuildFailed, ImagekitError, Missing, RemoteFailed
from imagekit.store.bundle import Bundle, stream
from imagekit.store.text import cleaned

if TYPE_CHECKING:
    from docker import DockerClient

#: Seconds to reach the engine, and to wait for a word from it: after the last byte it unpacks all layers.
_CONNECT: Final = 30
_PATIENCE: Final = 900
_LOADED: Final = ("Loaded image: ", "Loaded image ID: ")


@contextmanager
def loading(name: str, environment: Mapping[str, str]) -> Iterator[Bundle]:
    """A Sink whose image the engine has, under `name` and its tags, when the block ends well.

    Raises Missing at once without an engine, UsageError for several platforms, else as `load` does.
    """
    with _engine(environment) as engine:
        bundle = Bundle()
        yield bundle
        _load(engine, stream(bundle.docker_parts(name)))


def load(archive: Iterable[bytes], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Load a `docker-archive` that comes in pieces; returns the names that the engine says it loaded.

    Raises Missing without an engine, BuildFailed when it refuses the image, RemoteFailed when it fails or goes away.
    """
    with _engine(environment) as engine:
        return _load(engine, archive)


@contextmanager
def _engine(environment: Mapping[str, str]) -> Iterator[DockerClient]:
    """The engine, reached once to learn its version; raises Missing."""
    import docker

    try:
        # Without paramiko, and with the user's own ssh configuration, as the docker command does it.
        client = docker.from_env(environment=dict(environment), timeout=_CONNECT, use_ssh_client=True)
    except Exception as error:  # a damaged context makes the SDK raise KeyError, or Exception itself
        raise Missing(
            f"no Docker engine can be reached: {cleaned(str(error) or type(error).__name__)}",
            hint="start one, or name it with DOCKER_HOST or `docker context use`; `--output docker-archive:FILE` "
            "needs none",
        ) from error
    try:
        yield client
    finally:
        client.close()


def _load(engine: DockerClient, archive: Iterable[bytes]) -> tuple[str, ...]:
    from docker.errors import APIError, DockerException

    api: Any = engine.api  # the stubs leave half of it untyped
    api.timeout = _PATIENCE
    try:
        return tuple(_loaded(api.load_image(_Unsized(archive))))
    except ImagekitError:
        raise
    except APIError as error:
        kind = BuildFailed if error.is_client_error() else RemoteFailed
        raise kind(f"the Docker engine did not load the image: {cleaned(str(error.explanation or error))}") from error
    except (DockerException, OSError) as error:  # the SDK's transport raises subclasses of OSError
        raise RemoteFailed(
            f"the connection to the Docker engine broke: {cleaned(str(error))}",
            hint="see the engine's log; a full disk there looks like this",
        ) from error


class _Unsized:
    """Only an iterator, so that it is sent in chunks as it comes, whatever else the archive is."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        # An empty chunk would end the request (RFC 9112, section 7.1).
        return (piece for piece in self._pieces if piece)


def _loaded(answers: Iterable[Any]) -> Iterator[str]:
    """The names in the engine's messages; raises BuildFailed for one that says what went wrong."""
    for answer in answers:
        fields = answer if isinstance(answer, dict) else {}
        problem = fields.get("error") or fields.get("message")
        if problem:
            raise BuildFailed(
                f"the Docker engine refused the image: {cleaned(str(problem))}",
                hint="see whether there is room on the engine's disk, and whether it takes this platform",
            )
        text = str(fields.get("stream") or "").strip()
        for start in _LOADED:
            if text.startswith(start):
                yield cleaned(text.removeprefix(start))
