"""The scriptlet ledger: nothing that a package brings is ever run; each of its scripts is known for what it does.

A script is gone through command by command. What an image has no use for is left out, what it needs is done here, and
a script with anything else in it is refused: to guess would be to ship a broken package without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from imagekit.engines.native.ledger import changes, looks, lua, services
from imagekit.engines.native.ledger.effects import Effect, LinkerCache
from imagekit.engines.native.ledger.parse import parse
from imagekit.engines.native.ledger.refused import Refused as Refused
from imagekit.engines.native.ledger.run import Run
from imagekit.engines.native.ledger.situation import Call, Outcome, Situation, Value
from imagekit.values import dataclass

_COMMANDS: Final[Mapping[str, Callable[[Call], Outcome]]] = {
    **looks.COMMANDS,
    **services.COMMANDS,
    **changes.COMMANDS,
}
_SHELLS: Final = frozenset({"sh", "bash", "dash", "ksh"})
_LUA: Final = "<lua>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a scriptlet comes to: the classes of what is in it, sorted, and what is to be done for it, in order.

    `failure` is why it fails, or may; empty where it does not.
    """

    labels: tuple[str, ...]
    effects: tuple[Effect, ...] = ()
    failure: str = ""


def judge(program: Sequence[str], body: str, situation: Situation) -> Verdict:
    """The verdict on a scriptlet: `program` with its arguments and the text that it is given. Raises Refused."""
    name, *arguments = program or ("/bin/sh",)
    if name == _LUA:
        return _verdict({(outcome := lua.judge(body, situation)).label}, outcome.effects)
    if name.rpartition("/")[2] in _SHELLS:
        strict = any(word[:1] == "-" and word[1:].isalpha() and "e" in word for word in arguments)
        run = Run(situation, _COMMANDS, is_strict=strict)
        run.script(parse(body))
        return _verdict(set(run.labels), run.effects, run.failure)
    if name.rpartition("/")[2].startswith("glibc_post_upgrade"):
        return _verdict({"linker"}, (LinkerCache(),))
    known = _COMMANDS.get(name.rpartition("/")[2])
    if known is None:
        raise Refused(f"its interpreter {name} is not known")
    values = tuple(Value(text=argument) for argument in arguments)
    if body.strip():
        values += (Value(text=None),)  # the file that rpm puts the text into
    outcome = known(Call(name=name, values=values, situation=situation, is_certain=True))
    return _verdict({outcome.label}, outcome.effects, "it ends with a failure" if outcome.status is False else "")


def _verdict(labels: set[str], effects: Sequence[Effect], failure: str = "") -> Verdict:
    return Verdict(
        labels=tuple(sorted(labels - {"nothing"})) or ("nothing",),
        effects=tuple(dict.fromkeys(effects)),
        failure=failure,
    )
