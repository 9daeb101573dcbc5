"""A Dockerfile as a spec: the last stage becomes the image, the others what is copied out of them."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from imagekit.architecture import ARCHITECTURES
from imagekit.dockerfile import installs
from imagekit.dockerfile.builders import Builders
from imagekit.dockerfile.contained import ENGINE
from imagekit.dockerfile.copying import BUILD, GLOB, Copies, Parts, mode_of
from imagekit.dockerfile.downloads import Downloads
from imagekit.dockerfile.recipe import Copied, Recipe, Said, placeholder, plain, written
from imagekit.dockerfile.shell import Command, commands
from imagekit.dockerfile.stages import FOLDERS, Stage, Stages, State, instructions
from imagekit.dockerfile.starting import Start
from imagekit.dockerfile.surroundings import Form, Kind, Surroundings
from imagekit.dockerfile.syntax import Dockerfile, Instruction
from imagekit.dockerfile.words import pairs

#: Instructions that mean nothing on Lambda, and why.
_MEANINGLESS: Final = {
    "EXPOSE": "nothing listens on Lambda: events come through the Runtime API",
    "HEALTHCHECK": "Lambda asks for no health",
    "STOPSIGNAL": "Lambda sends SIGTERM and SIGKILL",
    "USER": "Lambda runs every image as a user of its own",
    "VOLUME": "Lambda has no volumes: only /tmp can be written to",
    "ONBUILD": "it is for images that are built on this one",
}
#: Commands that leave nothing in an image which imagekit makes.
_NOTHING: Final = frozenset({"set", "true", ":", "echo", "cd", "ls", "pwd", "which", "test", "env", "chown", "cat"})
_CACHES: Final = ("/var/cache", "/tmp", "/root/.cache", "/var/log", "/var/lib/dnf", "/var/tmp")
_BY_HAND: Final = (
    "say it under `run`, with `engine: docker`, which runs commands in a container of the base; or do it in a step "
    "under `build`, and bring what it makes with `files`"
)


def convert(dockerfile: Dockerfile, name: str, around: Surroundings) -> Recipe:
    """The spec, and what could not be taken over; raises InvalidFile for a Dockerfile that no builder takes."""
    stages = Stages.of(dockerfile)
    recipe = Recipe(name, dockerfile.name)
    _Final(stages, recipe, around).convert()
    return recipe


class _Final:
    """The last stage, with those that it is built on."""

    def __init__(self, stages: Stages, recipe: Recipe, around: Surroundings) -> None:
        self._stages, self._recipe, self._around = stages, recipe, around
        self._chain = stages.chain(stages.all[-1])
        self._image = self._chain[0].image
        self._system, self._form = around.system(self._image)
        folders = {*self._system.directories, *FOLDERS.values(), *("/tmp", "/opt", "/usr/local/bin")}
        self._builders = Builders(stages, recipe, around)
        self._downloads = Downloads(recipe)
        self._copies = Copies(recipe, around, self._downloads, folders)
        self._start = Start(recipe, around)
        self._state = State(stages, of_base=True)
        #: Commands that the next step begins with.
        self._before: list[str] = []

    def convert(self) -> None:
        """Fill the recipe."""
        self._base()
        handlers: dict[str, Callable[[Instruction], None]] = {
            "COPY": self._copy,
            "ADD": self._copy,
            "RUN": self._run,
            "LABEL": self._label,
            "MAINTAINER": lambda one: self._labelled("maintainer", one.text, one.line),
            "CMD": lambda one: self._start.take(one, self._state.shell),
            "ENTRYPOINT": lambda one: self._start.take(one, self._state.shell),
        }
        for one in instructions(self._chain):
            try:
                if one.name in handlers:
                    handlers[one.name](one)
                elif one.name in _MEANINGLESS:
                    self._recipe.leave(one.line, f"{one.name} {one.text}", f"nothing: {_MEANINGLESS[one.name]}")
                else:
                    before = dict(self._state.environment)
                    self._state.take(one)
                    self._environment(one, before)
            except ValueError as error:
                self._recipe.leave(one.line, f"{one.name}: {error}", "write it into the spec by hand")
        self._downloads.finish()
        line = self._chain[0].line
        self._start.finish(self._image, self._form, line, self._state.directory)
        self._builders.finish()
        self._end(line)

    def _base(self) -> None:
        line, image = self._chain[0].line, self._image
        self._recipe.say("language", self._around.any_language, line)
        self._recipe.say("os", self._system.name, line)
        own = self._system.reference
        tag = image.rpartition("/")[2].partition("@")[0]
        wanted = next((one for one in ARCHITECTURES if tag.endswith((f"-{one.name}", f"-{one.oci}"))), None)
        platform = self._chain[-1].platform or self._chain[0].platform
        wanted = wanted or next((one for one in ARCHITECTURES if one.platform == platform), None)
        if wanted:
            self._recipe.say("architectures", [wanted.name], line)
        elif platform and plain(platform):
            self._recipe.leave(line, f"--platform={platform}", "name `architectures`: x86_64, arm64 or both")
        if self._form is Form.PLAIN:
            self._recipe.leave(
                line,
                f"FROM {image}",
                f"nothing: the spec builds on {own}, which is that system with Lambda's entrypoint",
            )
        elif self._form is None:
            self._unknown(image, line)
        elif image != own and not (wanted and image in {f"{own}-{wanted.name}", f"{own}-{wanted.oci}"}):
            self._recipe.say("base", written(image), line)

    def _unknown(self, image: str, line: int) -> None:
        """An image that may be anything: one of a registry of the user's own may be built on a known one."""
        host = image.partition("/")[0]
        if "/" in image and ("." in host or ":" in host):
            self._recipe.say("base", written(image), line)
            self._recipe.leave(
                line,
                f"FROM {image} is taken to be built on {self._system.reference}",
                "correct `os`, if it is another system; `bootstrap: {image, paths}` keeps what it starts",
            )
            return
        self._recipe.leave(
            line,
            f"FROM {image} is no system that imagekit knows; the spec builds on {self._system.reference}",
            "check that what is copied into the image runs there, and name its packages as that system does",
        )

    def _environment(self, one: Instruction, before: dict[str, str]) -> None:
        if one.name == "WORKDIR":
            if self._state.directory != FOLDERS["LAMBDA_TASK_ROOT"] and one is _last(self._chain, "WORKDIR"):
                self._recipe.leave(
                    one.line,
                    f"WORKDIR {self._state.directory}",
                    f"programs start in {FOLDERS['LAMBDA_TASK_ROOT']}: name files by their whole paths",
                )
        elif one.name == "ENV":
            for name, value in self._state.environment.items():
                if before.get(name) != value or name not in before:
                    self._variable(name, value, one.line)

    def _variable(self, name: str, value: str, line: int) -> None:
        if FOLDERS.get(name) == value:
            return
        text = written(value)
        if any(placeholder(word) in value for word in ("oci_arch", "rpm_arch")):
            self._recipe.leave(
                line, f"ENV {name}={text}", "variables are the same for all architectures: say it another way"
            )
            return
        self._recipe.mappings["environment"][name] = Said(value=text, line=line)

    def _label(self, one: Instruction) -> None:
        for name, value in pairs(one.text, self._state.scope):
            self._labelled(name, value, one.line)

    def _labelled(self, name: str, value: str, line: int) -> None:
        """Labels have no placeholders: their braces are braces."""
        if plain(value):
            self._recipe.mappings["labels"][name] = Said(value=value, line=line)
        else:
            self._recipe.leave(line, f"LABEL {name}", "write its value into `labels`")

    def _copy(self, one: Instruction) -> None:
        parts = self._copies.parts(one, self._state)
        origin = self._state.scope.expand(one.flag("from"))
        if not origin:
            self._copies.take(one, parts)
            return
        stage = self._stages.named(origin, self._chain[-1].number)
        for source in parts.sources:
            path = posixpath.normpath(posixpath.join("/", source))
            if stage is None and GLOB.search(path):
                self._recipe.leave(
                    one.line, f"the pattern {path} of {origin}", "name the files one by one, or the folder of them"
                )
            elif stage is None:
                self._copies.place(one, {"image": written(origin), "source": path, "target": written(parts.target)})
            else:
                self._out_of(one, stage.number, path, parts)

    def _out_of(self, one: Instruction, number: int, path: str, parts: Parts) -> None:
        """A path of another stage; a file may turn out to be the program that is started."""
        builder = self._builders.of(self._stages.all[number])
        target = posixpath.join(parts.target, posixpath.basename(path)) if parts.target.endswith("/") else parts.target
        if builder.builds and self._is_program(target, path):
            self._start.made[target] = (one.line, builder, path)
            return
        item = builder.item(path, one.line)
        if item:
            self._copies.place(one, {**item, "target": written(parts.target)})

    def _is_program(self, target: str, path: str) -> bool:
        """True for what ENTRYPOINT names, or Lambda's own place."""
        entry = _last(self._chain, "ENTRYPOINT")
        words = entry.words or tuple(shlex.split(entry.text, posix=True)) if entry else ()
        named = posixpath.normpath(posixpath.join(self._state.directory, words[0])) if words else ""
        if named and len(words) == 1 and "lambda-entrypoint" not in named:
            return target == named
        return target == f"{FOLDERS['LAMBDA_RUNTIME_DIR']}/bootstrap"

    def _run(self, one: Instruction) -> None:
        text = shlex.join(one.words) if one.words else one.text
        if one.heredocs and text.startswith("<<"):
            text = "\n".join(heredoc.text for heredoc in one.heredocs)
        elif one.heredocs:
            self._recipe.leave(one.line, f"`{text}`", "write its text to a file, and bring that with `files`")
            return
        directory = self._state.directory
        for command in commands(text):
            if command.name == "cd" and len(command.arguments) == 1:
                self._state.directory = (
                    self._state.path(self._state.scope.expand(command.arguments[0])).rstrip("/") or "/"
                )
            elif not self._command(command, one.line):
                self._recipe.leave(one.line, f"`{command.text}`", _BY_HAND)
        self._state.directory = directory

    def _command(self, command: Command, line: int) -> bool:
        """Take over one command of the image's own system; False for one that is not understood."""
        if installs.install(command, self._state.scope, self._recipe, line) or self._downloads.take(
            command, self._state, line
        ):
            return True
        if command.name in installs.OTHERS:
            self._recipe.leave(
                line, f"`{command.text}`", f"name what {self._system.name} calls these packages under `packages`"
            )
            return True
        if command.name == "chmod" and len(command.arguments) >= 2:
            return all(self._chmod(command.words[1], path) for path in command.words[2:])
        if command.name in {"rm", "mkdir"}:
            return all(self._is_nothing(command.name, path) for path in command.arguments)
        return (
            command.name in _NOTHING
            or self._prepares(command)
            or not (command.words or command.pipe or command.text)
            or self._steps(command, line)
        )

    def _is_nothing(self, name: str, text: str) -> bool:
        path = self._state.path(self._state.scope.expand(text))
        if name == "mkdir":  # a folder is there once something is in it
            return True
        return any(path == cache or path.startswith(f"{cache}/") for cache in _CACHES)

    def _chmod(self, mode: str, text: str) -> bool:
        path = self._state.path(self._state.scope.expand(text))
        wanted = mode_of(mode)
        if self._downloads.mode(path, wanted) or path in self._start.made:
            return True
        for number, copied in enumerate(self._recipe.files):
            if copied.path == path and self._around.kind(str(copied.item["source"])) is not Kind.FOLDER:
                self._recipe.files[number] = copied.also(mode=wanted)
                return True
            inner = posixpath.relpath(path, str(copied.item["target"]).rstrip("/") or "/")
            source = posixpath.normpath(posixpath.join(str(copied.item["source"]), inner))
            if not inner.startswith("..") and self._around.kind(source) is Kind.FILE:
                target = {"source": source, "target": path, "mode": wanted}
                self._recipe.files[number] = copied.also(exclude=[*copied.item.get("exclude", ()), f"/{inner}"])
                self._recipe.files.append(Copied(line=copied.line, item=target))
                return True
        return False

    def _prepares(self, command: Command) -> bool:
        """True for what only makes ready for a command that installs dependencies, and is done right before it."""
        tool = command.name == "gem" and self._form is Form.RUNTIME
        if tool or (command.name in _DEPENDENCIES and command.words[1:2] == ("config",)):
            self._before.append(command.text)
            return True
        return False

    def _steps(self, command: Command, line: int) -> bool:
        """What a package manager of a language installs beside the code: a step does it, below `build/`."""
        task = FOLDERS["LAMBDA_TASK_ROOT"]
        if not command.words or command.name not in _DEPENDENCIES or command.assigned:
            return False
        if command.words[1:2] not in {("install",), ("ci",), ("i",)}:
            return False
        folder, option = _DEPENDENCIES[command.name]
        words = [self._state.scope.expand(word) if "$" in word else word for word in command.words]
        target = next((following for word, following in pairwise(words) if word in _TARGETS), "")
        here = f'{BUILD}/"$IMAGEKIT_ARCHITECTURE"/{folder}'
        if option and target:
            if self._state.path(target) != task and not self._state.path(target).startswith(("/opt", task)):
                return False
            place = self._state.path(target)
            kept = [shlex.quote(word) if word != target else here for word in words]
            run = " ".join(kept).replace(shlex.quote(task + "/"), "")
        elif not option and self._state.directory == task:
            place = f"{task}/{folder}"
            run = (
                f'{command.text} && mkdir -p {BUILD}/"$IMAGEKIT_ARCHITECTURE" && rm -rf {here} && cp -R {folder} {here}'
            )
        else:
            return False
        source = f"{BUILD}/{{architecture}}/{folder}"
        step: dict[str, Any] = {"run": " && ".join((*self._before, run))}
        self._before.clear()
        if self._form is Form.RUNTIME:  # its interpreter is in the base
            step |= {"in": "base", "outputs": [source]}
            there = [str(one.value) for one in self._recipe.lists.get("packages", ())]
            if packages := [name for name in there if "/" not in name]:  # some may be removed again
                step["packages"] = packages
            self._tool(command, line)
        self._recipe.add("build", step, line)
        self._recipe.files.append(Copied(line=line, item={"source": source, "target": place.rstrip("/")}))
        self._recipe.leave(line, *self._installed(command))
        return True

    def _tool(self, command: Command, line: int) -> None:
        """Note a program that a COPY brought: a container of the base alone has not got it."""
        for copied in self._recipe.files:
            if posixpath.basename(copied.path) == command.name:
                self._recipe.leave(
                    line,
                    f"`{command.text}` runs {copied.path}, copied in line {copied.line}: the step has not got it",
                    "have the step install it, or run it `in` an image that has it",
                )

    def _installed(self, command: Command) -> tuple[str, str]:
        """What is said of a step that installs dependencies."""
        if self._form is Form.RUNTIME:
            return (
                f"`{command.text}` is a step under `build`, in a container of the base for each architecture",
                ENGINE,
            )
        return (
            f"`{command.text}` is a step under `build` now: it runs on this machine, once for each architecture",
            "see that it installs for the image's interpreter and for $IMAGEKIT_ARCHITECTURE; `imagekit init` without "
            "--from shows the languages whose dependencies imagekit installs by itself",
        )

    def _end(self, line: int) -> None:
        """What can be said only when everything was read."""
        steps = bool(self._recipe.lists.get("build"))
        for number, copied in enumerate(self._recipe.files):
            if steps and copied.item.get("source") == "." and "image" not in copied.item:
                self._recipe.files[number] = copied.also(exclude=[*copied.item.get("exclude", ()), f"/{BUILD}/"])
        self._recipe.names_one_architecture()
        if "handler" not in self._recipe.keys and self._form is Form.RUNTIME:
            self._recipe.leave(line, "no CMD names a handler", "add `handler`, or the function's own settings have to")


#: Commands that install a language's packages: the folder, and whether an option says where it is.
_DEPENDENCIES: Final = {
    "pip": ("site-packages", True),
    "pip3": ("site-packages", True),
    "npm": ("node_modules", False),
    "yarn": ("node_modules", False),
    "composer": ("vendor", False),
    "bundle": ("vendor", False),
}
_TARGETS: Final = ("--target", "-t")


def _last(chain: tuple[Stage, ...], name: str) -> Instruction | None:
    found = [one for one in instructions(chain) if one.name == name]
    return found[-1] if found else None
