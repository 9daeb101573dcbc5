"""A stage whose commands become steps of the build on this machine.

What the commands make elsewhere than in the context they are told to make below `build/`; what is copied out goes there
too, once an architecture.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from imagekit.dockerfile.copying import BUILD
from imagekit.dockerfile.harmless import is_harmless
from imagekit.dockerfile.reading import ARCHITECTURE, MACHINES_OWN, Reading, Run, below, named
from imagekit.dockerfile.recipe import placeholder, plain, written
from imagekit.dockerfile.stages import PLATFORM, Stage
from imagekit.dockerfile.surroundings import Kind
from imagekit.dockerfile.syntax import Instruction

if TYPE_CHECKING:
    from imagekit.dockerfile.builders import Builders

_OUTPUT: Final = '"$IMAGEKIT_OUTPUT"'
_SPACES: Final = re.compile(r"[ \t]{2,}(?=-)")
_TARGET: Final = re.compile(r"\$(?:\{TARGETARCH\}|TARGETARCH\b)")


class Builder(Reading):
    """One such stage."""

    def __init__(self, stage: Stage, builders: Builders) -> None:
        #: Paths of the stage that commands name, and where they are here.
        self._moved: dict[str, str] = {}
        super().__init__(stage, builders)

    def _own(self, path: str, line: int) -> dict[str, Any] | None:
        here = self._in_context(path)
        if here is not None and (here == "." or self._around.kind(here) is not Kind.NONE):
            return {"source": written(here)}
        if not self.builds and here is None:
            if not self._anchors:
                return {"image": written(self.image), "source": path}
        elif self._makes(path, here):
            return {"source": f"{BUILD}/{{architecture}}/{self._output(path)}"}
        self._recipe.leave(
            line,
            f"{path} comes out of {self._title} on {self.image}: nothing in it says how",
            "bring it with `packages`, or with `files: [{image: …, source: …}]`",
        )
        return None

    def finish(self) -> None:
        """Add the steps, when something of what they make was asked for."""
        if not self._runs or not (self._copies or self._moved or self._anchors):
            return
        if found := next((run for run in self._runs if not self._is_harmless(run)), None):
            self._recipe.leave(
                found.line,
                f"`{found.text}`: it writes where it must not on this machine",
                "write a step under `build` for it, with `in: IMAGE` for one in a container",
            )
            return
        last = self.stage.line
        steps: list[dict[str, Any]] = []
        for directory, runs in self._groups():
            step: dict[str, Any] = {"run": " && ".join(self._text(run, directory) for run in runs)}
            if directory != ".":
                step["directory"] = written(directory)
            variables = {name: value for run in runs for name, value in run.variables if plain(value)}
            if kept := {name: value for name, value in variables.items() if name not in MACHINES_OWN}:
                step["environment"] = kept
            if self._secrets:
                step["secrets"] = list(dict.fromkeys(self._secrets))
            steps.append(step)
            last = runs[0].line
        self._joined(steps, self._folders(), first=True)
        self._joined(steps, self._gathered(), first=False)
        for step in steps:
            self._recipe.add("build", step, last)
        self._recipe.leave(
            self.stage.line,
            f"the stage {self.stage.name or self.stage.number} ran in a container of {self.image}; its commands are "
            "steps under `build`, which run on this machine, once for each architecture",
            "install their tools here, and see that they compile for $IMAGEKIT_ARCHITECTURE"
            + (
                f"; or take `build` out: then {self.language.title} is built imagekit's own way"
                if self.language
                else ""
            ),
        )

    def _is_harmless(self, run: Run) -> bool:
        """Once more, by what was really asked for: only those paths are put elsewhere."""
        values = {**PLATFORM, **dict(run.variables)}
        return is_harmless(run.text, values.get, (*self._moved, *(top for top, _ in self._anchors if top != "/")))

    def _makes(self, path: str, here: str | None) -> bool:
        """True when the commands can have made it: below the context, or named by one of them."""
        if here is not None:
            return self.builds
        top = self._top(path)
        if top:
            self._moved[top] = f"{BUILD}/{ARCHITECTURE}/{self._folder}{top}"
        return bool(top)

    def _brings(self, one: Instruction, source: str, target: str) -> None:
        """It is where it was: this machine has the context itself."""

    def _place(self, target: str) -> str:
        here = self._in_context(target.rstrip("/") or "/")
        return "" if here is None else f"{here}/" if target.endswith("/") else here

    def _source(self, path: str) -> str:
        return path

    def _top(self, path: str) -> str:
        """The highest folder of a path, or itself, that a command names; empty when none does."""
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts) + 1):
            top = "/" + "/".join(parts[:depth])
            if any(named(top).search(run.text) for run in self._runs):
                return top
        return ""

    def _output(self, path: str) -> str:
        """Where a path is put below `build/{architecture}`, and noted to be put there."""
        top = next((top for top in self._moved if below(top, path)), "")
        if top:
            return f"{self._folder}{path}"
        name = posixpath.basename(path)
        taken = {value for key, value in self._copies.items() if key != path}
        name = name if name not in taken else f"{self._folder}-{name}"
        self._copies[path] = name
        return name

    def _folders(self) -> list[str]:
        """Folders that are to be there before the first command writes into them."""
        places = self._moved.values()
        files = {place for place in places if "." in posixpath.basename(place)}
        folders = {posixpath.dirname(place) if place in files else place for place in places}
        return [f"mkdir -p {' '.join(sorted(folders))}"] if folders else []

    @staticmethod
    def _joined(steps: list[dict[str, Any]], lines: Sequence[str], *, first: bool) -> None:
        """Put commands that run at the top before, or behind, the others."""
        if not lines:
            return
        number = 0 if first else -1
        text = " && ".join(lines)
        if steps and "directory" not in steps[number]:
            both = (text, steps[number]["run"]) if first else (steps[number]["run"], text)
            steps[number] = {**steps[number], "run": " && ".join(both)}
        else:
            steps.insert(0 if first else len(steps), {"run": text})

    def _groups(self) -> Iterator[tuple[str, list[Run]]]:
        """Commands that follow each other in one folder of the context."""
        group: list[Run] = []
        last = ""
        for run in self._runs:
            here = self._directory(run)
            if group and here != last:
                yield last, group
                group = []
            group.append(run)
            last = here
        if group:
            yield last, group

    def _directory(self, run: Run) -> str:
        here = self._in_context(run.directory)
        if here is None or (here != "." and self._around.kind(here) is not Kind.FOLDER):
            return "."
        return here

    def _text(self, run: Run, directory: str) -> str:
        """A command as it runs here: places of the stage are those of the context."""
        text = _SPACES.sub(" ", _TARGET.sub("$IMAGEKIT_OCI_ARCH", run.text))
        up = "" if directory == "." else "../" * len(directory.split("/"))
        for top, place in sorted(self._moved.items(), key=lambda item: -len(item[0])):
            text = named(top).sub(lambda _, place=place: f"{up}{place}", text)  # type: ignore[misc]
        for top, source in sorted(self._anchors, key=lambda item: -len(item[0])):
            if top != "/":
                text = named(top).sub(lambda _, source=source: posixpath.relpath(source, directory), text)  # type: ignore[misc]
        exports = "".join(
            f'{name}="{value.replace(placeholder("oci_arch"), "$IMAGEKIT_OCI_ARCH")}" '
            for name, value in run.variables
            if not plain(value) and name not in MACHINES_OWN
        )
        return f"export {exports}&& {text}" if exports else text

    def _gathered(self) -> list[str]:
        """Commands that put what was asked for where the spec says that it is."""
        lines = []
        for path, name in self._copies.items():
            here = self._in_context(path)
            moved = next(
                (f"{place}{path.removeprefix(top)}" for top, place in self._moved.items() if below(top, path)), ""
            )
            source = shlex.quote(here) if here is not None and not moved else moved
            if not name:
                lines.append(f"cp {source} {_OUTPUT}")
            else:
                target = f"{BUILD}/{ARCHITECTURE}/{name}"
                lines.append(f"mkdir -p {posixpath.dirname(target)} && rm -rf {target} && cp -RH {source} {target}")
        return lines
