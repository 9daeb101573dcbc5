"""A test of the spec: an event, and what the image is expected to answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Final, Self

from imagekit.architecture import Architecture, among
from imagekit.findings import Place
from imagekit.values import dataclass

#: The keys of which a test names one at most.
EVENTS: Final = ("event", "event_file")
ANSWERS: Final = ("expect", "expect_file", "error")


class Match(StrEnum):
    """How an answer is compared: all of it, or what is expected being part of it."""

    EXACT = "exact"
    SUBSET = "subset"


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """JSON as text, or a file below `root` that holds it."""

    text: str = ""
    file: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """One event with its answer, or with the type of the error that it ends in; with neither any answer will do.

    `code` is a folder below `root` that is mounted at the task root: how an image without code is tried.
    """

    name: str
    event: Payload
    answer: Payload | None = None
    error: str | None = None
    match: Match = Match.EXACT
    code: str | None = None
    only: tuple[Architecture, ...] = ()
    place: Place | None = field(default=None, compare=False)

    @classmethod
    def from_document(cls, value: Mapping[str, Any], place: Place | None) -> Self:
        """From a mapping that the schema's `test`, and the rules, have accepted."""
        return cls(
            name=value["name"],
            event=_payload(value, *EVENTS) or Payload(text="{}"),
            answer=_payload(value, "expect", "expect_file"),
            error=value.get("error"),
            match=Match(value.get("match", Match.EXACT)),
            code=value.get("code"),
            only=among(value.get("only", ())),
            place=place,
        )


def _payload(value: Mapping[str, Any], text: str, file: str) -> Payload | None:
    if file in value:
        return Payload(file=value[file])
    return Payload(text=json.dumps(value[text], ensure_ascii=False)) if text in value else None
