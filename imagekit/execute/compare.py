"""Comparing an answer with what a test expects: as JSON, all of it or a part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from imagekit.spec.expectation import Match


def differences(expected: Any, actual: Any, match: Match) -> tuple[str, ...]:
    """Where the answer is not what is expected, as `$.orders[0].id: expected 1, got 2`; empty when it fits.

    Under `subset` an object may have more keys; lists have to be as long as expected. 1 and 1.0 are the same number.
    """
    return tuple(_differences("$", expected, actual, match))


def diff(expected: Any, actual: Any) -> Iterator[str]:
    """The two as JSON, line by line, as a unified diff without its head."""
    from difflib import unified_diff

    lines = unified_diff(_lines(expected), _lines(actual), "expected", "answer", lineterm="", n=2)
    return (line for line in lines if not line.startswith("@@"))


def _differences(where: str, expected: Any, actual: Any, match: Match) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in expected.keys() | (actual.keys() if match is Match.EXACT else set()):
            yield from _member(f"{where}.{key}", key, expected, actual, match)
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            yield f"{where}: expected {_counted(len(expected))}, got {len(actual)}"
        for index, (wanted, got) in enumerate(zip(expected, actual, strict=False)):
            yield from _differences(f"{where}[{index}]", wanted, got, match)
    elif not _same(expected, actual):
        yield f"{where}: expected {_short(expected)}, got {_short(actual)}"


def _member(where: str, key: str, expected: dict[str, Any], actual: dict[str, Any], match: Match) -> Iterator[str]:
    if key not in actual:
        yield f"{where}: expected {_short(expected[key])}, and there is none"
    elif key not in expected:
        yield f"{where}: got {_short(actual[key])}, which is not expected"
    else:
        yield from _differences(where, expected[key], actual[key], match)


def _same(expected: Any, actual: Any) -> bool:
    """Python has True equal to 1; JSON has not."""
    return isinstance(expected, bool) == isinstance(actual, bool) and bool(expected == actual)


def _counted(number: int) -> str:
    return f"{number} item{'' if number == 1 else 's'}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _lines(value: Any) -> list[str]:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True).splitlines()
