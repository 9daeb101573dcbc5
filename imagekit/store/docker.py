"""A Docker engine as a place: images are streamed into it as `docker load` does (Docker Engine API, ImageLoad)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from imagekit.containers import images
from imagekit.containers.connection import Engine, connected
from imagekit.errors import BuildFailed, ImagekitError, RemoteFailed
from imagekit.store.bundle import Bundle, stream
from imagekit.words import cleaned

_OTHERWISE: Final = "`--output docker-archive:FILE` needs none"


@contextmanager
def loading(name: str, environment: Mapping[str, str]) -> Iterator[Bundle]:
    """A Sink whose image the engine has, under `name` and its tags, when the block ends well.

    Raises Missing at once without an engine, UsageError for several platforms, else as `load` does.
    """
    with connected(environment, otherwise=_OTHERWISE) as engine:
        bundle = Bundle()
        yield bundle
        _load(engine, stream(bundle.docker_parts(name)))


def load(archive: Iterable[bytes], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Load a `docker-archive` that comes in pieces; returns the names that the engine says it loaded.

    Raises Missing without an engine, BuildFailed when it refuses the image, RemoteFailed when it fails or goes away.
    """
    with connected(environment, otherwise=_OTHERWISE) as engine:
        return _load(engine, archive)


def _load(engine: Engine, archive: Iterable[bytes]) -> tuple[str, ...]:
    from docker.errors import APIError, DockerException

    try:
        return images.load(engine.api, archive)
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
