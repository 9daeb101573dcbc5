"""What an engine refuses, in imagekit's words and with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from imagekit.errors import BuildFailed, ImagekitError, Missing, RemoteFailed
from imagekit.words import cleaned

_FULL: Final = ("no space left on device", "disk quota exceeded", "not enough space")
_FOREIGN: Final = "exec format error"


@contextmanager
def in_words(what: str) -> Iterator[None]:
    """The engine's errors as imagekit's; `what` it was asked for: "does not make a container".

    Raises Missing for a full disk or a missing emulation, BuildFailed for what it refuses, RemoteFailed when it fails.
    """
    from docker.errors import APIError, DockerException

    try:
        yield
    except ImagekitError:
        raise
    except APIError as error:
        said = cleaned(str(error.explanation or error))
        known = known_problem(said)
        if known:
            raise known from error
        kind = BuildFailed if error.is_client_error() else RemoteFailed
        raise kind(f"the container engine {what}: {said}", hint="its own log may say more") from error
    except (DockerException, OSError) as error:  # the SDK's transport raises subclasses of OSError
        raise RemoteFailed(
            f"the connection to the container engine broke: {cleaned(str(error))}",
            hint="see whether the engine still runs, and its log; then build again",
        ) from error


def known_problem(said: str) -> Missing | None:
    """What the engine's machine lacks, if that is what the engine's words mean."""
    folded = said.casefold()
    if any(words in folded for words in _FULL):
        return Missing(
            f"the disk of the container engine is full: {cleaned(said)}",
            hint="make room there, for example with `docker system prune`",
        )
    if _FOREIGN in folded:
        return no_emulation("this architecture")
    return None


def no_emulation(architecture: str) -> Missing:
    """What to install where an engine runs programs of its own architecture only."""
    return Missing(
        f"the container engine does not run programs of {architecture}: there is no emulation for it",
        hint="register one on the engine's machine: install qemu-user-static (Debian, Ubuntu, Fedora), or run "
        "`docker run --privileged --rm tonistiigi/binfmt --install all`; or choose one --platform",
    )
