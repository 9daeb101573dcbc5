"""A script gone through without running it: which commands would be reached, and what they come to.

Where a condition is not known, both ways are gone, and what is done there only in part is refused.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from imagekit.engines.native.ledger import looks
from imagekit.engines.native.ledger.effects import Effect
from imagekit.engines.native.ledger.expand import Variables, expanded, joined
from imagekit.engines.native.ledger.refused import Refused
from imagekit.engines.native.ledger.situation import Call, Outcome, Situation, Status, Value
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
_MAX_LOOKS: Final = 40
#: Of one command.
_MAX_WORDS: Final = 4000
#: Where what is printed leaves no trace.
_NOWHERE: Final = ("/dev/null", "/dev/stderr", "/dev/stdout", "/dev/tty", "/dev/console", "&1", "&2")
_WRITING: Final = frozenset({">", ">>", ">|", "&>", "&>>"})
_FAILS: Final = "it ends with a failure"
_MAY_FAIL: Final = "whether it ends with a failure depends on what only running it would tell"
#: Ends a script or a function.
_LEAVING: Final = frozenset({"exit", "return"})


class _Left(Exception):
    """The script ends here, or by `return` a function of it; `status` as conditions have it."""

    def __init__(self, status: Status, *, returns: bool = False) -> None:
        super().__init__(status)
        self.status = status
        self.returns = returns


class Run:
    """One script. `known` are the commands that can be judged, by name; `is_strict` is the shell's option -e."""

    def __init__(
        self, situation: Situation, known: Mapping[str, Callable[[Call], Outcome]], *, is_strict: bool = False
    ) -> None:
        self._looks = 0
        self._situation = replace(situation, names=lambda: self._counted(situation))
        self._known = known
        self._variables = Variables(situation.arguments)
        self._functions: dict[str, Node] = {}
        self._steps = self._calls = 0
        #: How many unknown conditions this is within, and whether the script may have ended before.
        self._doubts = 0
        self._may_have_left = False
        #: How the last command ended; whether a failure ends the script, unless this is within a condition.
        self._last: Status = True
        self._is_strict = is_strict
        self._conditions = 0
        #: Why the script fails, or may; empty where it does not.
        self.failure = ""
        self.effects: list[Effect] = []
        self.labels: dict[str, None] = {}

    def script(self, body: Sequence[Node]) -> None:
        """Go through a script; raises Refused for one that cannot be judged."""
        try:
            status = self._body(body)
        except _Left as left:
            status = left.status
        if status is False:
            self._fails()

    def _fails(self) -> None:
        self.failure = _MAY_FAIL if self._is_doubtful else _FAILS

    def _body(self, body: Sequence[Node]) -> Status:
        status: Status = True
        for node in body:
            status = self._node(node, None)
        return status

    def _node(self, node: Node, read: str | None) -> Status:
        self._step()
        status = self._last = self._status(node, read)
        if status is False and self._is_strict and not self._conditions and _is_fatal(node):
            self._leave(False)
        return status

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise Refused("it has no end in sight")

    def _counted(self, situation: Situation) -> Iterable[str]:
        """All names of the image; it has many, and may be asked for them a few times."""
        self._looks += 1
        if self._looks > _MAX_LOOKS:
            raise Refused("it has too many patterns for names of files")
        return situation.names()

    def _status(self, node: Node, read: str | None) -> Status:
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

    @contextmanager
    def _condition(self, *, is_one: bool = True) -> Iterator[None]:
        """Where a failure does not end a script, however strict."""
        self._conditions += is_one
        try:
            yield
        finally:
            self._conditions -= is_one

    def _chain(self, node: Chain) -> Status:
        with self._condition():
            status = self._node(node.first, None)
        for number, (operator, following) in enumerate(node.rest, 1):
            with self._condition(is_one=number < len(node.rest)):
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
            try:
                with self._condition():
                    outcome = self._command(command, read) if isinstance(command, Command) else None
                    status = outcome.status if outcome else self._node(command, read)
                    read = outcome.output if outcome else None
            except _Left as left:
                if len(node.commands) == 1:
                    raise
                status, read = left.status, None  # each command of a pipeline has a shell of its own
        return status if status is None or not node.negated else not status

    def _if(self, node: If) -> Status:
        before = self._doubts
        try:
            for condition, body in node.branches:
                with self._condition():
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
                with self._condition():
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
        except _Left as left:
            return left.status

    def _command(self, node: Command, read: str | None) -> Outcome:
        values = expanded(node.words, self._variables, self._printed)
        if len(values) > _MAX_WORDS:
            raise Refused("one of its commands has too many words")
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
            status = self._asked(rest)
            self._leave(status, returns=name.text == "return")
            return Outcome(label="nothing", status=status)
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
        if call.name == "set" and call.is_certain:
            self._is_strict = looks.is_strict(call, before=self._is_strict)
        self.labels.setdefault(outcome.label)
        self.effects += outcome.effects
        return outcome

    @property
    def _is_doubtful(self) -> bool:
        return self._doubts > 0 or self._may_have_left

    def _asked(self, values: Sequence[Value]) -> Status:
        """The status that `exit` and `return` are given, else that of the last command."""
        if not values:
            return self._last
        text = values[0].text
        return None if text is None else text.isdecimal() and int(text[-9:]) % 256 == 0

    def _leave(self, status: Status, *, returns: bool = False) -> None:
        if not self._is_doubtful:
            raise _Left(status, returns=returns)
        if status is False and not returns:
            self._fails()
        self._may_have_left = True

    def _call(self, name: str, arguments: Sequence[str | None]) -> Status:
        self._calls += 1
        if self._calls > _MAX_CALLS:
            raise Refused("its functions call each other too often")
        outer = self._variables
        if None in arguments:
            raise Refused(f"what its function {name} is given depends on what only running it would tell")
        self._variables = outer.within(tuple(text or "" for text in arguments))
        try:
            return self._node(self._functions[name], None)
        except _Left as left:
            if not left.returns:
                raise
            return left.status
        finally:
            self._variables = outer

    def _printed(self, body: tuple[Node, ...]) -> str | None:
        """What commands print; their effects count, and they end a shell of their own."""
        try:
            self._step()
            with self._condition():
                if len(body) == 1 and isinstance(body[0], Command):
                    return self._command(body[0], None).output
                self._body(body)
        except _Left:
            return None
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


def _is_fatal(node: Node) -> bool:
    """True for what ends a strict script by its failure; what is within the others has ended it before."""
    return isinstance(node, Command) or (isinstance(node, Pipeline) and not node.negated)


def _is_usual(name: str) -> bool:
    """True for a command by its name alone, or in one of the usual folders."""
    folder, _, _ = name.rpartition("/")
    return folder in {"", "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/lib/systemd", "/lib/systemd", "/usr/libexec"}
