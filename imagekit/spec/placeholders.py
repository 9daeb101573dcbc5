"""Placeholders: `{word}` and `{word.WORD}`; `{{` and `}}` are braces, `$` has no meaning."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from imagekit.errors import InvalidSpec
from imagekit.findings import Finding, Place
from imagekit.spec.nearest import hint
from imagekit.spec.secret import shown

#: What every spec can say, whatever its language.
KNOWN: Final = ("version", "architecture", "oci_arch", "rpm_arch", "name")
#: What the URLs of package repositories can say too: the release of the base's operating system.
RELEASE: Final = "releasever"
#: Those that differ from one architecture to the other.
BY_ARCHITECTURE: Final = ("architecture", "oci_arch", "rpm_arch")

#: Unknown words of one text that are reported.
_LISTED: Final = 8
_PART: Final = re.compile(r"[^{}]+|\{\{|\}\}|\{([a-z][a-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)\}|[{}]")


def words(text: str) -> tuple[str, ...]:
    """The words of all placeholders, in order, each once."""
    return tuple(dict.fromkeys(word for _, word in _parts(text) if word))


def problems(text: str, known: Collection[str], place: Place | None) -> tuple[Finding, ...]:
    """What is wrong with the placeholders of a text: unknown words, stray braces. `base.` allows any `base.NAME`."""
    unknown = [word for word in words(text) if word not in known and f"{word.partition('.')[0]}." not in known]
    found = [_unknown(word, known, place) for word in unknown[:_LISTED]]
    if any(not word and part in ("{", "}") for part, word in _parts(text)):
        found.append(_stray(text, known, place))
    return tuple(found)


def expand(text: str, values: Mapping[str, str], place: Place | None = None) -> str:
    """The text with each placeholder replaced by its value.

    Raises InvalidSpec with all unknown words and stray braces, at `place`.
    """
    if wrong := problems(text, values, place):
        raise InvalidSpec(wrong)
    return "".join(values[word] if word else _literal(part) for part, word in _parts(text))


def sample(text: str, values: Mapping[str, str]) -> str | None:
    """The text with an `x` for each word that has no value yet: what rules look at. None when a brace is stray."""
    parts = list(_parts(text))
    if any(not word and part in ("{", "}") for part, word in parts):
        return None
    return "".join(values.get(word, "x") if word else _literal(part) for part, word in parts)


def escape(text: str) -> str:
    """Text that expands to `text`."""
    return text.replace("{", "{{").replace("}", "}}")


def _parts(text: str) -> Iterator[tuple[str, str | None]]:
    """The text piece by piece; the second is the word of a placeholder."""
    return ((match[0], match[1]) for match in _PART.finditer(text))


def _literal(part: str) -> str:
    return part[0] if part in ("{{", "}}") else part


def _unknown(word: str, known: Collection[str], place: Place | None) -> Finding:
    choices = [f"{one}NAME" if one.endswith(".") else one for one in known]
    advice = hint(word, choices, "placeholders here")
    return Finding(code="IK0105", message=f"unknown placeholder {{{word[:60]}}}", place=place, hint=advice)


def _stray(text: str, known: Collection[str], place: Place | None) -> Finding:
    example = next(iter(known), "word").replace(".", ".NAME")
    advice = f"a placeholder is written {{{example}}}; write {{{{ and }}}} for braces"
    return Finding(code="IK0105", message=f"a stray brace in {shown(text)}", place=place, hint=advice)
