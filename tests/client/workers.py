"""The table of workers: a new one passes the conformance tests by being one row here.

A row needs `tests/client/handlers/<name>/`, with these files in the worker's language (`suffix` is how they end):

`cases`: functions that get event and context. What they throw is the language's plain error, never a frame.
    same         returns the event.
    context      returns what it was given, under these names: {"id", "arn", "trace" (out of `_X_AMZN_TRACE_ID`),
                 "tenant", "client_context", "cognito" (both decoded), "function", "version", "memory", "remaining"
                 (milliseconds)}; what is absent is null.
    fail         throws an error with the text in `message` of the event; without `message` it returns "fine".
    leave        with `code` in the event: writes "leaving on purpose" to stderr and exits with that code at once;
                 without it it returns "here".
    killed       with `kill` in the event: sends itself SIGKILL; without it it returns "alive".
    forks        with `code` in the event: starts a process in the background that keeps all descriptors for a minute
                 (`sleep 60` will do), then exits with that code; without it it returns "here".
    hang         with `hang` in the event: never returns; without it it returns "quick".
    big          returns a text of `size` letters x.
    logs         writes the text in `out` to stdout and the one in `err` to stderr, each with a newline, and returns
                 "logged"; with `lines` in the event it first writes so many lines of 999 letters l to stderr.
    invalid      returns what the language cannot encode as its answer (a function, a handle, NaN …); feature "invalid".
    whole_range  returns the 256 bytes from 0 to 255 as bytes; feature "binary".
    stream       streams the pieces "one", "two", "three"; with `fail` in the event it streams "one" and throws an error
                 with the text "half way"; feature "stream".
    web          streams status 201 with the header "x-test: yes" and the body "made"; feature "web".
    late         answers "first", and with `late` in the event throws an error once that is sent; feature "late".
    twice        answers "first" and then, for the same event, something else; feature "twice".
    splits       forks a child, which returns "child" at once; the parent waits a moment and returns "parent"; feature
                 "splits".
  Where events are texts (`json=False`) `{"code": 7}` comes as it stands, to be looked into as you like.
`broken`: throws an error with the text "broken at load" when it is loaded; has a function `same`.
`exits`: writes "exits at load" to stderr and exits with code 3 when it is loaded; has a function `same`.

The command is the one of `imagekit/languages/<name>/language.yaml`; `programs` says where an interpreter is found here.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from _pytest.mark import ParameterSet

from tests.client.running import NATIVE
from tests.support import interpreters
from tests.support.commands import CHECKOUT
from tests.support.tools import ARM64_SYSROOT, missing, need, need_file

_HANDLERS = CHECKOUT / "tests/client/handlers"
_RUNTIME = "/var/runtime/"

#: Everything a language may not have, but for a plain fork(2), "splits".
ALL = frozenset({"invalid", "binary", "stream", "web", "late", "twice"})


@dataclass(frozen=True, kw_only=True)
class Worker:
    """One row."""

    #: The folder's name in imagekit/languages and tests/client/handlers.
    name: str
    #: Paths in the command by what finds that program here: its name on PATH, or a function that returns its path.
    programs: Mapping[str, str | Callable[[], str]]
    #: What files of the language end in.
    suffix: str
    #: A file that is no program of the language.
    nonsense: str = ']]]) ((( {{{ "'
    features: frozenset[str] = ALL
    #: Events and answers are JSON; False: texts that the worker does not look into.
    json: bool = True
    #: The interpreter is on every developer's machine; other rows are marked `real`.
    everywhere: bool = False
    #: The same for arm64: those that its root directory (tests/client/roots.py) does not have at these paths.
    arm64: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    #: Its start takes many seconds where arm64 is emulated.
    slow: bool = False

    @property
    def language(self) -> dict[str, Any]:
        """What imagekit knows of the language."""
        path = CHECKOUT / "imagekit/languages" / self.name / "language.yaml"
        found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        return found

    @property
    def channel(self) -> str:
        return str(self.language["worker"].get("channel", "pipes"))

    @property
    def settings(self) -> dict[str, str]:
        """What `bootstrap.conf` says for it."""
        worker = self.language["worker"]
        return {"channel": self.channel, **{key: worker[key] for key in ("header_block", "events") if key in worker}}

    @property
    def environment(self) -> dict[str, str]:
        """What the worker needs to be set."""
        return dict(self.language["worker"].get("environment", {}))

    @property
    def command(self) -> tuple[str, ...]:
        """Its command in an image."""
        return tuple(self.language["worker"]["command"])

    def install(self, folder: Path) -> tuple[str, ...]:
        """Put the worker's files into a folder as an image has them below /var/runtime; its command."""
        found = {path: self._found(program) for path, program in self.programs.items()}
        self.copy(folder)
        return tuple(found.get(word) or word.replace(_RUNTIME, f"{folder}/") for word in self.command)

    def copy(self, folder: Path) -> None:
        """Put the worker's files into a folder."""
        for name in self.language["worker"]["files"]:
            shutil.copy(CHECKOUT / "imagekit/languages" / self.name / name, folder / name)

    def handlers(self, folder: Path) -> None:
        """Put the handlers into the folder that stands for /var/task."""
        shutil.copytree(_HANDLERS / self.name, folder, dirs_exist_ok=True)

    def _found(self, program: str | Callable[[], str]) -> str:
        path = need(program) if isinstance(program, str) else program()
        if not path:
            missing(f"there is no interpreter for {self.name}")
        return path


WORKERS = (
    Worker(
        name="nodejs",
        programs={"/var/lang/bin/node": "node"},
        arm64={"/var/lang/bin/node": lambda: interpreters.node19("arm64")},
        suffix="js",
        everywhere=True,
    ),
    Worker(
        name="python",
        programs={"/var/lang/bin/python3": lambda: sys.executable},
        arm64={"/var/lang/bin/python3": lambda: need_file(f"{ARM64_SYSROOT}/usr/bin/python3")},
        suffix="py",
        # A function that has returned cannot answer again, and nothing of it runs on.
        features=ALL - {"late", "twice"} | {"splits"},
        everywhere=True,
    ),
    Worker(
        name="deno",
        programs={"/var/lang/bin/deno": interpreters.deno},
        arm64={"/var/lang/bin/deno": lambda: interpreters.deno("arm64")},
        slow=True,
        suffix="ts",
    ),
    Worker(
        name="bun",
        programs={"/var/lang/bin/bun": interpreters.bun},
        arm64={"/var/lang/bin/bun": lambda: interpreters.bun("arm64")},
        suffix="ts",
    ),
    Worker(
        name="ruby",
        programs={"/usr/bin/ruby": "ruby"},
        suffix="rb",
        features=ALL - {"late", "twice"} | {"splits"},
    ),
    Worker(
        name="perl",
        programs={"/usr/bin/perl": "perl"},
        suffix="pl",
        features=ALL - {"late", "twice"} | {"splits"},
        everywhere=True,
    ),
    Worker(
        name="php",
        programs={"/usr/bin/php": "php"},
        suffix="php",
        features=ALL - {"late", "twice"} | {"splits"},
    ),
    Worker(
        name="lua",
        programs={"/usr/bin/lua": "lua5.4"},
        suffix="lua",
        features=ALL - {"late", "twice"},
    ),
    Worker(
        name="bash",
        programs={"/usr/bin/bash": "bash"},
        suffix="sh",
        # What a function writes is the answer, whatever it is.
        features=ALL - {"late", "twice", "invalid"},
        json=False,
    ),
    Worker(
        name="r",
        programs={"/usr/bin/Rscript": "Rscript"},
        suffix="R",
        features=ALL - {"late", "twice"} | {"splits"},
    ),
    Worker(
        name="tcl",
        programs={"/usr/bin/tclsh": "tclsh"},
        suffix="tcl",
        # A Tcl answer is a JSON text already.
        features=ALL - {"late", "twice", "invalid"},
    ),
)


def rows(feature: str = "") -> list[ParameterSet]:
    """The workers, or those that have a feature, as parameters of a test."""
    wanted = (row for row in WORKERS if not feature or feature in row.features)
    return [pytest.param(row, id=row.name, marks=() if row.everywhere else pytest.mark.real) for row in wanted]


def on_both(feature: str = "", *, slow: bool = True) -> list[ParameterSet]:
    """The same as pairs of worker and architecture: on this machine's, and on arm64 where it is another one."""
    wanted = [row for row in WORKERS if (not feature or feature in row.features) and (slow or not row.slow)]
    other = [pytest.param(row, "arm64", id=f"{row.name}-arm64", marks=pytest.mark.real) for row in wanted]
    native = [pytest.param(*row.values, NATIVE, id=row.id, marks=row.marks) for row in rows(feature)]
    return native if NATIVE == "arm64" else native + other
