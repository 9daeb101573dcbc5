"""Volumes that are kept between runs: what a build step leaves in its cache."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from imagekit.containers.failures import in_words
from imagekit.containers.owners import KEPT

if TYPE_CHECKING:
    from imagekit.containers.connection import Engine

_DIGITS: Final = 20


def cache_volume(engine: Engine, identity: str, purpose: str) -> str:
    """The name of the volume for something that is told apart by `identity`; made when it is missing.

    `purpose` stands in its label, for who wonders what it is. Raises as `in_words`.
    """
    name = f"imagekit-cache-{hashlib.sha256(identity.encode('utf-8', 'surrogateescape')).hexdigest()[:_DIGITS]}"
    api: Any = engine.api  # the stubs leave half of it untyped
    with in_words("does not make a volume"):
        api.create_volume(name, labels={KEPT: purpose})
    return name


def caches(engine: Engine) -> tuple[str, ...]:
    """The names of all such volumes."""
    with in_words("does not tell about its volumes"):
        found = engine.api.volumes(filters={"label": KEPT}).get("Volumes") or ()
    return tuple(sorted(str(item["Name"]) for item in found))
