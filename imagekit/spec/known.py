"""What `load` has to be told: the names of languages and systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageWords:
    """What a language contributes to the reading of a spec.

    `words` are the placeholders that it adds. `handler`, `bootstrap` and `build` say that a spec may leave these keys
    out; `version` that a spec may not; `worker` that the language has one behind the embedded runtime client.
    """

    words: tuple[str, ...] = ()
    handler: bool = False
    bootstrap: bool = True
    build: bool = False
    version: bool = False
    worker: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """The names that a spec may use: languages, and operating systems."""

    languages: Mapping[str, LanguageWords] = field(default_factory=dict)
    systems: tuple[str, ...] = ()
