"""ENTRYPOINT and CMD as `bootstrap` and `handler`: what Lambda starts, and what it is told to call."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Any, Final

from imagekit.dockerfile.reading import Reading
from imagekit.dockerfile.recipe import Copied, Recipe, plain, written
from imagekit.dockerfile.stages import FOLDERS
from imagekit.dockerfile.surroundings import Compiled, Form, Kind, Surroundings
from imagekit.dockerfile.syntax import Instruction

#: What Lambda starts in an image of AWS's, by way of its entrypoint.
BOOTSTRAP: Final = f"{FOLDERS['LAMBDA_RUNTIME_DIR']}/bootstrap"
_ENTRYPOINTS: Final = frozenset({"lambda-entrypoint.sh"})
#: Where the spec says that a program is which nothing brings yet.
_MISSING: Final = "bootstrap"


class Start:
    """What the last stage says of how it is started."""

    def __init__(self, recipe: Recipe, around: Surroundings) -> None:
        self._recipe, self._around = recipe, around
        self._entrypoint: tuple[int, tuple[str, ...]] = (0, ())
        self._command: tuple[int, tuple[str, ...]] = (0, ())
        #: Programs that another stage makes, by where they are in the image.
        self.made: dict[str, tuple[int, Reading, str]] = {}

    def take(self, one: Instruction, shell: Sequence[str]) -> None:
        """Note an ENTRYPOINT or a CMD; the last of each counts, and an ENTRYPOINT takes the base's CMD away."""
        words = one.words if one.words is not None else (*shell, one.text)
        if one.name == "ENTRYPOINT":
            self._entrypoint = (one.line, words)
        else:
            self._command = (one.line, words)

    def finish(self, image: str, form: Form | None, line: int, directory: str) -> None:
        """Decide; `image` is what the last stage starts from, in `line`, and `directory` its WORKDIR."""
        entry_line, entrypoint = self._entrypoint
        command_line, command = self._command
        if entrypoint and posixpath.basename(entrypoint[0]) in _ENTRYPOINTS and len(entrypoint) == 1:
            entrypoint = ()
        if entrypoint:
            self._own(entry_line, self._absolute(entrypoint, entry_line, directory), command)
        else:
            self._bases(image, form, line)
        if command and (not entrypoint or len(command) == 1):
            self._handler(command, command_line)

    def _bases(self, image: str, form: Form | None, line: int) -> None:
        """The base's entrypoint, which starts /var/runtime/bootstrap."""
        if self._program(BOOTSTRAP):
            return
        if form is Form.RUNTIME:
            self._recipe.say("bootstrap", {"image": written(image), "paths": [BOOTSTRAP]}, line)
            return
        self._recipe.say("bootstrap", {"path": _MISSING}, line)
        self._recipe.leave(
            line,
            f"nothing brings {BOOTSTRAP}, which is what Lambda starts",
            f"put the executable or script at {_MISSING} beside the spec, or say under `bootstrap` where it is",
        )

    def _own(self, line: int, entrypoint: tuple[str, ...], command: tuple[str, ...]) -> None:
        """An entrypoint of the Dockerfile's own: a program that it brings, or a command in the image."""
        if len(entrypoint) == 1 and self._program(entrypoint[0]):
            return
        self._recipe.say("bootstrap", {"command": [written(word) for word in (*entrypoint, *command)]}, line)

    def _program(self, path: str) -> bool:
        """True when what is at a path of the image is a program that the spec can name as its bootstrap."""
        if path in self.made:
            line, builder, source = self.made[path]
            if builder.program(source, line):
                self._made(builder.language, line)
                return True
            item = builder.item(source, line)
            return item is not None and self._brought(Copied(line=line, item={**item, "target": path}), path)
        return any(self._brought(copied, path) for copied in tuple(self._recipe.files))

    def _made(self, language: Compiled | None, line: int) -> None:
        """The build makes it; where its language is known, that is where its own build would make it, too."""
        if language:
            self._recipe.say("language", language.name, line)
            self._recipe.keys.pop("bootstrap", None)
        else:
            self._recipe.say("bootstrap", {"path": "build/{architecture}/bootstrap"}, line)

    def _brought(self, copied: Copied, path: str) -> bool:
        """Take a file that is copied as the bootstrap, out of a folder also."""
        item: dict[str, Any] = dict(copied.item)
        source = str(item["source"])
        if "image" in item:
            if copied.path != path:
                return False
            if source == path == BOOTSTRAP:
                self._recipe.say("bootstrap", {"image": item["image"], "paths": [path]}, copied.line)
                self._recipe.files = [one for one in self._recipe.files if one is not copied]
            else:
                self._recipe.files = [one for one in self._recipe.files if one is not copied]
                moved = f"{path}.program" if path == BOOTSTRAP else path
                self._recipe.files.append(Copied(line=copied.line, item={**item, "target": moved}))
                self._recipe.say("bootstrap", {"command": [moved]}, copied.line)
            return True
        is_folder = self._around.kind(source) is Kind.FOLDER or "include" in item
        if not is_folder and copied.path == path:
            self._recipe.files = [one for one in self._recipe.files if one is not copied]
            self._recipe.say("bootstrap", {"path": source}, copied.line)
            return True
        inner = posixpath.relpath(path, str(item["target"]).rstrip("/") or "/") if is_folder else ".."
        program = posixpath.normpath(posixpath.join(source, inner))
        if inner.startswith("..") or not plain(program) or self._around.kind(program) is not Kind.FILE:
            return False
        if path == BOOTSTRAP:
            exclude = [*item.get("exclude", ()), f"/{inner}"]
            number = self._recipe.files.index(copied)
            self._recipe.files[number] = copied.also(exclude=exclude)
        self._recipe.say("bootstrap", {"path": program}, copied.line)
        return True

    def _absolute(self, words: tuple[str, ...], line: int, directory: str) -> tuple[str, ...]:
        """The words with the path of the program, which a spec wants whole."""
        first = words[0] if words else ""
        if first.startswith("/"):
            return words
        if "/" in first:
            return (posixpath.normpath(posixpath.join(directory, first)), *words[1:])
        self._recipe.leave(
            line,
            f"{first!r} is looked for on the PATH",
            f"correct /usr/bin/{first} under `bootstrap`, if it is elsewhere",
        )
        return (f"/usr/bin/{first}", *words[1:])

    def _handler(self, command: tuple[str, ...], line: int) -> None:
        words = tuple(command[-1].split()) if command[:1] == ("/bin/sh",) else command
        if not words:
            return
        self._recipe.say("handler", words[0], line)
        if len(words) > 1 or command[:1] == ("/bin/sh",):
            self._recipe.leave(
                line,
                f"CMD {' '.join(words)!r} is not one word in the exec form, which is what Lambda's entrypoint takes",
                f"check `handler`: {words[0]}",
            )
