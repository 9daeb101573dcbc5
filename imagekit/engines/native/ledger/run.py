"""A script gone through without running it: which commands would be reached, and what they come to.

Where a condition is not known, both ways are gone, and what is done there only in part is refused.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from imagekit.engines.native.ledger.effects import Effect
from imagekit.engines.native.ledger.expand import Variables, expanded, joined
from imagekit.engines.native.ledger.refused import Refused
from imagekit.engines.native.ledger.situation import Call, Outcome, Situation, Status
from imagekit.engines.native.ledger.syntax import (
    Case,
    Chain,
    Command,
    Function,
    Group,
    If,
    Loop,
    Node,
    Pipeline,
    Redirect,
)

#: Commands of one script that are looked at, each time round a loop counted.
_MAX_STEPS: Final = 5000
_MAX_CALLS: Final = 20
#: Where what is printed leaves no trace.
_NOWHERE: Final = ("/dev/null", "/dev/stderr", "/dev/stdout", "/dev/tty", "/dev/console", "&1", "&2")
_WRITING: Final = frozenset({">", ">>", ">|", "&>", "&>>"})
#: Ends a script or a function.
_LEAVING: Final = frozenset({"exit", "return"})


class _Left(Exception):
    """The script ends here."""


class Run:
    """One script. `known` are the commands that can be judged, by name."""

    def __init__(self, situation: Situation, known: Mapping[str, Callable[[Call], Outcome]]) -> None:
        self._situation = situation
        self._known = known
        self._variables = Variables(situation.arguments)
        self._functions: dict[str, Node] = {}
        self._steps = self._calls = 0
        #: How many unknown conditions this is within, and whether the script may have ended before.
        self._doubts = 0
        self._may_have_left = False
        self.effects: list[Effect] = []
        self.labels: dict[str, None] = {}

    def script(self, body: Sequence[Node]) -> None:
        """Go through a script; raises Refused for one that cannot be judged."""
        try:
            self._body(body)
        except _Left:
            return

    def _body(self, body: Sequence[Node]) -> Status:
        status: Status = True
        for node in body:
            status = self._node(node, None)
        return status

    def _node(self, node: Node, read: str | None) -> Status:
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise Refused("it has no end in sight")
        match node:
            case Command():
                return self._command(node, read).status
            case Function(name=name, body=body):
                self._functions[name] = body
                return True
            case Pipeline() | Chain() | Group():
                return self._joined(node)
            case If() | Loop() | Case():
                return self._branched(node)

    def _joined(self, node: Pipeline | Chain | Group) -> Status:
        match node:
            case Pipeline():
                return self._pipeline(node)
            case Chain():
                return self._chain(node)
            case Group():
                return self._group(node)

    def _branched(self, node: If | Loop | Case) -> Status:
        match node:
            case If():
                return self._if(node)
            case Loop():
                return self._loop(node)
            case Case():
                return self._case(node)

    @contextmanager
    def _doubt(self) -> Iterator[None]:
        self._doubts += 1
        try:
            yield
        finally:
            self._doubts -= 1

    def _chain(self, node: Chain) -> Status:
        status = self._node(node.first, None)
        for operator, following in node.rest:
            if status is None:
                with self._doubt():
                    self._node(following, None)
            elif status is (operator == "&&"):
                status = self._node(following, None)
        return status

    def _pipeline(self, node: Pipeline) -> Status:
        read: str | None = None
        status: Status = True
        for command in node.commands:
            outcome = self._command(command, read) if isinstance(command, Command) else None
            status = outcome.status if outcome else self._node(command, read)
            read = outcome.output if outcome else None
        return status if status is None or not node.negated else not status

    def _if(self, node: If) -> Status:
        before = self._doubts
        try:
            for condition, body in node.branches:
                status = self._body(condition)
                if status is None:
                    self._doubts += 1
                    self._body(body)
                elif status:
                    return self._settled(self._body(body), before)
            return self._settled(self._body(node.otherwise), before)
        finally:
            self._doubts = before

    def _settled(self, status: Status, before: int) -> Status:
        return status if self._doubts == before else None

    def _loop(self, node: Loop) -> Status:
        values = expanded(node.words, self._variables, self._printed)
        if node.condition or any(value.text is None or value.is_pattern for value in values):
            if not node.condition and all(value.is_pattern for value in values):
                return self._each(node, self._matching(value.text or "" for value in values))
            with self._doubt():
                self._variables.set(node.variable, None)
                self._body(node.condition)
                self._body(node.body)
            return None
        return self._each(node, [value.text or "" for value in values])

    def _each(self, node: Loop, texts: Sequence[str]) -> Status:
        status: Status = True
        for text in texts:
            self._variables.set(node.variable, text)
            status = self._body(node.body)
        return status

    def _matching(self, patterns: Iterator[str]) -> list[str]:
        """Names of files; a pattern that matches none stays as it is."""
        return [name for pattern in patterns for name in self._situation.matching(pattern) or [pattern]]

    def _case(self, node: Case) -> Status:
        text = joined(node.word, self._variables, self._printed)
        for patterns, body in node.branches:
            known = [joined(pattern, self._variables, self._printed) for pattern in patterns]
            if text is None or None in known:
                with self._doubt():
                    self._body(body)
            elif any(fnmatch.fnmatchcase(text, pattern or "") for pattern in known):
                return self._body(body)
        return None if text is None else True

    def _group(self, node: Group) -> Status:
        self._check_redirects(node.redirects)
        if not node.is_subshell:
            return self._body(node.body)
        try:
            return self._body(node.body)
        except _Left:
            return None

    def _command(self, node: Command, read: str | None) -> Outcome:
        values = expanded(node.words, self._variables, self._printed)
        for variable, word in node.assignments:
            text = joined(word, self._variables, self._printed)
            self._variables.set(variable, text if not self._is_doubtful else None)
        within = self._check_redirects(node.redirects)
        if not values:
            return Outcome(label="nothing")
        name, *rest = values
        if name.text is None or name.is_pattern:
            raise Refused("which command it runs depends on what only running it would tell")
        if name.text in self._functions:
            return Outcome(label="nothing", status=self._call(name.text, [one.text for one in rest]))
        if name.text in _LEAVING:
            return self._leave()
        call = Call(
            name=name.text,
            values=tuple(rest),
            situation=self._situation,
            is_certain=not self._is_doubtful,
            input=read if within is None else within,
        )
        return self._judged(call)

    def _judged(self, call: Call) -> Outcome:
        judge = self._known.get(call.name.rpartition("/")[2])
        if judge is None or not _is_usual(call.name):
            raise call.refuse("is not known")
        outcome = judge(call)
        self.labels.setdefault(outcome.label)
        self.effects += outcome.effects
        return outcome

    @property
    def _is_doubtful(self) -> bool:
        return self._doubts > 0 or self._may_have_left

    def _leave(self) -> Outcome:
        if not self._is_doubtful:
            raise _Left
        self._may_have_left = True
        return Outcome(label="nothing")

    def _call(self, name: str, arguments: Sequence[str | None]) -> Status:
        self._calls += 1
        if self._calls > _MAX_CALLS:
            raise Refused("its functions call each other too often")
        outer = self._variables
        if None in arguments:
            raise Refused(f"what its function {name} is given depends on what only running it would tell")
        self._variables = Variables(tuple(text or "" for text in arguments))
        for key, value in outer.snapshot().items():
            self._variables.set(key, value)
        try:
            return self._node(self._functions[name], None)
        except _Left:
            self._may_have_left = True  # by `exit`, or by `return` alone; what follows is gone through in any case
            return None
        finally:
            self._variables = outer

    def _printed(self, body: tuple[Node, ...]) -> str | None:
        """What commands print; their effects count."""
        if len(body) == 1 and isinstance(body[0], Command):
            return self._command(body[0], None).output
        self._body(body)
        return None

    def _check_redirects(self, redirects: Sequence[Redirect]) -> str | None:
        """The text that a command reads out of the script; raises Refused for a file that it writes."""
        read: str | None = None
        for redirect in redirects:
            text = joined(redirect.target, self._variables, self._printed)
            if redirect.operator in {"<<", "<<-", "<<<"}:
                read = text
            elif redirect.operator in _WRITING and text not in _NOWHERE:
                raise Refused(f"it writes to {text or 'a file that only running it would tell'}")
        return read


def _is_usual(name: str) -> bool:
    """True for a command by its name alone, or in one of the usual folders."""
    folder, _, _ = name.rpartition("/")
    return folder in {"", "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/lib/systemd", "/lib/systemd", "/usr/libexec"}
