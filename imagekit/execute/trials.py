"""Running the tests of a spec: each event is sent, each answer compared."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from imagekit.emulator.callers import Outcome
from imagekit.emulator.happenings import Happening, LogLine
from imagekit.emulator.invocation import Event
from imagekit.emulator.ports import Mount
from imagekit.emulator.service import Lambda
from imagekit.errors import InvalidFile
from imagekit.execute.compare import diff, differences
from imagekit.execute.image import LocalImage
from imagekit.execute.local import Machine, Wishes
from imagekit.execute.verdict import Verdict
from imagekit.findings import Place
from imagekit.gather import paths, regular
from imagekit.language import TASK_ROOT
from imagekit.spec.expectation import Expectation, Payload
from imagekit.spec.platform import PlatformSpec
from imagekit.values import dataclass

#: Bytes of an event or an answer in a file.
_LARGEST: Final = 6 * 1024 * 1024 + 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A test with what its files hold."""

    what: Expectation
    event: bytes
    expected: Any
    code: str

    @classmethod
    def read(cls, spec: PlatformSpec, what: Expectation) -> Trial:
        """Read the files that a test names; raises InvalidFile."""
        answer = _content(spec, what.answer, what.place) if what.answer else b"null"
        return cls(
            what=what,
            event=_content(spec, what.event, what.place),
            expected=_json(answer, what),
            code=str(paths.local(spec.root, what.code, what.place)) if what.code else "",
        )


class _Log:
    """A Listener that keeps what a function writes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def heard(self, happening: Happening) -> None:
        """Keep a line of the log."""
        if isinstance(happening, LogLine) and happening.source != "platform":
            self.lines.append(happening.text)

    def taken(self) -> str:
        """All lines since the last time."""
        lines, self.lines = self.lines, []
        return "\n".join(lines)


def trials(spec: PlatformSpec) -> tuple[Trial, ...]:
    """The tests of a platform, all of their files read; raises InvalidFile."""
    return tuple(Trial.read(spec, what) for what in spec.tests)


def run(wanted: Iterable[Trial], image: LocalImage, machine: Machine, wishes: Wishes) -> Iterator[Verdict]:
    """Run them in their order, neighbours with the same code in one environment."""
    for code, group in groupby(wanted, key=lambda trial: trial.code):
        mounts = (*wishes.mounts, *((Mount(source=code, target=TASK_ROOT),) if code else ()))
        log = _Log()
        with machine.function(image, replace(wishes, mounts=mounts), log) as function:
            for trial in group:
                yield _verdict(trial, image, function, log)


def _verdict(trial: Trial, image: LocalImage, function: Lambda, log: _Log) -> Verdict:
    outcome = function.invoke(Event(payload=trial.event))
    problems, shown = judged(trial, outcome)
    return Verdict(
        name=trial.what.name,
        architecture=image.architecture.name,
        seconds=outcome.report.duration / 1000,
        problems=problems,
        diff=shown,
        log=log.taken(),
    )


def judged(trial: Trial, outcome: Outcome) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is wrong with an outcome, and the diff that shows it."""
    what = trial.what
    if outcome.error:
        kind = _error_type(outcome.payload) or outcome.error.type
        if what.error == kind:
            return (), ()
        wanted = f"the error {what.error}" if what.error else "an answer"
        return (f"expected {wanted}, got the error {kind}",), tuple(_shown(outcome.payload))
    if what.error:
        return (f"expected the error {what.error}, got an answer",), tuple(_shown(outcome.payload))
    if what.answer is None:
        return (), ()
    try:
        actual = json.loads(outcome.payload)
    except ValueError:
        return ("the answer is not JSON",), tuple(_shown(outcome.payload))
    problems = differences(trial.expected, actual, what.match)
    return problems, tuple(diff(trial.expected, actual)) if problems else ()


def _shown(payload: bytes) -> Iterator[str]:
    text = payload[:2000].decode("utf-8", "replace")
    yield from (f"+{line}" for line in text.splitlines())


def _error_type(payload: bytes) -> str:
    try:
        document = json.loads(payload)
    except ValueError:
        return ""
    return str(document.get("errorType", "")) if isinstance(document, Mapping) else ""


def _content(spec: PlatformSpec, payload: Payload, place: Place | None) -> bytes:
    if not payload.file:
        return payload.text.encode("utf-8")
    path = paths.local(spec.root, payload.file, place)
    if os.path.isdir(path):
        raise InvalidFile(f"{payload.file} is a folder", hint="name a file in it", place=place)
    data = regular.read(path, _LARGEST)
    if len(data) > _LARGEST:
        raise InvalidFile(f"{payload.file} is larger than Lambda takes: {_LARGEST:,} bytes", place=place)
    return data


def _json(data: bytes, what: Expectation) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        name = what.answer.file if what.answer else ""
        raise InvalidFile(f"{name} is not JSON: {error}", hint="`expect_file` holds JSON", place=what.place) from error
