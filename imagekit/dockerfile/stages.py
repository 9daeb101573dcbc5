"""The stages of a Dockerfile, and what holds at a place in one: variables, the current folder."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Final

from imagekit.dockerfile.recipe import placeholder
from imagekit.dockerfile.syntax import Dockerfile, Instruction
from imagekit.dockerfile.words import Scope, pairs
from imagekit.errors import InvalidFile
from imagekit.findings import Place
from imagekit.values import dataclass

#: Variables of AWS's bases (facts of their Dockerfiles) that name folders of theirs.
FOLDERS: Final = {"LAMBDA_TASK_ROOT": "/var/task", "LAMBDA_RUNTIME_DIR": "/var/runtime"}
#: Further ones that they set, which a spec names as `{base.NAME}`.
OF_BASE: Final = ("LANG", "TZ", "PATH", "LD_LIBRARY_PATH")
#: What builders say of the platform, as a spec's placeholders say it.
PLATFORM: Final = {
    "TARGETARCH": placeholder("oci_arch"),
    "TARGETPLATFORM": f"linux/{placeholder('oci_arch')}",
    "TARGETOS": "linux",
    "TARGETVARIANT": "",
    # Steps run on, or in a container for, what they build for.
    "BUILDPLATFORM": f"linux/{placeholder('oci_arch')}",
    "BUILDARCH": placeholder("oci_arch"),
    "BUILDOS": "linux",
    "BUILDVARIANT": "",
}
_MAX_STAGES: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A stage: what it starts from (an image, or an earlier stage), its instructions, those of the FROM left out."""

    number: int
    name: str
    image: str
    platform: str
    line: int
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stages:
    """All stages of a file, and the values of its first ARGs."""

    file: str
    escape: str
    all: tuple[Stage, ...]
    arguments: Mapping[str, str]

    @classmethod
    def of(cls, dockerfile: Dockerfile) -> Stages:
        """The stages; raises InvalidFile for a FROM that cannot be read, and for too many stages."""
        arguments: dict[str, str] = {}
        groups: list[tuple[Instruction, list[Instruction]]] = []
        for one in dockerfile.instructions:
            if one.name == "FROM":
                groups.append((one, []))
            elif groups:
                groups[-1][1].append(one)
            else:
                arguments |= _argument(one, arguments, dockerfile)
        if len(groups) > _MAX_STAGES:
            raise _refused(dockerfile.name, groups[_MAX_STAGES][0].line, f"there are more than {_MAX_STAGES} stages")
        known = {**PLATFORM, **arguments}
        stages = tuple(
            _stage(number, head, tuple(rest), Scope(value=known.get, escape=dockerfile.escape), dockerfile.name)
            for number, (head, rest) in enumerate(groups)
        )
        return cls(file=dockerfile.name, escape=dockerfile.escape, all=stages, arguments=arguments)

    def named(self, name: str, before: int) -> Stage | None:
        """The stage with a name, or a number, among those before another; None for an image."""
        for stage in reversed(self.all[:before]):
            if name.lower() in {stage.name.lower(), str(stage.number)} - {""}:
                return stage
        return None

    def chain(self, stage: Stage) -> tuple[Stage, ...]:
        """The stages that one is built on, lowest first, itself the last."""
        found = [stage]
        while below := self.named(found[-1].image, found[-1].number):
            found.append(below)
        return tuple(reversed(found))


class State:
    """What holds while the instructions of a chain of stages are read one after the other."""

    def __init__(self, stages: Stages, *, of_base: bool, names_base: bool | None = None) -> None:
        self._stages = stages
        self._arguments: dict[str, str] = {}
        #: Variables that instructions set, with their values.
        self.environment: dict[str, str] = {}
        self._of_base = of_base
        self._names_base = of_base if names_base is None else names_base
        self.directory = FOLDERS["LAMBDA_TASK_ROOT"] if of_base else "/"
        self.shell: tuple[str, ...] = ("/bin/sh", "-c")

    @property
    def scope(self) -> Scope:
        """How variables are looked up now; the environment comes before the arguments."""
        return Scope(value=self.value, escape=self._stages.escape)

    def value(self, name: str) -> str | None:
        """A variable's value."""
        if name in self.environment:
            return self.environment[name]
        if self._of_base and name in FOLDERS:
            return FOLDERS[name]
        if self._names_base and name in OF_BASE:
            return placeholder(f"base.{name}")
        return self._arguments.get(name)

    @property
    def variables(self) -> dict[str, str]:
        """All that a command sees that the file sets."""
        return {**self._arguments, **self.environment}

    def path(self, text: str) -> str:
        """An absolute path in the image; a slash at the end stays."""
        made = posixpath.normpath(posixpath.join(self.directory, text))
        return f"{made.rstrip('/')}/" if text.endswith(("/", "/.")) or text == "." else made

    def take(self, one: Instruction) -> bool:
        """Carry out what changes the state alone; False for other instructions. Raises ValueError."""
        match one.name:
            case "ARG":
                for word in self.scope.words(one.text):
                    name, equals, value = word.partition("=")
                    given = value if equals else self._stages.arguments.get(name)
                    given = PLATFORM.get(name, given)  # a builder says these itself, whatever the default is
                    if given is not None:
                        self._arguments[name] = given
            case "ENV":
                self.environment |= dict(pairs(one.text, self.scope))
            case "WORKDIR":
                self.directory = self.path(self.scope.expand(one.text)).rstrip("/") or "/"
            case "SHELL":
                self.shell = one.words or self.shell
            case _:
                return False
        return True


def _argument(one: Instruction, known: Mapping[str, str], dockerfile: Dockerfile) -> dict[str, str]:
    scope = Scope(value={**PLATFORM, **known}.get, escape=dockerfile.escape)
    try:
        words = scope.words(one.text)
    except ValueError as error:
        raise _refused(dockerfile.name, one.line, str(error)) from error
    split = (word.partition("=") for word in words)
    return {name: value for name, equals, value in split if equals}


_AS: Final = re.compile(r"(?P<image>\S+)(?:\s+[Aa][Ss]\s+(?P<name>\S+))?")


def _stage(number: int, head: Instruction, rest: tuple[Instruction, ...], scope: Scope, file: str) -> Stage:
    match = _AS.fullmatch(head.text)
    if match is None:
        raise _refused(file, head.line, "FROM takes an image, and AS a name")
    try:
        image, platform = scope.expand(match["image"]), scope.expand(head.flag("platform"))
    except ValueError as error:
        raise _refused(file, head.line, str(error)) from error
    if not image:
        raise _refused(file, head.line, f"{match['image']} is empty: give its ARG a value")
    return Stage(
        number=number, name=match["name"] or "", image=image, platform=platform, line=head.line, instructions=rest
    )


def _refused(file: str, line: int, what: str) -> InvalidFile:
    hint = "correct the Dockerfile first"
    return InvalidFile(what, hint=hint, place=Place(file=file, line=line, column=1))


def instructions(chain: tuple[Stage, ...]) -> Iterator[Instruction]:
    """All instructions of a chain, lowest stage first."""
    for stage in chain:
        yield from stage.instructions
