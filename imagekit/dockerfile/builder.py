"""A stage that something is only copied out of: its commands as steps of the build, on this machine.

The stage's file system and the context are the same place by `anchors`: where the context was copied to. What the
commands make elsewhere they are told to make below `build/`; what is copied out goes there too, once an architecture.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from imagekit.dockerfile.copying import BUILD, Parts
from imagekit.dockerfile.installs import OTHERS, RPM
from imagekit.dockerfile.recipe import Recipe, placeholder, plain, written
from imagekit.dockerfile.shell import Command, commands
from imagekit.dockerfile.stages import PLATFORM, Stage, Stages, State, instructions
from imagekit.dockerfile.surroundings import Compiled, Kind, Surroundings
from imagekit.dockerfile.syntax import Instruction
from imagekit.values import dataclass

_ARCHITECTURE: Final = '"$IMAGEKIT_ARCHITECTURE"'
_OUTPUT: Final = '"$IMAGEKIT_OUTPUT"'
_SPACES: Final = re.compile(r"[ \t]{2,}(?=-)")
_TARGET: Final = re.compile(r"\$(?:\{TARGETARCH\}|TARGETARCH\b)")
#: What a container has and this machine may have another way.
_MACHINES_OWN: Final = frozenset({"PATH", "HOME", "LD_LIBRARY_PATH", "GOPATH", "GOROOT", "CARGO_HOME", "RUSTUP_HOME"})
#: Commands that put tools into the stage.
_TOOLS: Final = frozenset({*OTHERS, *RPM, "amazon-linux-extras", "rustup", "useradd", "groupadd"})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    """A command: its line, the folder of the stage that it runs in, its text, and the variables there."""

    line: int
    directory: str
    text: str
    variables: tuple[tuple[str, str], ...]


class Builder:
    """One such stage, with those that it is built on."""

    def __init__(self, stage: Stage, builders: Builders) -> None:
        self._builders = builders
        self._stages, self._recipe, self._around = builders.stages, builders.recipe, builders.around
        self.chain = self._stages.chain(stage)
        self.stage = stage
        self.image = self.chain[0].image
        self.language: Compiled | None = self._around.compiled(self.image)
        #: Places of the stage and what of the context, or of another image, is there.
        self._anchors: list[tuple[str, str]] = []
        self._images: list[tuple[str, str, str]] = []
        self._others: list[tuple[str, Builder, str]] = []
        self._runs: list[_Run] = []
        self._tools: list[tuple[int, str]] = []
        self._copies: dict[str, str] = {}
        self._moved: dict[str, str] = {}
        self._read()

    @property
    def builds(self) -> bool:
        """True when it runs something; else its files are the context's or other images'."""
        return bool(self._runs)

    def item(self, path: str, line: int) -> dict[str, Any] | None:
        """What an item of `files` says of a path of the stage; None, and noted, where that is not known."""
        for top, image, source in reversed(self._images):
            if inner := _below(top, path):
                return {"image": written(image), "source": posixpath.join(source, inner).rstrip("/.") or "/"}
        for top, other, source in reversed(self._others):
            if inner := _below(top, path):
                return other.item(posixpath.normpath(posixpath.join(source, inner)), line)
        here = self._in_context(path)
        if here is not None and (here == "." or self._around.kind(here) is not Kind.NONE):
            return {"source": written(here)}
        if not self.builds and here is None:
            if not self._anchors and not self._tools:
                return {"image": written(self.image), "source": path}
        elif self._makes(path, here):
            return {"source": f"{BUILD}/{{architecture}}/{self._output(path)}"}
        tools = f"`{self._tools[0][1]}` installs it there, perhaps" if self._tools else "nothing in it says how"
        self._recipe.leave(
            line,
            f"{path} comes out of the stage {self.stage.name or self.stage.number} on {self.image}: {tools}",
            "bring it with `packages`, or with `files: [{image: …, source: …}]`",
        )
        return None

    def program(self, path: str, line: int) -> bool:
        """Make a path of the stage the bootstrap that the build makes; False, and noted, where it is not made here."""
        for top, other, source in reversed(self._others):
            if inner := _below(top, path):
                return other.program(posixpath.normpath(posixpath.join(source, inner)), line)
        if not self._makes(path, self._in_context(path)):
            return False
        self._copies[path] = ""
        return True

    def finish(self) -> None:
        """Add the steps, when something of what they make was asked for."""
        if not self._runs or not (self._copies or self._moved or self._anchors):
            return
        for line, text in self._tools:
            self._recipe.leave(
                line, f"`{text}`: tools of the stage", "install them on this machine, if they are missing"
            )
        last = self.stage.line
        steps: list[dict[str, Any]] = []
        for directory, runs in self._groups():
            step: dict[str, Any] = {"run": " && ".join(self._text(run, directory) for run in runs)}
            if directory != ".":
                step["directory"] = written(directory)
            variables = {name: value for run in runs for name, value in run.variables if plain(value)}
            if variables:
                step["environment"] = variables
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

    def _read(self) -> None:
        state = State(self._stages, of_base=False)
        if self._around.system(self.image)[1]:
            state = State(self._stages, of_base=True)
        for one in instructions(self.chain):
            try:
                if not state.take(one):
                    self._take(one, state)
            except ValueError as error:
                self._recipe.leave(one.line, f"{one.name}: {error}", "write it into the spec by hand")

    def _take(self, one: Instruction, state: State) -> None:
        if one.name in {"COPY", "ADD"}:
            self._copied(one, Parts.of(one, state, lambda path: path == state.directory), state)
        elif one.name == "RUN":
            self._mounted(one, state)
            self._ran(one, state)

    def _copied(self, one: Instruction, parts: Parts, state: State) -> None:
        origin = state.scope.expand(one.flag("from"))
        stage = self._stages.named(origin, self.stage.number) if origin else None
        other = self._builders.of(stage) if stage else None
        for source in parts.sources:
            into = parts.target.endswith("/")
            target = parts.target.rstrip("/") or "/"
            path = posixpath.normpath(source.lstrip("/") or ".")
            if origin:
                place = (
                    posixpath.join(target, posixpath.basename(path))
                    if into and "." in posixpath.basename(path)
                    else target
                )
                if other:
                    self._others.append((place, other, posixpath.normpath(source)))
                else:
                    self._images.append((place, origin, posixpath.normpath(source)))
            elif "://" in source or source.startswith("<<") or any(mark in path for mark in "*?["):
                if into and not source.startswith("<<"):
                    self._anchors.append((target, posixpath.dirname(path) or "."))
            elif path == "." or not into or self._around.kind(path) is Kind.FOLDER:
                self._anchors.append((target, path))
            else:
                self._anchors.append((target, posixpath.dirname(path) or "."))

    def _mounted(self, one: Instruction, state: State) -> None:
        for name, value in one.flags:
            fields = dict(field.partition("=")[::2] for field in value.split(",")) if name == "mount" else {}
            if fields.get("type", "bind") == "bind" and fields and "from" not in fields:
                target = fields.get("target") or fields.get("dst") or fields.get("destination") or "."
                self._anchors.append(
                    (state.path(target).rstrip("/") or "/", fields.get("source", fields.get("src", ".")))
                )
            elif fields.get("type") == "secret":
                self._recipe.leave(
                    one.line,
                    f"the secret {fields.get('id', '')}",
                    "set it in the environment of `imagekit build`: steps see it, and images do not",
                )

    def _ran(self, one: Instruction, state: State) -> None:
        text = shlex.join(one.words) if one.words else one.text
        script = "\n".join(heredoc.text for heredoc in one.heredocs) if one.heredocs and text.startswith("<<") else text
        directory = state.directory
        for command in commands(script):
            if _installs_tools(command):
                self._tools.append((one.line, command.text))
            elif command.name == "cd" and len(command.arguments) == 1 and "$" not in command.arguments[0]:
                directory = posixpath.normpath(posixpath.join(directory, command.arguments[0]))
            elif command.name not in {"set", "true", ":"}:
                self._runs.append(_run(one.line, directory, command.text, state.variables))

    def _in_context(self, path: str) -> str | None:
        """The path of the context that a path of the stage is; the longest anchor counts."""
        best: tuple[int, str] | None = None
        for top, source in self._anchors:
            inner = _below(top, path)
            if inner and (best is None or len(top) > best[0]):
                best = (len(top), posixpath.normpath(posixpath.join(source, inner)))
        return best[1] if best else None

    def _makes(self, path: str, here: str | None) -> bool:
        """True when the commands can have made it: below the context, or named by one of them."""
        if here is not None:
            return self.builds
        top = self._top(path)
        if top:
            self._moved[top] = f"{BUILD}/{_ARCHITECTURE}/{self._folder}{top}"
        return bool(top)

    @property
    def _folder(self) -> str:
        return re.sub(r"[^A-Za-z0-9_.-]", "-", self.stage.name or f"stage{self.stage.number}")

    def _top(self, path: str) -> str:
        """The highest folder of a path, or itself, that a command names; empty when none does."""
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts) + 1):
            top = "/" + "/".join(parts[:depth])
            if any(_named(top).search(run.text) for run in self._runs):
                return top
        return ""

    def _output(self, path: str) -> str:
        """Where a path is put below `build/{architecture}`, and noted to be put there."""
        top = next((top for top in self._moved if _below(top, path)), "")
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

    def _groups(self) -> Iterator[tuple[str, list[_Run]]]:
        """Commands that follow each other in one folder of the context."""
        group: list[_Run] = []
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

    def _directory(self, run: _Run) -> str:
        here = self._in_context(run.directory)
        if here is None or (here != "." and self._around.kind(here) is not Kind.FOLDER):
            return "."
        return here

    def _text(self, run: _Run, directory: str) -> str:
        """A command as it runs here: places of the stage are those of the context."""
        text = _SPACES.sub(" ", _TARGET.sub("$IMAGEKIT_OCI_ARCH", run.text))
        up = "" if directory == "." else "../" * len(directory.split("/"))
        for top, place in sorted(self._moved.items(), key=lambda item: -len(item[0])):
            text = _named(top).sub(lambda _, place=place: f"{up}{place}", text)  # type: ignore[misc]
        for top, source in sorted(self._anchors, key=lambda item: -len(item[0])):
            if top != "/":
                text = _named(top).sub(lambda _, source=source: posixpath.relpath(source, directory), text)  # type: ignore[misc]
        exports = "".join(
            f'{name}="{value.replace(placeholder("oci_arch"), "$IMAGEKIT_OCI_ARCH")}" '
            for name, value in run.variables
            if not plain(value)
        )
        return f"export {exports}&& {text}" if exports else text

    def _gathered(self) -> list[str]:
        """Commands that put what was asked for where the spec says that it is."""
        lines = []
        for path, name in self._copies.items():
            here = self._in_context(path)
            moved = next(
                (f"{place}{path.removeprefix(top)}" for top, place in self._moved.items() if _below(top, path)), ""
            )
            source = shlex.quote(here) if here is not None and not moved else moved
            if not name:
                lines.append(f"cp {source} {_OUTPUT}")
            else:
                target = f"{BUILD}/{_ARCHITECTURE}/{name}"
                lines.append(f"mkdir -p {posixpath.dirname(target)} && rm -rf {target} && cp -R {source} {target}")
        return lines


class Builders:
    """The stages that are only copied out of, each read once."""

    def __init__(self, stages: Stages, recipe: Recipe, around: Surroundings) -> None:
        self.stages, self.recipe, self.around = stages, recipe, around
        self._made: dict[int, Builder] = {}

    def of(self, stage: Stage) -> Builder:
        """The builder of a stage."""
        if stage.number not in self._made:
            self._made[stage.number] = Builder(stage, self)
        return self._made[stage.number]

    def finish(self) -> None:
        """Add all steps, in the order of the stages."""
        for number in sorted(self._made):
            self._made[number].finish()


def _run(line: int, directory: str, text: str, variables: Mapping[str, str]) -> _Run:
    """A command with the variables that it may need; those that are paths of the stage are put in their places."""
    kept = []
    for name, value in variables.items():
        if value.startswith("/") and plain(value) and name not in _MACHINES_OWN:
            text = re.sub(rf"\$(?:\{{{name}\}}|{name}\b)", lambda _, value=value: value, text)  # type: ignore[misc]
        elif name not in _MACHINES_OWN and name not in PLATFORM:
            kept.append((name, value))
    return _Run(line=line, directory=directory, text=text, variables=tuple(kept))


def _below(top: str, path: str) -> str:
    """What leads from a folder to a path in it, `.` for itself; empty when it is not in it."""
    if path == top:
        return "."
    prefix = top if top.endswith("/") else f"{top}/"
    return path.removeprefix(prefix) if path.startswith(prefix) else ""


def _named(path: str) -> re.Pattern[str]:
    """A path in a command, by itself or with more behind it."""
    return re.compile(rf"(?<![\w./$}}-]){re.escape(path)}(?![\w.-])")


def _installs_tools(command: Command) -> bool:
    text = command.words or tuple(command.text.split())
    words: Sequence[str] = [word for word in text if word not in {"sudo", "-E"}]
    name = posixpath.basename(words[0]) if words else ""
    return name in _TOOLS or tuple(words[:3]) in {
        ("npm", "install", "-g"),
        ("npm", "i", "-g"),
        ("pip", "install", "--upgrade"),
    }
