"""What can be watched while functions run: each happening is a value, and all go to one listener."""

from __future__ import annotations

from typing import Protocol

from imagekit.emulator.invocation import Report
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentStarted:
    """An execution environment is being made. `at` is in seconds since 1970, here as everywhere."""

    environment: int
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentOpened:
    """It has a sandbox, made by a runner; `keeps_memory` is how its memory is limited, in words for people."""

    environment: int
    at: float
    runner: str
    keeps_memory: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentReady:
    """Its init phase is over; `init` in milliseconds. `error` is empty when it went well."""

    environment: int
    at: float
    init: float
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentReset:
    """Its processes were ended: the next event starts them anew. `reason` is TIMEOUT or FAILURE."""

    environment: int
    at: float
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentEnded:
    """It is gone."""

    environment: int
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class InvocationBegun:
    """An event was given to an environment."""

    environment: int
    at: float
    request_id: str
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class InvocationEnded:
    """An event is done; `size` is that of the answer in bytes."""

    environment: int
    at: float
    request_id: str
    size: int
    report: Report


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """A line of the log. `source` is `function`, `platform` (START, END, REPORT …) or `extension`.

    Where a function writes much, `text` is many lines, with line feeds between them.
    """

    environment: int
    at: float
    request_id: str
    source: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MemorySample:
    """The most memory, in bytes, that an environment used so far."""

    environment: int
    at: float
    peak: int


Happening = (
    EnvironmentStarted
    | EnvironmentOpened
    | EnvironmentReady
    | EnvironmentReset
    | EnvironmentEnded
    | InvocationBegun
    | InvocationEnded
    | LogLine
    | MemorySample
)


class Listener(Protocol):
    """Who watches. It is called in the emulator's own thread and has to be quick."""

    def heard(self, happening: Happening) -> None:
        """Something happened."""


class Deaf:
    """A Listener that hears nothing."""

    def heard(self, happening: Happening) -> None:
        """Nothing is done with it."""


class Together:
    """A Listener that passes everything on to several, in their order."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def heard(self, happening: Happening) -> None:
        """Tell each."""
        for listener in self._listeners:
            listener.heard(happening)
