"""A stage that something is only copied out of, as it is read: places, commands, what it takes from elsewhere.

The stage's file system and the context are the same place by `anchors`: where the context was copied to.
"""

from __future__ import annotations

import posixpath
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from imagekit.dockerfile.copying import GLOB, Parts
from imagekit.dockerfile.harmless import script
from imagekit.dockerfile.recipe import plain, written
from imagekit.dockerfile.shell import commands
from imagekit.dockerfile.stages import PLATFORM, Stage, State, instructions
from imagekit.dockerfile.surroundings import Compiled, Kind
from imagekit.dockerfile.syntax import Instruction
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit.dockerfile.builders import Builders

#: What the image's architecture is called while a step runs.
ARCHITECTURE: Final = '"$IMAGEKIT_ARCHITECTURE"'
#: What a container has and this machine may have another way.
MACHINES_OWN: Final = frozenset({"PATH", "HOME", "LD_LIBRARY_PATH", "GOPATH", "GOROOT", "CARGO_HOME", "RUSTUP_HOME"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A command: its line, the folder of the stage that it runs in, its text, and the variables there."""

    line: int
    directory: str
    text: str
    variables: tuple[tuple[str, str], ...]


class Reading(ABC):
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
        self._others: list[tuple[str, Reading, str]] = []
        self._runs: list[Run] = []
        self._secrets: list[str] = []
        #: What is asked for, and what it is called below `build/`; empty for the program that is started.
        self._copies: dict[str, str] = {}
        self._read()

    @property
    def builds(self) -> bool:
        """True when it runs something; else its files are the context's or other images'."""
        return bool(self._runs)

    def item(self, path: str, line: int) -> dict[str, Any] | None:
        """What an item of `files` says of a path of the stage; None, and noted, where that is not known."""
        if not self._knows(path):
            self._recipe.leave(
                line,
                f"the pattern {path} of {self._title}",
                "name the files one by one, or the folder that they are in",
            )
            return None
        for top, image, source in reversed(self._images):
            if inner := below(top, path):
                return {"image": written(image), "source": posixpath.join(source, inner).rstrip("/.") or "/"}
        for top, other, source in reversed(self._others):
            if inner := below(top, path):
                return other.item(posixpath.normpath(posixpath.join(source, inner)), line)
        return self._own(path, line)

    def program(self, path: str, line: int) -> bool:
        """Make a path of the stage the bootstrap that the build makes; False, and noted, where it is not made here."""
        for top, other, source in reversed(self._others):
            if inner := below(top, path):
                return other.program(posixpath.normpath(posixpath.join(source, inner)), line)
        if not self._makes(path, self._in_context(path)):
            return False
        self._copies[path] = ""
        return True

    def _knows(self, path: str) -> bool:
        """False for a path that has to be looked for."""
        return not GLOB.search(path)

    @abstractmethod
    def _brings(self, one: Instruction, source: str, target: str) -> None:
        """Something of the context is copied into the stage."""

    @abstractmethod
    def finish(self) -> None:
        """Add the steps, when something of what they make was asked for."""

    @abstractmethod
    def _own(self, path: str, line: int) -> dict[str, Any] | None:
        """The same for what neither another stage nor another image brought."""

    @abstractmethod
    def _makes(self, path: str, here: str | None) -> bool:
        """True when the commands can have made it; `here` is where it is in the context."""

    @property
    def _title(self) -> str:
        return f"the stage {self.stage.name or self.stage.number}"

    @property
    def _folder(self) -> str:
        return re.sub(r"[^A-Za-z0-9_.-]", "-", self.stage.name or f"stage{self.stage.number}")

    def _read(self) -> None:
        state = State(self._stages, of_base=bool(self._around.system(self.image)[1]), names_base=True)
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
        if not self._in_known_folder(one, state):
            self._recipe.leave(
                one.line,
                f"{one.name} into the folder that {self.image} starts in, which is not known: it is taken to be /",
                "say WORKDIR in the Dockerfile and convert again, if it is another",
            )
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
                    self._brought(one.line, other, posixpath.normpath(source), parts.target)
                else:
                    self._images.append((place, origin, posixpath.normpath(source)))
                continue
            if "://" in source or source.startswith(("<<", "git@")):
                self._recipe.leave(
                    one.line, f"{one.name} {source} {target} in {self._title}", "let a step under `build` bring it"
                )
                continue
            self._brings(one, path, parts.target)
            if GLOB.search(path):
                if into:
                    self._anchor(target, posixpath.dirname(path) or ".")
            elif path == "." or not into or self._around.kind(path) is Kind.FOLDER:
                self._anchor(target, path)
            else:
                self._anchor(target, posixpath.dirname(path) or ".")

    def _in_known_folder(self, one: Instruction, state: State) -> bool:
        """False for a target that depends on the image's own WORKDIR."""
        words = one.words or state.scope.words(one.text)
        named = any(it.name == "WORKDIR" and it.line < one.line for it in instructions(self.chain))
        return named or words[-1].startswith("/") or bool(self._around.system(self.image)[1])

    def _brought(self, line: int, other: Reading, source: str, target: str) -> None:
        """See that what another stage makes is there for the commands: its step puts it below `build/`."""
        item, into = other.item(source, line), self._place(target)
        if item is None or "image" in item or not into:
            return
        made = self._source(str(item["source"]).replace("{architecture}", ARCHITECTURE))
        above = into if into.endswith("/") else posixpath.dirname(into) or "."
        text = (
            f"if [ -d {made} ]; then mkdir -p {into} && cp -R {made}/. {into}; "
            f"else mkdir -p {above} && cp {made} {into}; fi"
        )
        self._runs.append(run_of(line, "/", text, {}))

    @abstractmethod
    def _place(self, target: str) -> str:
        """Where commands find a path of the stage; empty where it is nowhere. A slash at the end stays."""

    @abstractmethod
    def _source(self, path: str) -> str:
        """Where commands find a path of the context."""

    def _anchor(self, place: str, source: str) -> None:
        """Note where something of the context is; where it lies as in the context, so does all around it."""
        self._anchors.append((place, source))
        top = place.removesuffix(f"/{source}") or "/"
        if source != "." and top != place and all(known != top for known, _ in self._anchors):
            self._anchors.append((top, "."))

    def _mounted(self, one: Instruction, state: State) -> None:
        for name, value in one.flags:
            fields = dict(field.partition("=")[::2] for field in value.split(",")) if name == "mount" else {}
            if fields.get("type", "bind") == "bind" and fields and "from" not in fields:
                target = fields.get("target") or fields.get("dst") or fields.get("destination") or "."
                source = posixpath.normpath(fields.get("source", fields.get("src", ".")).lstrip("/") or ".")
                self._anchor(state.path(target).rstrip("/") or "/", source)
                self._brings(one, source, state.path(target).rstrip("/") or "/")
            elif "from" in fields and fields.get("type", "bind") == "bind":
                self._recipe.leave(
                    one.line,
                    f"--mount={value} in {self._title}",
                    f"copy what it needs of {fields['from']} beside the spec first",
                )
            elif fields.get("type") == "secret":
                self._secret(one.line, fields)

    def _secret(self, line: int, fields: Mapping[str, str]) -> None:
        """A secret is a variable of imagekit's machine; its name there is the one that commands know."""
        target = fields.get("target") or fields.get("dst") or fields.get("destination") or ""
        known = fields.get("id") or posixpath.basename(target)
        secret = fields.get("env") or known
        self._secrets.append(secret)
        named = secret if secret == known else f"{known}, as the variable {secret}"
        self._recipe.leave(
            line,
            f"the secret {named}",
            f"set the variable {secret} where `imagekit build` runs: the step sees it, and images do not",
        )
        if target:
            self._recipe.leave(
                line,
                f"the secret {known} at {target}",
                f"have the command read the variable {secret}; in a container it is also in /run/secrets/{secret}",
            )

    def _ran(self, one: Instruction, state: State) -> None:
        text = script(one)
        if one.heredocs and "<<" in text:
            self._recipe.leave(one.line, f"`{text}`", "write its text to a file, and use that in a step under `build`")
            return
        directory = state.directory
        for command in commands(text):
            if command.name == "cd" and len(command.arguments) == 1 and "$" not in command.arguments[0]:
                directory = posixpath.normpath(posixpath.join(directory, command.arguments[0]))
            elif command.name not in {"set", "true", ":"}:
                # What decides by itself what runs stands for itself among the commands that all have to succeed.
                alone = f"({command.text}\n)" if "||" in command.text and not command.words else command.text
                self._runs.append(run_of(one.line, directory, alone, state.variables))

    def _in_context(self, path: str) -> str | None:
        """The path of the context that a path of the stage is; the longest anchor counts."""
        best: tuple[int, str] | None = None
        for top, source in self._anchors:
            inner = below(top, path)
            if inner and (best is None or len(top) > best[0]):
                best = (len(top), posixpath.normpath(posixpath.join(source, inner)))
        return best[1] if best else None


def run_of(line: int, directory: str, text: str, variables: Mapping[str, str]) -> Run:
    """A command with the variables that it may need; those that are paths of the stage are put in their places."""
    kept = []
    for name, value in variables.items():
        if value.startswith("/") and plain(value) and name not in MACHINES_OWN:
            text = re.sub(rf"\$(?:\{{{name}\}}|{name}\b)", lambda _, value=value: value, text)  # type: ignore[misc]
        elif name not in PLATFORM or (value and not _only_simple(name, text)):
            kept.append((name, value))
    return Run(line=line, directory=directory, text=text, variables=tuple(kept))


def _only_simple(name: str, text: str) -> bool:
    """True for the image's architecture where each use of it is one that steps have a variable for."""
    return name == "TARGETARCH" and not re.search(r"\$\{TARGETARCH[^}]", text)


def below(top: str, path: str) -> str:
    """What leads from a folder to a path in it, `.` for itself; empty when it is not in it."""
    if path == top:
        return "."
    prefix = top if top.endswith("/") else f"{top}/"
    return path.removeprefix(prefix) if path.startswith(prefix) else ""


def named(path: str) -> re.Pattern[str]:
    """A path in a command where a word or a value begins with it, by itself or with more behind it."""
    return re.compile(rf"(?<![^\s\"'=:,;(<>&|]){re.escape(path)}(?![\w.-])")
