"""`imagekit invoke`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from imagekit.architecture import Architecture
from imagekit.cli import local
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session
from imagekit.errors import FunctionFailed, InvalidFile, UsageError

if TYPE_CHECKING:
    from imagekit.emulator.callers import Outcome
    from imagekit.emulator.happenings import Happening
    from imagekit.execute.local import Wishes

#: Bytes of an event (Lambda quotas).
_LARGEST = 6 * 1024 * 1024


@command("invoke")
@local.target
@option("--event", "event", metavar="FILE", default="", help="The event as JSON; - reads stdin. {} when left out.")
@local.only_platform
@local.wishes
@pass_session
def invoke(
    session: Session, target: str, *, event: str, architecture: Architecture | None, wished: Mapping[str, Any]
) -> None:
    """Send one event to an image and print its answer.

    A spec is built first. stdout gets the answer; stderr the log, with the REPORT line of Lambda. A function that fails
    ends this with 1.
    """
    from imagekit.cli import work
    from imagekit.emulator.invocation import Event

    payload = _event(event)
    spec = target if local.is_spec(target) else ""
    with local.kept(session, wished) as kept, work.opened(session, spec) as opened:
        image, project = local.image(session, opened, target, architecture, wished)
        made = local.made(wished, project, kept)
        with local.machine(session, opened).function(image, made, Shown(session)) as function:
            outcome = function.invoke(Event(payload=payload))
    sys.stdout.buffer.write(outcome.payload + (b"" if outcome.payload.endswith(b"\n") else b"\n"))
    if outcome.error:
        raise FunctionFailed(f"the function failed: {outcome.error.type}", hint=_more(outcome, made))


def _more(outcome: Outcome, wishes: Wishes) -> str:
    """What gives a function more that had too little; empty where that is not known."""
    if outcome.error and outcome.error.status == "timeout":
        return f"it had {wishes.timeout:g} s; --timeout gives it more"
    if outcome.report.memory_used > wishes.memory:
        return f"it used more than its {wishes.memory} MB of memory; --memory gives it more"
    return ""


class Shown:
    """A Listener that shows the log on stderr, and first what confines the function."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told = False

    def heard(self, happening: Happening) -> None:
        """Show a line of the log."""
        from imagekit.emulator.happenings import EnvironmentOpened, LogLine

        if isinstance(happening, LogLine):
            self._session.console.say(happening.text)
        elif isinstance(happening, EnvironmentOpened) and not self._told:
            self._told = True
            self._session.say(f"runner {happening.runner}: memory is limited {happening.keeps_memory}")


def _event(named: str) -> bytes:
    """The event that is named; raises InvalidFile for what is no JSON, UsageError for what is too large."""
    import json

    from imagekit.gather import regular

    if not named:
        return b"{}"
    try:
        data = sys.stdin.buffer.read(_LARGEST + 1) if named == "-" else regular.read(named, _LARGEST)
    except OSError as error:
        raise InvalidFile(
            f"{named}: {error.strerror}", hint="--event names a file with JSON, or - for stdin"
        ) from error
    if len(data) > _LARGEST:
        raise UsageError(f"the event is larger than Lambda takes: {_LARGEST:,} bytes", hint="send a smaller one")
    try:
        # Numbers are the function's matter, however long they are; the other two are no JSON.
        json.loads(data, parse_int=len, parse_float=len, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        why = error if isinstance(error, ValueError) else "it is nested too deeply"
        raise InvalidFile(f"{named}: not JSON: {why}", hint="Lambda takes JSON; a text is JSON in quotes") from error
    return data


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")
