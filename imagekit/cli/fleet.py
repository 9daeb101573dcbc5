"""Several specs in one run: what they share is opened once, one that fails stops no other, and a table ends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import click

from imagekit.cli.failure import as_known
from imagekit.cli.report import show_error
from imagekit.cli.session import Session
from imagekit.errors import ImagekitError
from imagekit.progress import Progress, Task

if TYPE_CHECKING:
    from imagekit import pipeline

T = TypeVar("T")

_DONE: Final = "done"
_FAILED: Final = "failed"


class Run(Generic[T]):
    """What became of each spec, in the order in which they were named."""

    def __init__(self, session: Session, done: Mapping[str, T], failed: Mapping[str, ImagekitError]) -> None:
        self.done = done
        self._session = session
        self._failed = failed

    def finish(self, told: Callable[[T], str]) -> None:
        """Show the table of several specs; ends the command with the first failure's exit code when there is one."""
        if len(self.done) + len(self._failed) < 2:
            return
        rows = [(spec, _DONE, told(result)) for spec, result in self.done.items()]
        rows += [(spec, _FAILED, error.message) for spec, error in self._failed.items()]
        width = max(len(spec) for spec, _, _ in rows)
        for spec, word, text in rows:
            self._session.say(f"{spec:{width}}  {word:{len(_FAILED)}}  {text}".rstrip())
        if self._failed:
            self._session.console.say(f"{len(self._failed)} of {len(rows)} specs failed")
            raise click.exceptions.Exit(next(iter(self._failed.values())).exit_code)


def over(session: Session, specs: Sequence[str], do: Callable[[pipeline.Session, str], T]) -> Run[T]:
    """Do it with each spec, one after another: memory is that of the largest, and each finds what those before cached.

    The error of a lone spec is raised as it is, that of one among several is shown where it happens.
    """
    from imagekit.cli import work

    done: dict[str, T] = {}
    failed: dict[str, ImagekitError] = {}
    with work.opened_for_all(session) as opened_for:
        if len(specs) == 1:
            return Run(session, {specs[0]: do(opened_for(specs[0]), specs[0])}, {})
        for spec in specs:
            try:
                opened = opened_for(spec)
                done[spec] = do(replace(opened, progress=Titled(spec, opened.progress)), spec)
            except BrokenPipeError:
                raise
            except Exception as error:
                failed[spec] = as_known(error)
                session.console.say(f"{spec}:")
                show_error(failed[spec], session.console, session.environment)
    return Run(session, done, failed)


class Titled:
    """A Progress whose tasks say which spec they are of."""

    def __init__(self, title: str, inner: Progress) -> None:
        self._title = title
        self._inner = inner

    def task(self, title: str, total: int | None = None) -> AbstractContextManager[Task]:
        """A task of this spec."""
        return self._inner.task(f"{self._title}: {title}", total)

    def say(self, text: str) -> None:
        """A line about this spec."""
        self._inner.say(f"{self._title}: {text}")
