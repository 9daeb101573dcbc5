"""A stage whose commands become one step of the build in a container of the stage's own image (docs/containers.md).

What the stage copies out of the context is copied there in its turn, so everything is where the stage has it.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from imagekit.dockerfile.copying import ARCHIVE, BUILD, GLOB
from imagekit.dockerfile.reading import ARCHITECTURE, Reading, Run
from imagekit.dockerfile.recipe import placeholder, plain, written
from imagekit.dockerfile.stages import Stage
from imagekit.dockerfile.surroundings import Kind
from imagekit.dockerfile.syntax import Instruction
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit.dockerfile.builders import Builders

#: Where a container has the context.
_SOURCE: Final = "/imagekit/source"
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Copied:
    """A command that copies something of the context, and the folder that it wants."""

    folder: str
    text: str


class Contained(Reading):
    """One such stage."""

    def __init__(self, stage: Stage, builders: Builders) -> None:
        #: What is copied out of the context, with the number of commands before it.
        self._order: list[tuple[int, _Copied]] = []
        super().__init__(stage, builders)

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
        name = posixpath.basename(posixpath.dirname(path) if GLOB.search(path) else path.rstrip("/")) or "root"
        taken = {value for key, value in self._copies.items() if key != path}
        self._copies[path] = name if name not in taken | {_PROGRAM} else f"{self._folder}-{name}"
        return {"source": f"{BUILD}/{{architecture}}/{self._copies[path]}"}

    def _makes(self, path: str, here: str | None) -> bool:
        return self.builds

    def _place(self, target: str) -> str:
        return target

    def _source(self, path: str) -> str:
        return f"{_SOURCE}/{path}"

    def _knows(self, path: str) -> bool:
        return not GLOB.search(posixpath.dirname(path)) and (self.builds or not GLOB.search(path))

    def _brings(self, one: Instruction, source: str, target: str) -> None:
        """Copy it there as builders do, in its turn: commands may change or remove what lies in the stage."""
        here = posixpath.normpath(f"{_SOURCE}/{source}")
        if source.startswith("..") or not plain(source) or not plain(target):
            self._recipe.leave(one.line, f"the source {written(source)}", "copy it into the folder of the spec")
            return
        folder = target.rstrip("/") or "/"
        place = shlex.quote(folder)
        if one.name == "ADD" and ARCHIVE.search(source):
            text = f"tar -xf {shlex.quote(here)} -C {place}"
        elif GLOB.search(source):
            text = _each(_pattern(here), place)
        elif self._around.kind(source) is Kind.FOLDER:
            text = f"cp -R {shlex.quote(f'{here}/.')} {place}"
            if self._around.excluded(source):
                self._recipe.leave(
                    one.line, "the step copies what .dockerignore names, too", "name it in .imagekitignore as well"
                )
            if source == ".":  # what imagekit put beside the context is none of it
                text += f" && rm -rf {' '.join(posixpath.join(place, other) for other in (BUILD, *_OURS))}"
        else:
            folder = folder if target.endswith("/") else posixpath.dirname(target) or "/"
            text = f"cp {shlex.quote(here)} {shlex.quote(target)}"
            if re.fullmatch(r"[0-7]{3,4}", mode := one.flag("chmod")):
                path = posixpath.join(target, posixpath.basename(source)) if target.endswith("/") else target
                text += f" && chmod {mode} {shlex.quote(path)}"
        self._order.append((len(self._runs), _Copied(folder=folder, text=text)))

    def _commands(self) -> Iterator[str]:
        """The commands, each in its folder; what they change of variables is set before."""
        known: dict[str, str] = {}
        here, made = _SOURCE, {"/"}
        for one in self._in_order():
            folder = one.folder if isinstance(one, _Copied) else one.directory
            if folder not in made and (isinstance(one, _Copied) or folder != here):
                yield f"mkdir -p {shlex.quote(folder)}"
                made.add(folder)
            if isinstance(one, _Copied):
                yield one.text
                continue
            if folder != here:
                yield f"cd {shlex.quote(folder)}"
                here = folder
            yield from (f'export {name}="{value}"' for name, value in self._exports(one) if known.get(name) != value)
            known |= dict(self._exports(one))
            yield self._text(one)
            made = {"/"}  # it may have removed them
        if here != _SOURCE:
            yield f"cd {_SOURCE}"

    def _in_order(self) -> Iterator[_Copied | Run]:
        """What is copied and what is run, as the Dockerfile has them."""
        waiting = list(self._order)
        for number, run in enumerate(self._runs):
            while waiting and waiting[0][0] <= number:
                yield waiting.pop(0)[1]
            yield run
        yield from (one for _, one in waiting)

    @staticmethod
    def _exports(run: Run) -> list[tuple[str, str]]:
        """Variables that are made of the image's own, or of the architecture."""
        return [
            (name, _OF_BASE.sub(r"$\1", value).replace(placeholder("oci_arch"), "$IMAGEKIT_OCI_ARCH"))
            for name, value in run.variables
            if not plain(value)
        ]

    @staticmethod
    def _text(run: Run) -> str:
        """A command as it runs there."""
        return _SPACES.sub(" ", _TARGET.sub("$IMAGEKIT_OCI_ARCH", run.text))

    def _gathered(self) -> Iterator[str]:
        """Commands that put what was asked for where it leaves the container; they run at the top of the context."""
        if not all(GLOB.search(path) for path in self._copies):
            yield f"mkdir -p {BUILD}/{ARCHITECTURE}"
        for path, name in self._copies.items():
            target = f"{BUILD}/{ARCHITECTURE}/{name or _PROGRAM}"
            if GLOB.search(path):
                yield f"mkdir -p {target} && {_each(_pattern(path), target)}"
            else:
                yield f"cp -RH {shlex.quote(path)} {target}"


def _pattern(path: str) -> str:
    """A path whose last part is a pattern for the shell."""
    folder, name = posixpath.split(path)
    marks = re.split(r"([*?\[\]])", name)
    return f"{shlex.quote(folder)}/{''.join(one if one in {*'*?[]'} else shlex.quote(one) for one in marks if one)}"


def _each(pattern: str, target: str) -> str:
    """Copy what a pattern matches as builders do: files, and what is in folders."""
    return f'for it in {pattern}; do if [ -d "$it" ]; then it=$it/.; fi; cp -RH "$it" {target}/ || exit 1; done'
