"""Runners: ways to confine a function's processes as Lambda does, in the order in which they are tried."""

from __future__ import annotations

TYPE_CHECKING = False  # the warden, which must start fast, passes through here
if TYPE_CHECKING:
    from typing import Final

    from imagekit.architecture import Architecture
    from imagekit.emulator.ports import Runner
    from imagekit.emulator.runners.means import Means

#: Name, module, class.
RUNNERS: Final = (
    ("docker", "imagekit.emulator.runners.docker", "Docker"),
    ("bubblewrap", "imagekit.emulator.runners.bubblewrap", "Bubblewrap"),
    ("namespaces", "imagekit.emulator.runners.namespaces", "Namespaces"),
)
NAMES: Final = tuple(name for name, _, _ in RUNNERS)


def runner(name: str, means: Means) -> Runner:
    """The runner with this name, whether it works here or not; raises KeyError."""
    from importlib import import_module

    module, kind = {key: (module, kind) for key, module, kind in RUNNERS}[name]
    made: Runner = getattr(import_module(module), kind)(means)
    return made


def first_that_works(architecture: Architecture, means: Means) -> Runner:
    """The first runner that lacks nothing here; raises Missing that says what each one lacks."""
    from imagekit.errors import Missing

    problems = []
    for name in NAMES:
        made = runner(name, means)
        missing = made.missing(architecture)
        if missing is None:
            return made
        problems.append((name, missing))
    raise Missing(
        "nothing here can run an image: " + "; ".join(f"{name}: {problem.message}" for name, problem in problems),
        hint="; or ".join(dict.fromkeys(problem.hint for _, problem in problems)),
    )
