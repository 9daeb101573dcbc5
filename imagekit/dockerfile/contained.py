"""A stage whose commands become one step of the build in a container of the stage's own image (docs/containers.md).

The context is copied to where such a step finds it; all else is where the stage has it, and ends with the container.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from imagekit.dockerfile.copying import BUILD
from imagekit.dockerfile.reading import ARCHITECTURE, Reading, Run, named
from imagekit.dockerfile.recipe import placeholder, plain, written
from imagekit.dockerfile.surroundings import Kind

#: Where a container has the context, and where something is put that is to leave it.
_SOURCE: Final = "/imagekit/source"
_ASIDE: Final = "/tmp/imagekit-out"
_SPACES: Final = re.compile(r"[ \t]{2,}(?=-)")
_TARGET: Final = re.compile(r"\$(?:\{TARGETARCH\}|TARGETARCH\b)")
_OF_BASE: Final = re.compile("\ue000base\\.([A-Z_]+)\ue001")
#: The spec and its lock.
_OURS: Final = ("runtime.yaml", "runtime.lock")
#: What a step in a container needs.
ENGINE: Final = (
    "it needs a Docker engine, Podman or Finch, and emulation for the other architecture, as `imagekit doctor` tells"
)
#: The program that is started, below `build/{architecture}`.
_PROGRAM: Final = "bootstrap"


class Contained(Reading):
    """One such stage."""

    def finish(self) -> None:
        """Add the step, when something of what it makes was asked for."""
        if not self._runs or not self._copies:
            return
        lines = [*self._commands(), *self._gathered()]
        step: dict[str, Any] = {"run": " && ".join(lines), "in": written(self.image)}
        variables = {name: value for run in self._runs for name, value in run.variables if plain(value)}
        if variables:
            step["environment"] = variables
        step["outputs"] = [f"{BUILD}/{{architecture}}/{name or _PROGRAM}" for name in self._copies.values()]
        if self._secrets:
            step["secrets"] = list(dict.fromkeys(self._secrets))
        self._recipe.add("build", step, self._runs[0].line)
        self._recipe.leave(
            self.stage.line,
            f"{self._title} is a step under `build`, in a container of {self.image} for each architecture",
            "it needs a Docker engine, Podman or Finch, and emulation for the other architecture, as `imagekit doctor` "
            "tells" + (f"; without `build`, {self.language.title} is built on this machine" if self.language else ""),
        )
        for place, image, _ in self._images:
            self._recipe.leave(
                self.stage.line,
                f"{place} comes out of {image}, which the step cannot see",
                "copy it beside the spec first",
            )

    def _own(self, path: str, line: int) -> dict[str, Any] | None:
        here = self._in_context(path)
        if here is not None and (not self.builds or self._around.kind(here) is Kind.FILE):
            return {"source": written(here)}
        if not self.builds:
            return {"image": written(self.image), "source": path}
        name = posixpath.basename(path.rstrip("/")) or "root"
        taken = {value for key, value in self._copies.items() if key != path}
        self._copies[path] = name if name not in taken | {_PROGRAM} else f"{self._folder}-{name}"
        return {"source": f"{BUILD}/{{architecture}}/{self._copies[path]}"}

    def _makes(self, path: str, here: str | None) -> bool:
        return self.builds

    def _place(self, target: str) -> str:
        return target

    def _source(self, path: str) -> str:
        return f"{_SOURCE}/{path}"

    def _commands(self) -> Iterator[str]:
        """The commands, those of one folder together; what they change of variables is set before."""
        known: dict[str, str] = {}
        for directory, runs in groupby(self._runs, key=lambda run: run.directory):
            lines = []
            for run in runs:
                lines += [f'export {name}="{value}"' for name, value in self._exports(run) if known.get(name) != value]
                known |= dict(self._exports(run))
                lines.append(self._text(run))
            here = self._in_context(directory)
            if here == "." or directory == "/":
                yield from lines
            elif here is not None:
                yield f"(cd {shlex.quote(f'{_SOURCE}/{here}')} && {' && '.join(lines)})"
            else:
                yield f"(mkdir -p {shlex.quote(directory)} && cd {shlex.quote(directory)} && {' && '.join(lines)})"

    @staticmethod
    def _exports(run: Run) -> list[tuple[str, str]]:
        """Variables that are made of the image's own, or of the architecture."""
        return [
            (name, _OF_BASE.sub(r"$\1", value).replace(placeholder("oci_arch"), "$IMAGEKIT_OCI_ARCH"))
            for name, value in run.variables
            if not plain(value)
        ]

    def _text(self, run: Run) -> str:
        """A command as it runs there: places of the context are where it was copied to."""
        text = _SPACES.sub(" ", _TARGET.sub("$IMAGEKIT_OCI_ARCH", run.text))
        for top, source in sorted(self._anchors, key=lambda item: -len(item[0])):
            if top != "/":
                place = posixpath.normpath(f"{_SOURCE}/{source}")
                text = named(top).sub(lambda _, place=place: place, text)  # type: ignore[misc]
        return text

    def _gathered(self) -> Iterator[str]:
        """Commands that put what was asked for where it leaves the container; they run at the top of the context."""
        yield f"mkdir -p {BUILD}/{ARCHITECTURE}"
        for path, name in self._copies.items():
            here = self._in_context(path)
            target = f"{BUILD}/{ARCHITECTURE}/{name or _PROGRAM}"
            if here == ".":  # a folder cannot be copied into itself; what imagekit put beside the context is none of it
                others = " ".join(f"{_ASIDE}/{other}" for other in (BUILD, *_OURS))
                yield f"cp -R . {_ASIDE} && rm -rf {others} && mv {_ASIDE} {target}"
            else:
                yield f"cp -R {shlex.quote(here or path)} {target}"
