"""The Dockerfile of a spec: a stage a platform, and the one that the builder is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from imagekit.dockerfile.stage import Stage

#: The first line, by which a folder is known as one that may be written again.
MARK: Final = "# Made by `imagekit render --format dockerfile`; the spec is what to change."
#: The names of the files.
DOCKERFILE: Final = "Dockerfile"
BAKE: Final = "docker-bake.json"
LAYERS: Final = "layers"

_KEPT: Final = """\
#
# Builds the root file system that `imagekit build` makes, path by path: contents, owners, modes, times, links and
# capabilities. Packages are in their archive as imagekit installed them from the lock; nothing but the base is
# downloaded. What builders do not keep: the digests and the history of layers, the time of creation.
#"""
_RUNS: Final = """\
#
# Paths of the base are taken away, which only a command in it can do: for another architecture than the machine's that
# needs its emulation (binfmt, qemu)."""


def text(name: str, stages: Sequence[Stage]) -> str:
    """The Dockerfile, the same for the same stages; raises BuildFailed."""
    return "\n".join(_lines(name, stages)) + "\n"


def _lines(name: str, stages: Sequence[Stage]) -> Iterator[str]:
    yield MARK
    yield _KEPT
    yield from (f"#   {line}" for line in _commands(name, stages))
    if any(stage.runs for stage in stages):
        yield _RUNS
    if len(stages) > 1:
        yield ""
        yield "# What the builder says: buildah wants it declared, and BuildKit would forget it where no value follows."
        yield "ARG TARGETARCH=${TARGETARCH}"
    for stage in stages:
        yield ""
        yield from stage.lines()
    if len(stages) > 1:
        yield ""
        yield f"# What is built without --target. Docker's classic builder says no TARGETARCH: {stages[0].name}."
        yield f"FROM ${{TARGETARCH:-{stages[0].name}}}"


def _commands(name: str, stages: Sequence[Stage]) -> Iterator[str]:
    """How it is built."""
    first = stages[0]
    yield f"docker buildx bake --file {BAKE}                 # with BuildKit, all platforms"
    target = f" --target {first.name}" if len(stages) > 1 else ""
    yield f"docker build --platform {first.architecture.platform}{target} --tag {name} ."
    yield f"buildah build --platform {first.architecture.platform}{target} --tag {name} .    # podman build: the same"
