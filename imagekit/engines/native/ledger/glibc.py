"""glibc's scriptlets in Lua: known by all that they call and all that they name, since each version has other words.

Nothing is passed that could do more than what glibc does after its own upgrade: remove libraries for single processors,
see that ld.so.conf includes its folder, run ldconfig and iconvconfig, have init start itself anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from imagekit.engines.native.ledger.effects import GCONV, Effect, LinkerCache, Stale

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|--\[\[.*?\]\]|--[^\n]*)|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"|(?P<name>[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)*)|(?P<number>\d+)"
    r"|(?P<mark>\.\.\.|\.\.|[=~<>]=|[-+#<>=(){}\[\],])",
    re.DOTALL,
)
_KEYWORDS: Final = (
    *("and", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or"),
    *("repeat", "return", "then", "true", "until", "while"),
)
#: Of Lua and of rpm: what could reach everything else by another name.
_LIBRARIES: Final = (
    *("_G", "_ENV", "debug", "dofile", "getfenv", "io", "load", "loadfile", "loadstring", "os", "package", "posix"),
    *("rpm", "require", "setfenv", "string", "table"),
)
_PROGRAM: Final = (
    r'(?:"Error: [^"]*" , )?(?:"(?:/usr/s?bin/)?ldconfig"'
    r'|"/usr/s?bin/iconvconfig" , "-o" , iconv_cache , "--nostdlib" , iconv_dir)'
)
#: All that is called, each with the arguments that it may have; what only looks or prints has any.
_CALLS: Final = {
    "posix.(?:access|files|fork|wait|redirect2null)|string.match|ipairs|tonumber|io.lines": ".*",
    "(?:io.stdout|tmp_fd):write": ".*",
    "tmp_fd:close|call_ldconfig|update_gconv_modules_cache": "",
    "assert": r"nil|posix.exec \( program , ... \)",
    "os.remove": r"rdir .. '/' .. rfile",
    "os.rename": r"ldsoconf_tmp , ldsoconf",
    "io.open": r'ldsoconf_tmp , "w"',
    "posix.utime": r"iconv_(?:cache|modules)",
    "posix.exec": r'program , ...|"/usr/bin/systemctl" , "daemon-reexec"',
    "rpm.spawn": r"{ program , ... }",
    "post_exec(?:_fatal)?|rpm.execute": _PROGRAM,
}
_CALL: Final = re.compile("|".join(f"(?:{name})\\((?:{arguments})\\)" for name, arguments in _CALLS.items()))
_OWN: Final = frozenset({"call_ldconfig", "update_gconv_modules_cache", "post_exec", "post_exec_fatal"})
_STRING: Final = re.compile(
    r"[^/\\]*|/usr/lib64/(?:i686|i686/nosegneg|power\d+|glibc-hwcaps/?|gconv)|/etc/(?:glibc_post_upgrade\.)?ld\.so\.conf"
    r"|(?:/usr/s?bin/)?(?:ldconfig|iconvconfig|systemctl)|/|/\.|/gconv-modules(?:\.cache)?"
    r"|\^?include ld\.so\.conf\.d/%?\*%?\.conf(?:\\n|\$)|Error: [^\\]*(?:\\n)?| file\.\\n|\\n"
)
_KERNEL: Final = re.compile(
    r"required = '[\d.]+' rel = posix\.uname \( \"%r\" \) if rpm\.vercmp \( rel , required \) < 0 "
    r"then error \( \"FATAL: kernel too old\" , 0 \) end"
)
_MAX_TOKENS: Final = 4000


def recognised(body: str) -> tuple[Effect, ...] | None:
    """What a script of glibc's does; None for one that is none, or that could do more."""
    tokens = _tokens(body)
    if tokens is None:
        return None
    if _KERNEL.fullmatch(" ".join(tokens)):
        return ()  # an image has the kernel of whoever runs it
    calls = list(_calls(tokens))
    if not all(_CALL.fullmatch(call) for call in calls) or not all(map(_is_known, tokens, [*tokens[1:], ""])):
        return None
    found: list[Effect] = []
    if _runs(tokens, calls, "call_ldconfig", "ldconfig"):
        found.append(LinkerCache())
    if _runs(tokens, calls, "update_gconv_modules_cache", "iconvconfig"):
        found.append(Stale(path=GCONV))
    return tuple(found) or None


def _runs(tokens: Sequence[str], calls: Sequence[str], function: str, program: str) -> bool:
    """Whether a program is run: by its function where there is one, which many scripts have and do not call."""
    return f"{function}()" in calls if function in tokens else any(program in call for call in calls)


def _tokens(body: str) -> list[str] | None:
    """The words without blanks and comments; None for what is not of Lua as glibc writes it."""
    found: list[str] = []
    at = 0
    while at < len(body):
        match = _TOKEN.match(body, at)
        if match is None or len(found) > _MAX_TOKENS:
            return None
        if match.lastgroup != "space":
            found.append(match[0])
        at = match.end()
    return found


def _calls(tokens: Sequence[str]) -> Iterator[str]:
    """What is called, with its arguments; definitions are none."""
    for at, (name, following) in enumerate(pairwise(tokens)):
        is_name = (name[0].isalpha() or name[0] == "_") and name not in _KEYWORDS
        begins = following in {"(", "{"} or following[0] in "\"'"
        if is_name and begins and (not at or tokens[at - 1] != "function"):
            yield f"{name}({' '.join(_inside(tokens, at + 1))})"


def _inside(tokens: Sequence[str], at: int) -> Iterator[str]:
    """What stands between two parentheses."""
    depth = 0
    for token in tokens[at:]:
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth <= 0:
            return
        if depth > 1 or token != "(":
            yield token


def _is_known(token: str, following: str) -> bool:
    """False for a text or a function that is none of glibc's, and for one of its own that is made another."""
    if token[0] in "\"'":
        return bool(_STRING.fullmatch(token[1:-1]))
    if token in _LIBRARIES or (token in _OWN and following != "("):
        return False
    is_member = token[0].isalpha() and ("." in token or ":" in token)
    return not is_member or following == "(" or (token, following) == ("rpm.spawn", "~=")
