"""Which commands of a stage may run in the folder of the spec: compilers that leave what is there alone.

Everything else could write over the user's source, remove it, or change the machine: that is for a container's copy.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from imagekit.dockerfile.copying import Parts
from imagekit.dockerfile.shell import MACHINE, commands
from imagekit.dockerfile.stages import Stage, Stages, State, instructions
from imagekit.dockerfile.surroundings import Kind
from imagekit.dockerfile.syntax import Instruction

#: How commands begin that build below the folder, or change nothing.
_COMPILERS: Final = tuple(
    tuple(text.split())
    for text in (
        *("go build", "go vet", "go test", "go version", "go mod download", "go mod verify"),
        *("cargo build", "cargo check", "cargo fetch", "cargo test", "cargo zigbuild", "cargo lambda build"),
        *("npm ci", "npm run", "make", "cmake", "ninja", "cd", "set", "true"),
    )
)
#: What such programs do elsewhere than below the folder, or against what is in it.
_NOT: Final = frozenset({"install", "uninstall", "clean", "distclean", "--install", "-E", "-P"})
#: Variables that a step has, whatever the Dockerfile says.
_OF_STEPS: Final = frozenset({MACHINE, "IMAGEKIT_OCI_ARCH", "IMAGEKIT_ARCHITECTURE", "IMAGEKIT_OUTPUT"})
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
#: An absolute path, one that leads out of the folder, or one of the user's.
_JOINED: Final = re.compile(r"-\w[/~]|-\w\.\./")
_ELSEWHERE: Final = re.compile(r"(?:^|[=:,\s])(/[^\s:,]*)|(?:^|[=:,/\s])(\.\.)(?:$|[/\s])|(?:^|[=:,\s])(~)")


def is_harmless(text: str, value: Callable[[str], str | None], outputs: Sequence[str] = ()) -> bool:
    """True for commands of which each is a compiler's that writes below the folder, or to one of `outputs`.

    `value` knows the variables that the Dockerfile sets; what others hold nobody can say.
    """
    for command in commands(text):
        known = any(command.words[: len(one)] == one for one in _COMPILERS)
        if not known or _NOT.intersection(command.words):
            return False  # also: redirections, pipes, conditions, programs by their paths
        try:
            words = [_expanded(word, value) for word in (*command.words, *command.assigned)]
        except ValueError:
            return False
        if not all(_stays(word, () if words[0] == "cd" else outputs) for word in words):
            return False
    return True


def runs_harmlessly(stages: Stages, stage: Stage, kind: Callable[[str], Kind]) -> bool:
    """The same for all that a stage runs, when all lies there as it does in the context."""
    state, outputs = State(stages, of_base=False), tuple(_taken(stages, stage))
    layouts: set[tuple[str, str]] = set()
    folders: set[str] = set()
    for one in instructions(stages.chain(stage)):
        try:
            if state.take(one):
                continue
            if one.name in {"COPY", "ADD"}:
                if one.flag("from") or one.heredocs or one.name == "ADD":
                    return False  # what others made, or hold, would be put among the user's files
                layouts |= set(_layouts(one, state, kind))
            if one.name == "RUN":
                if not (_is_whole(one) and is_harmless(script(one), state.value, outputs)):
                    return False
                folders.add(state.directory)
                layouts |= set(_mounted(one, state))
        except ValueError:
            return False
    if len(layouts) != 1:
        return False
    ((top, _),) = layouts
    return top != "/" and all(f"{folder}/".startswith(f"{top}/") for folder in folders)


def _layouts(one: Instruction, state: State, kind: Callable[[str], Kind]) -> Iterator[tuple[str, str]]:
    """The folder of the stage and the one of the context that are the same by what is copied; raises ValueError."""
    parts = Parts.of(one, state, lambda path: path == state.directory)
    for source in parts.sources:
        here = posixpath.normpath(source.lstrip("/") or ".")
        if parts.target.endswith("/") and kind(here) is not Kind.FOLDER:
            here = posixpath.dirname(here) or "."
        yield _apart(parts.target.rstrip("/"), here)


def _mounted(one: Instruction, state: State) -> Iterator[tuple[str, str]]:
    """The same by what is mounted; raises ValueError for what another image or stage has."""
    for name, value in one.flags:
        fields = dict(field.partition("=")[::2] for field in value.split(",")) if name == "mount" else {}
        if not fields or fields.get("type", "bind") != "bind":
            continue
        if "from" in fields:
            raise ValueError("it is not the context's")
        target = fields.get("target") or fields.get("dst") or fields.get("destination") or "."
        source = fields.get("source", fields.get("src", ".")).lstrip("/") or "."
        yield _apart(state.path(target).rstrip("/"), posixpath.normpath(source))


def _apart(there: str, here: str) -> tuple[str, str]:
    """Two paths without the end that they have in common."""
    above, inner = there.split("/"), [step for step in here.split("/") if step != "."]
    while inner and above and inner[-1] == above[-1]:
        above, inner = above[:-1], inner[:-1]
    return "/".join(above) or "/", "/".join(inner)


def _is_whole(one: Instruction) -> bool:
    return not one.heredocs or one.text.startswith("<<")


def script(one: Instruction) -> str:
    """What a RUN runs: its text, the words of the exec form, or a here-document."""
    text = shlex.join(one.words) if one.words else one.text
    return "\n".join(heredoc.text for heredoc in one.heredocs) if one.heredocs and text.startswith("<<") else text


def _expanded(word: str, value: Callable[[str], str | None]) -> str:
    """A word with its variables; raises ValueError where one of them is not known."""

    def found(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        known = "_" if name in _OF_STEPS else value(name)
        if known is None:
            raise ValueError(f"{name} is not known")
        return known

    text = _VARIABLE.sub(found, word)
    if "$" in text:
        raise ValueError("more than a variable")
    return text


def _stays(word: str, outputs: Sequence[str]) -> bool:
    if _JOINED.match(word):
        return False
    for match in _ELSEWHERE.finditer(word):
        path = posixpath.normpath(match[1] or "..")
        if path == "/" or not any(f"{path}/".startswith(f"{it}/") or it.startswith(f"{path}/") for it in outputs):
            return False
    return True


def _taken(stages: Stages, stage: Stage) -> Iterator[str]:
    """The paths that later stages copy out of one."""
    for later in stages.all[stage.number + 1 :]:
        state = State(stages, of_base=True)
        for one in instructions(stages.chain(later)):
            try:
                if state.take(one) or one.name != "COPY":
                    continue
                origin = state.scope.expand(one.flag("from"))
                if origin and stages.named(origin, later.number) == stage:
                    words = one.words or state.scope.words(one.text)
                    yield from (posixpath.normpath(posixpath.join("/", word)) for word in words[:-1])
            except ValueError:
                continue
