"""One platform's image as a stage of a Dockerfile (Dockerfile reference, docs.docker.com).

Layers are added as the tar archives that they are: `ADD` unpacks them with owners, modes, times, links and
capabilities, under every builder. `COPY` would make root of every owner and needs a disk that can hold what is copied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from imagekit.architecture import Architecture
from imagekit.errors import BuildFailed
from imagekit.oci.config import Config
from imagekit.plan.plan import Settings
from imagekit.values import dataclass

#: Bytes of a line that every builder takes (the classic one reads 65,535).
_LONGEST: Final = 60_000
_PLAIN: Final = re.compile(r"[A-Za-z0-9/._-]+")
#: An image without a base starts from nothing.
SCRATCH: Final = "scratch"


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """A layer: the archive in the context, its history entry, and the paths of the base that it takes away."""

    file: str
    title: str
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A platform: the base by digest (`scratch` without one) with its config, what is added, what is set."""

    architecture: Architecture
    base: str
    called: str
    config: Config | None
    layers: tuple[Added, ...]
    settings: Settings

    @property
    def name(self) -> str:
        """What the stage is called: the platform, as `TARGETARCH` says it."""
        return self.architecture.oci

    @property
    def runs(self) -> bool:
        """True when a command has to run in the base."""
        return any(layer.removed for layer in self.layers)

    def lines(self) -> Iterator[str]:
        """The instructions; raises BuildFailed for a value that no Dockerfile can hold."""
        yield f"# {self.architecture.platform}{f', on {self.called}' if self.called else ''}"
        yield f"FROM --platform={self.architecture.platform} {self.base} AS {self.name}"
        for layer in self.layers:
            yield f"# {_comment(layer.title)}"
            if layer.removed:
                yield f"RUN {_words(['rm', '-rf', '--', *(f'/{path}' for path in layer.removed)], each=True)}"
            yield f"ADD {layer.file} /"
        yield from self._settings()

    def _settings(self) -> Iterator[str]:
        """What the base's config does not say already."""
        below, made = self.config, self.settings
        yield from _pairs("ENV", _changed(made.environment, below.environment if below else {}))
        yield from _pairs("LABEL", _changed(made.labels, below.labels if below else {}))
        if made.working_directory and (below is None or made.working_directory != below.working_directory):
            yield f"WORKDIR {_path(made.working_directory)}"
        if below is None or made.entrypoint != below.entrypoint:
            yield f"ENTRYPOINT {_words(made.entrypoint)}"
        yield f"CMD {_words(made.command)}"


def _changed(wanted: Mapping[str, str], there: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in wanted.items() if there.get(name) != value}


def _pairs(instruction: str, values: Mapping[str, str]) -> Iterator[str]:
    for name, value in values.items():
        line = f"{instruction} {quoted(name) if instruction == 'LABEL' else name}={quoted(value)}"
        if not line.isprintable() and any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in line):
            raise BuildFailed(
                f"a Dockerfile cannot hold {name}: its value has a line break or another control character",
                hint="take it out of the spec, or set it where the function is configured",
            )
        if len(line.encode("utf-8")) > _LONGEST:
            raise BuildFailed(f"a Dockerfile cannot hold {name}: its value has more than {_LONGEST:,} bytes")
        yield line


def quoted(text: str) -> str:
    """A value that stays as it is: nothing in it is a variable or an escape."""
    for mark in ("\\", '"', "$"):
        text = text.replace(mark, f"\\{mark}")
    return f'"{text}"'


def _path(text: str) -> str:
    """As it is where nothing in it means anything."""
    return text if _PLAIN.fullmatch(text) else quoted(text)


def _words(words: Sequence[str], *, each: bool = False) -> str:
    """The exec form: JSON; with `each` one word a line."""
    made = [json.dumps(word, ensure_ascii=False) for word in words]
    return f"[{(', ' + chr(92) + chr(10) + '    ').join(made)}]" if each else f"[{', '.join(made)}]"


def _comment(text: str) -> str:
    """On one line, whatever a file is called."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
