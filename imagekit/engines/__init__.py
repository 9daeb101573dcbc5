"""What installs packages into a root file system: engines, by the names that specs call them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imagekit.engines.ports import Engine, Means

#: Name, module, class.
ENGINES: Final = (
    ("native", "imagekit.engines.native.engine", "NativeEngine"),
    ("docker", "imagekit.engines.docker.engine", "DockerEngine"),
)
NAMES: Final = tuple(name for name, _, _ in ENGINES)
#: The engine where nothing is said: it runs nothing of any package.
DEFAULT: Final = NAMES[0]


def engine(name: str, means: Means) -> Engine:
    """The engine with this name, whether it works here or not; raises KeyError."""
    module, kind = {key: (module, kind) for key, module, kind in ENGINES}[name]
    made: Engine = getattr(import_module(module), kind)(means=means)
    return made
