"""Commands that change nothing: conditions, messages, and those that only look."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from imagekit.engines.native.ledger.situation import Call, Outcome, Status, Value, always
from imagekit.rootfs.entry import Kind

_LOOK: Final = "looks"
_PATH: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
#: What would change a file, or run something, where the command by itself only looks.
_CHANGES: Final = {
    "find": ("-exec", "-delete", "-ok", "-fprint", "-fls"),
    "sed": ("--in-place", "w "),
    "awk": ("-i", "system(", "|", ">"),
    "gawk": ("-i", "system(", "|", ">"),
    "sort": ("-o", "--output"),
    "rpm": ("-e", "-i", "-U", "-F", "--erase", "--import", "--rebuilddb", "--initdb"),
    "date": ("-s", "--set"),
}
#: Letters of sed's options with the one that writes into the file among them.
_IN_PLACE: Final = re.compile(r"-[A-Za-z]*i")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}")
#: Of one condition.
_MAX_WORDS: Final = 100
_NUMBERS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
}


def is_strict(call: Call, *, before: bool) -> bool:
    """Whether a failure ends the script after a `set`."""
    texts = [value.text or "" for value in call.values]
    for option, following in zip(texts, [*texts[1:], ""], strict=True):
        if (option[1:].isalpha() and "e" in option[1:]) or (option[1:] == "o" and following == "errexit"):
            before = {"-": True, "+": False}.get(option[0], before)
    return before


def _echo(call: Call) -> Outcome:
    texts = [value.text for value in call.values if value.text not in {"-e", "-n", "-en", "-ne"}]
    known = not any(text is None for text in texts)
    return Outcome(label="message", output=" ".join(text or "" for text in texts) + "\n" if known else None)


def _printf(call: Call) -> Outcome:
    texts = [value.text for value in call.values]
    plain = len(texts) == 1 and texts[0] is not None and "%" not in texts[0]
    return Outcome(label="message", output=(texts[0] or "").replace("\\n", "\n") if plain else None)


def _cat(call: Call) -> Outcome:
    return Outcome(label=_LOOK, status=None, output=call.input if not call.values else None)


def _looks(call: Call) -> Outcome:
    name = call.name.rpartition("/")[2]
    if name == "sed" and any(_IN_PLACE.match(value.text or "") for value in call.values):
        raise call.refuse("changes a file")
    for value in call.values:
        for change in _CHANGES.get(name, ()):
            if value.text is None or value.text.startswith(change) or ("-" not in change and change in value.text):
                raise call.refuse("may change something")
    return Outcome(label=_LOOK, status=None)


def _test(call: Call) -> Outcome:
    values = call.values
    if call.name in {"[", "[["}:
        if not values or values[-1].text not in {"]", "]]"}:
            raise call.refuse("has no end")
        values = values[:-1]
    if len(values) > _MAX_WORDS:
        raise call.refuse("has too many conditions")
    return Outcome(label="nothing", status=_condition(call, values))


def _condition(call: Call, values: Sequence[Value]) -> Status:
    """test(1), with `-o` and `-a` from left to right."""
    for operator, ends in (("-o", True), ("||", True), ("-a", False), ("&&", False)):
        for number, value in enumerate(values):
            if value.text == operator and 0 < number < len(values) - 1 and len(values) > 3:
                sides = (_condition(call, values[:number]), _condition(call, values[number + 1 :]))
                return ends if ends in sides else (None if None in sides else not ends)
    if values and values[0].text == "!":
        status = _condition(call, values[1:])
        return None if status is None else not status
    return _primary(call, values)


def _primary(call: Call, values: Sequence[Value]) -> Status:
    match list(values):
        case []:
            return False
        case [value]:
            return None if value.text is None else bool(value.text)
        case [operator, value]:
            return _unary(call, operator.text, value)
        case [left, operator, right]:
            return _binary(left.text, operator.text, right)
        case _:
            return None


def _unary(call: Call, operator: str | None, value: Value) -> Status:
    text = value.text
    if operator in {"-z", "-n"}:
        return None if text is None else bool(text) is (operator == "-n")
    if text is None or not text.startswith("/"):
        return None
    if value.is_pattern:
        found = call.situation.matching(call.path(text))
        if len(found) != 1:
            return None if found else False
        text = found[0]
    return _file_test(operator, call.situation.kind(call.path(text)))


def _file_test(operator: str | None, kind: Kind | None) -> Status:
    match operator:
        case "-d" | "-f":
            # Whether a symlink leads to one or the other is not looked up.
            return None if kind is Kind.SYMLINK else kind is {"-d": Kind.DIRECTORY, "-f": Kind.FILE}[operator]
        case "-L" | "-h":
            return kind is Kind.SYMLINK
        case "-e" | "-x" | "-r" | "-w":
            return kind is not None
        case "-s":
            return None if kind else False
        case "-S" | "-p" | "-b" | "-c":
            return False
        case _:
            return None


def _binary(left: str | None, operator: str | None, value: Value) -> Status:
    right = value.text
    if left is None or right is None or operator is None:
        return None
    if operator in {"=", "=="}:
        return None if value.is_pattern else left == right
    if operator == "!=":
        return None if value.is_pattern else left != right
    compare = _NUMBERS.get(operator)
    if compare and _NUMBER.fullmatch(left) and _NUMBER.fullmatch(right):
        return compare(int(left), int(right))
    return None


def _getent(call: Call) -> Outcome:
    words = [value.text for value in call.values]
    asked = {"passwd": call.situation.has_user, "group": call.situation.has_group}
    known = len(words) == 2 and words[1] is not None and words[0] in asked
    return Outcome(label=_LOOK, status=asked[words[0] or ""](words[1] or "") if known else None)


def _id(call: Call) -> Outcome:
    names = [value.text for value in call.values if not (value.text or "").startswith("-")]
    known = len(names) == 1 and names[0] is not None
    return Outcome(label=_LOOK, status=call.situation.has_user(names[0] or "") if known else None)


def _which(call: Call) -> Outcome:
    names = [value.text for value in call.values if not (value.text or "").startswith("-")]
    if len(names) != 1 or not names[0]:
        return Outcome(label=_LOOK, status=None)
    places = [names[0]] if names[0].startswith("/") else [f"{folder}/{names[0]}" for folder in _PATH]
    found = next((place for place in places if call.situation.kind(place)), None)
    return Outcome(label=_LOOK, status=found is not None, output=found)


def _trap(call: Call) -> Outcome:
    if call.values and call.values[0].text not in {"", "-"}:
        raise call.refuse("runs something at the end")
    return Outcome(label="nothing")


def _exec(call: Call) -> Outcome:
    if call.values:
        raise call.refuse("starts another program")
    return Outcome(label="nothing")


def _command(call: Call) -> Outcome:
    if not call.values or call.values[0].text not in {"-v", "-V"}:
        raise call.refuse("starts another program")
    return _which(call)


_LOOKING: Final = (
    "grep egrep fgrep sed awk gawk cut head tail sort uniq wc ls find stat readlink realpath basename dirname uname "
    "rpm date tr expr file md5sum sha256sum cmp diff hostname whoami tty sleep seq od getconf arch nproc "
    "mountpoint findmnt ps pidof pgrep getenforce locale"
)

COMMANDS: Final[Mapping[str, Callable[[Call], Outcome]]] = {
    **dict.fromkeys((":", "true", "set", "umask", "export", "local", "unset", "cd", "wait", "sync"), always("nothing")),
    **dict.fromkeys(("false", "selinuxenabled"), always("nothing", status=False)),
    **dict.fromkeys(("[", "[[", "test"), _test),
    **dict.fromkeys(_LOOKING.split(), _looks),
    **dict.fromkeys(("which", "type", "hash"), _which),
    "command": _command,
    "exec": _exec,
    "trap": _trap,
    "echo": _echo,
    "printf": _printf,
    "cat": _cat,
    "getent": _getent,
    "id": _id,
}
