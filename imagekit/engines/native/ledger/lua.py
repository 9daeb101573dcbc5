"""Scriptlets for the interpreter within rpm: a few texts that packages copy from each other."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from imagekit.engines.native.ledger import glibc
from imagekit.engines.native.ledger.effects import Effect, MakeDirectory, MakeLink, SetMode
from imagekit.engines.native.ledger.refused import Refused
from imagekit.engines.native.ledger.situation import Outcome, Situation
from imagekit.rootfs.entry import Kind

#: Fedora's packaging guidelines, "Directory Replacement": before a directory becomes a symlink, or the reverse.
_REPLACED: Final = re.compile(
    r'(?:local )?path = "(?P<path>/[^"]+)" '
    r"(?:local )?st = posix\.stat\(path\) "
    r'if st and st\.type == "(?P<kind>directory|link)" then '
    r"(?P<body>.+) end"
)
_MOVED: Final = re.compile(
    r'(?:local )?status = os\.rename\(path, path ?\.\. ?"\.rpmmoved"\) '
    r"if not status then (?:local )?suffix = 0 while not status do suffix = suffix \+ 1 "
    r'status = os\.rename\(path ?\.\. ?"\.rpmmoved", path ?\.\. ?"\.rpmmoved\." ?\.\. ?suffix\) end '
    r'os\.rename\(path, path ?\.\. ?"\.rpmmoved"\) end'
)
_UNLINKED: Final = re.compile(r"os\.remove\(path\)")
#: Shells say in /etc/shells that they are there, and take it back when they go.
_LISTED: Final = re.compile(
    r"nl = '\\n' (?:\w+ = '/(?:usr/)?bin/\w+' ?\.\. ?nl )+f = io\.open\('/etc/shells', 'a\+'\) "
    r"if f then local shells = nl\.\.f:read\('\*all'\)\.\.nl "
    r"(?:if not shells:find\(nl\.\.\w+\) then f:write\(\w+\) end )+f:close\(\) end"
)
_UNLISTED: Final = re.compile(
    r'if arg\[2\] == "?0"? then t=\{\} for line in io\.lines\("/etc/shells"\) do '
    r'if (?:line ~= "/(?:usr/)?bin/\w+"(?: and )?)+ then table\.insert\(t,line\) end end '
    r'f = io\.open\("/etc/shells", "w\+"\) for n,line in pairs\(t\) do f:write\(line\.\."\\n"\) end f:close\(\) end'
)
#: What makes directories and links, each where there is nothing yet, and nothing else (Fedora's `filesystem`).
_MADE: Final = re.compile(
    r'posix\.mkdir\("(?P<folder>/[^"]*)"\)|posix\.symlink\("(?P<target>[^"]+)", ?"(?P<link>/[^"]*)"\)'
    r'|posix\.chmod\("(?P<path>/[^"]*)", ?(?P<mode>0[0-7]{3})\)'
    r'|st = posix\.stat\("(?P<old>/[^"]*)"\) if st and st\.type == "link" then os\.remove\("(?P=old)"\) end'
    r"|return 0"
)


def judge(body: str, situation: Situation) -> Outcome:
    """What a script comes to; raises Refused."""
    done = glibc.recognised(body)
    if done is not None:
        return Outcome(label="linker" if done else "looks", effects=done)
    text = " ".join(line for line in (raw.partition("--")[0].strip() for raw in body.splitlines()) if line)
    text = re.sub(r"\s+", " ", text)
    if not text:
        return Outcome(label="nothing")
    if _LISTED.fullmatch(text) or _UNLISTED.fullmatch(text):
        return _shells(text, situation)
    found = _REPLACED.fullmatch(text)
    if not found:
        return Outcome(label="files", effects=tuple(_made(text, situation)))
    known = _MOVED if found["kind"] == "directory" else _UNLINKED
    if not known.fullmatch(found["body"]):
        raise Refused("it is a program in Lua that is not known")
    kind = Kind.DIRECTORY if found["kind"] == "directory" else Kind.SYMLINK
    if situation.kind(found["path"]) is kind:
        raise Refused(f"it moves {found['path']} of the image away")
    return Outcome(label="files")


def _shells(text: str, situation: Situation) -> Outcome:
    """At an upgrade the older version has listed itself, and what goes is not the last of it."""
    count = situation.arguments[0] if situation.arguments else ""
    if count == ("0" if _UNLISTED.fullmatch(text) else "1"):
        raise Refused("it changes /etc/shells of the image")
    return Outcome(label="files")


def _made(text: str, situation: Situation) -> Iterator[Effect]:
    """The effects of a script that only makes what is not there; raises Refused for any other."""
    at = 0
    while at < len(text):
        found = _MADE.match(text, at)
        if not found:
            raise Refused("it is a program in Lua that is not known")
        at = found.end() + (text[found.end() : found.end() + 1] == " ")
        path = posixpath.normpath(found["folder"] or found["link"] or found["path"] or found["old"] or "/")
        there = situation.kind(path)
        if found["old"] and there is Kind.SYMLINK:
            raise Refused(f"it takes {path} of the image away")
        if found["folder"] and there is None:
            yield MakeDirectory(path=path)
        elif found["link"] and there is None:
            yield MakeLink(path=path, target=found["target"])
        elif found["path"]:
            yield SetMode(path=path, mode=int(found["mode"], 8))
