"""`imagekit test`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imagekit.architecture import Architecture
from imagekit.cli import local, options
from imagekit.cli.console import printable
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session, write
from imagekit.errors import FunctionFailed, Missing, UsageError

if TYPE_CHECKING:
    from imagekit.execute.local import Machine
    from imagekit.execute.verdict import Verdict

#: Lines of a failed test's log that are shown.
_LOG: Final = 20


@command("test")
@options.spec
@options.platform
@option("--junit", metavar="FILE", help="Write a JUnit report, too.")
@local.wishes
@pass_session
def test(
    session: Session,
    spec: str,
    *,
    architectures: Sequence[Architecture],
    junit: str | None,
    wished: Mapping[str, Any],
) -> None:
    """Run the spec's tests on every architecture that this machine can run.

    Each event goes to the image as it would on Lambda; answers that differ are shown, and end this with 1.
    """
    from imagekit import pipeline
    from imagekit.cli import work
    from imagekit.execute import trials
    from imagekit.execute.verdict import junit as report
    from imagekit.lockfile import Use

    verdicts: list[Verdict] = []
    with local.kept(session, wished) as kept, work.opened(session, spec) as opened:
        project = work.load(session, opened, spec, wished["overrides"], architectures)
        if not project.spec.tests:
            raise UsageError(f"{spec} has no tests", hint="add `tests: [{name: …, event: …, expect: …}]`")
        wanted = {item.architecture: trials.trials(item) for item in project.platforms}
        machine, made = local.machine(session, opened), local.made(wished, project, kept)
        for architecture in _that_run(session, machine, made.runner, list(wanted), named=bool(architectures)):
            image = pipeline.local(opened, project.only([architecture]), Use.RENEW, partial(work.warn, session))
            for verdict in trials.run(wanted[architecture], image, machine, made):
                write(printable("\n".join(_lines(verdict))))
                verdicts.append(verdict)
    if junit:
        Path(junit).write_bytes(report(project.spec.name, verdicts))
    failed = sum(not verdict.passed for verdict in verdicts)
    if failed:
        raise FunctionFailed(f"{failed} of {len(verdicts)} tests failed", hint="what differs is shown above")
    session.say(f"{len(verdicts)} tests passed")


def _that_run(
    session: Session, machine: Machine, runner: str, wanted: Sequence[Architecture], *, named: bool
) -> Iterator[Architecture]:
    """Those that this machine can run, the others said; raises Missing when one was named, or none is left."""
    ready, lacking = [], []
    for architecture in wanted:
        try:
            machine.runner(architecture, runner)
            ready.append(architecture)
        except Missing as error:
            lacking.append((architecture, error))
    if lacking and (named or not ready):
        raise lacking[0][1]
    for architecture, problem in lacking:
        session.say(f"not run for {architecture}: {problem.message} ({problem.hint})")
    yield from ready


def _lines(verdict: Verdict) -> Iterator[str]:
    """A row of the table, and below it what is wrong."""
    word = "passed" if verdict.passed else "FAILED"
    yield f"{word}  {verdict.architecture:<6}  {verdict.seconds * 1000:>8.1f} ms  {verdict.name}"
    yield from (f"    {problem}" for problem in verdict.problems)
    yield from (f"    {line}" for line in verdict.diff)
    if not verdict.passed and verdict.log:
        yield from (f"    | {line}" for line in verdict.log.splitlines()[-_LOG:])
