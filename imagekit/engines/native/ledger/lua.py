"""Scriptlets for the interpreter within rpm: a few texts that packages copy from each other."""

from __future__ import annotations

import re
from typing import Final

from imagekit.engines.native.ledger import glibc
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


def judge(body: str, situation: Situation) -> Outcome:
    """What a script comes to; raises Refused."""
    done = glibc.recognised(body)
    if done is not None:
        return Outcome(label="linker" if done else "looks", effects=done)
    text = " ".join(line for line in (raw.partition("--")[0].strip() for raw in body.splitlines()) if line)
    text = re.sub(r"\s+", " ", text)
    if not text:
        return Outcome(label="nothing")
    found = _REPLACED.fullmatch(text)
    if not found:
        raise Refused("it is a program in Lua that is not known")
    known = _MOVED if found["kind"] == "directory" else _UNLINKED
    if not known.fullmatch(found["body"]):
        raise Refused("it is a program in Lua that is not known")
    kind = Kind.DIRECTORY if found["kind"] == "directory" else Kind.SYMLINK
    if situation.kind(found["path"]) is kind:
        raise Refused(f"it moves {found['path']} of the image away")
    return Outcome(label="files")
