"""The WWW-Authenticate header: what a server wants to see before it answers (RFC 9110, section 11.6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Self

from imagekit.values import dataclass

_LONGEST: Final = 8 * 1024
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(rf'({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*))')
_SCHEME: Final = re.compile(rf"({_TOKEN})(?=\s|,|$)")
_BETWEEN: Final = re.compile(r"[\s,]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """One scheme, in lower case, with its parameters; the names are in lower case."""

    scheme: str
    parameters: Mapping[str, str]

    @classmethod
    def all_from(cls, values: Iterable[str]) -> tuple[Self, ...]:
        """Every challenge in the values of the header; what cannot be read is left out."""
        return tuple(found for value in values for found in cls._from_value(value[:_LONGEST]))

    @classmethod
    def _from_value(cls, value: str) -> list[Self]:
        found: list[tuple[str, dict[str, str]]] = []
        position = 0
        while position < len(value):
            if between := _BETWEEN.match(value, position):
                position = between.end()
            elif found and (parameter := _PARAMETER.match(value, position)):
                name, quoted, plain = parameter.groups()
                text = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if quoted is not None else plain
                found[-1][1].setdefault(name.lower(), text)
                position = parameter.end()
            elif scheme := _SCHEME.match(value, position):
                found.append((scheme[1].lower(), {}))
                position = scheme.end()
            else:
                position = _next_item(value, position)
        return [cls(scheme=scheme, parameters=parameters) for scheme, parameters in found]


def _next_item(value: str, position: int) -> int:
    """Past the next comma: what stands before it is nothing that this header may have."""
    comma = value.find(",", position)
    return len(value) if comma < 0 else comma + 1
