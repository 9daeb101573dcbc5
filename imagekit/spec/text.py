"""Hostile bytes to a tree of nodes, or to findings; nothing else comes out of here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imagekit.findings import Finding, Place
from imagekit.spec.compose import Composer, Lines, OutOfBounds
from imagekit.spec.node import MappingNode, Node, ScalarNode
from imagekit.spec.secret import redact

if TYPE_CHECKING:
    import yaml

#: Bytes of one file.
MAX_BYTES: Final = 1 << 20

_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
#: What is not `c-printable` (YAML 1.2.2, section 5.1); checked here so that both parsers say the same. Most texts are
#: ASCII, and the pattern for all others takes long to compile.
_UNPRINTABLE_ASCII: Final = "[^\t\n\r\x20-\x7e]"
_UNPRINTABLE: Final = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_BARE_PLACEHOLDER: Final = re.compile(r"[:\-\[,]\s*\{[a-z_.A-Z]*\}")
_HINTS: Final = (
    (re.compile(r"\t|tab"), "indent with spaces, never with tabs"),
    (re.compile("alias|anchor"), 'put text that begins with * or & in quotes: "*.js"'),
    (re.compile("cannot start any token"), "put text that begins with this character in quotes"),
    (re.compile("mapping values are not allowed"), 'put text that holds ": " in quotes, and check the indentation'),
    (re.compile("escape"), "write \\\\ for a backslash, or use single quotes"),
    (re.compile("quoted scalar|end of stream"), "close the quote, bracket or brace that is still open"),
)


def parse(file: str, data: bytes, *, pure: bool = False) -> tuple[MappingNode | None, tuple[Finding, ...]]:
    """The mapping that `data` holds, and all that is wrong with it; `file` is what places are called.

    Of text that is not YAML to its end it holds what stands before; None is text of which nothing can be used, which
    there always is a finding for. `pure` does without libyaml, as PyYAML's wheels for
    some machines have to.
    """
    text, unread = _decode(file, data)
    if unread:
        return None, (unread,)
    lines = Lines(file, _BREAK.split(text))
    composer = Composer(lines)
    fault = _compose(text, composer, lines, pure)
    if fault:
        node = composer.so_far() if fault.code == "IK0002" else None
        return node, (*composer.findings, fault)
    return _mapping(composer.root, tuple(composer.findings), lines)


def _decode(file: str, data: bytes) -> tuple[str, Finding | None]:
    """The text of a file; the second is why there is none."""
    if len(data) > MAX_BYTES:
        message = f"the file is larger than the {MAX_BYTES} bytes that a spec has at most"
        return "", Finding(code="IK0005", message=message, place=Place(file=file), hint="is this the right file?")
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte {error.start} is not UTF-8"
        hint = "save the file as UTF-8"
        return "", Finding(code="IK0002", message=message, place=Place(file=file, line=line, column=1), hint=hint)
    if odd := re.search(_UNPRINTABLE_ASCII if text.isascii() else _UNPRINTABLE, text):
        before = _BREAK.split(text[: odd.start()])
        place = Place(file=file, line=len(before), column=len(before[-1]) + 1)
        message = f"the character U+{ord(odd[0]):04X} may not stand in YAML"
        return "", Finding(code="IK0002", message=message, place=place, hint="remove it; is this a text file?")
    return text, None


def _compose(text: str, composer: Composer, lines: Lines, pure: bool) -> Finding | None:
    """Feed every event of the text to the composer; the finding that ended it early."""
    import yaml

    loader = yaml.BaseLoader if pure or not yaml.__with_libyaml__ else yaml.CBaseLoader
    try:
        for event in yaml.parse(text, Loader=loader):
            composer.take(event)
    except OutOfBounds as error:
        return error.finding
    except yaml.MarkedYAMLError as error:
        if not pure and "nesting depth" in (error.problem or ""):
            # libyaml 0.2.6 reads ahead: it meets a bound of its own before the composer meets the spec's lower one.
            return _compose(text, Composer(lines), lines, pure=True)
        return _not_yaml(error, lines)
    except (yaml.YAMLError, ValueError, OverflowError):
        # An escape beyond Unicode, or a version with thousands of digits: the parser in Python lets these through.
        hint = "look for a wrong escape in double quotes, or a wrong %YAML line"
        return Finding(code="IK0002", message="the text is not YAML", place=Place(file=lines.file), hint=hint)
    return None


def _not_yaml(error: yaml.MarkedYAMLError, lines: Lines) -> Finding:
    mark = error.problem_mark or error.context_mark
    place = lines.place(mark) if mark else Place(file=lines.file)
    problem = redact(" ".join(filter(None, (error.context, error.problem))))[:200]
    if _BARE_PLACEHOLDER.search(place.excerpt):
        hint = 'put text that begins with a placeholder in quotes: "{version}/…"'
    else:
        seen = problem + ("\t" if place.excerpt[: place.column].endswith("\t") else "")
        hint = next((advice for sign, advice in _HINTS if sign.search(seen)), "check indentation and quotes here")
    return Finding(code="IK0002", message=f"the text is not YAML: {problem}", place=place, hint=hint)


def _mapping(
    root: Node | None, findings: tuple[Finding, ...], lines: Lines
) -> tuple[MappingNode | None, tuple[Finding, ...]]:
    """A spec is a mapping."""
    if isinstance(root, MappingNode) or (root is None and findings):
        return root, findings
    hint = "begin with the keys `name`, `language` and `os`; `imagekit init` writes a spec to start from"
    place = root.place if root else Place(file=lines.file, line=1, column=1)
    if root is None or (isinstance(root, ScalarNode) and not root.text):
        message = "the file is empty"
    else:
        message = f"a spec is a mapping, not {'text' if isinstance(root, ScalarNode) else 'a list'}"
    return None, (*findings, Finding(code="IK0103", message=message, place=place, hint=hint))
