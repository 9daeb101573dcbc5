"""Images in an engine: streamed into it as `docker load` does (Docker Engine API, ImageLoad), unless it has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

from imagekit.architecture import Architecture
from imagekit.containers.failures import in_words, known_problem
from imagekit.errors import BuildFailed
from imagekit.oci.digest import Digest
from imagekit.values import dataclass
from imagekit.words import cleaned

if TYPE_CHECKING:
    from docker import APIClient

    from imagekit.containers.connection import Engine

_LOADED: Final = ("Loaded image: ", "Loaded image ID: ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One platform's image as an engine is to have it: `reference` is the name there, one for one content.

    `archive` gives its stream for `docker load`, in pieces.
    """

    reference: str
    architecture: Architecture
    diff_ids: tuple[Digest, ...]
    archive: Callable[[], AbstractContextManager[Iterable[bytes]]]


def ready(engine: Engine, picture: Picture, loaded: Callable[[], None] = lambda: None) -> str:
    """The engine's name of an image; what it has with the same layers is used, else it is loaded, and `loaded` called.

    Raises BuildFailed when the engine refuses it, Missing for a full disk there, RemoteFailed, and what `archive` does.
    """
    with in_words("does not load the image"):
        if holds(engine.api, picture.reference, picture.architecture, picture.diff_ids):
            return picture.reference
        with picture.archive() as pieces:
            names = (*load(engine.api, pieces), picture.reference)
        loaded()
        for name in names:
            if holds(engine.api, name, picture.architecture, picture.diff_ids):
                return name
    raise BuildFailed(
        f"the container engine has another image under {picture.reference}",
        hint=f"remove it there, with `docker image rm {picture.reference}`",
    )


def holds(api: APIClient, name: str, architecture: Architecture, diff_ids: Iterable[Digest]) -> bool:
    """True when the engine has an image of this name with these layers for this architecture."""
    from docker.errors import NotFound

    untyped: Any = api  # the stubs leave half of it untyped
    try:
        found = untyped.inspect_image(name)
    except NotFound:
        return False
    layers = (found.get("RootFS") or {}).get("Layers") or []
    return layers == [str(item) for item in diff_ids] and found.get("Architecture") == architecture.oci


def load(api: APIClient, archive: Iterable[bytes]) -> tuple[str, ...]:
    """Load an archive that comes in pieces; returns the names that the engine says it loaded.

    Raises BuildFailed when it refuses the image, Missing for a full disk there, and what the SDK raises.
    """
    untyped: Any = api
    return tuple(_loaded(untyped.load_image(_Unsized(archive))))


class _Unsized:
    """Only an iterator, so that it is sent in chunks as it comes, whatever else the archive is."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        # An empty chunk would end the request (RFC 9112, section 7.1).
        return (piece for piece in self._pieces if piece)


def _loaded(answers: Iterable[Any]) -> Iterator[str]:
    """The names in the engine's messages; raises for one that says what went wrong."""
    for answer in answers:
        fields = answer if isinstance(answer, dict) else {}
        problem = fields.get("error") or fields.get("message")
        if problem:
            raise known_problem(str(problem)) or BuildFailed(
                f"the container engine refused the image: {cleaned(str(problem))}",
                hint="see whether there is room on the engine's disk, and whether it takes this platform",
            )
        text = str(fields.get("stream") or "").strip()
        for start in _LOADED:
            if text.startswith(start):
                yield cleaned(text.removeprefix(start))
