"""The seam to whoever watches: tasks with their bytes, and sentences. The command line draws them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One thing under way."""

    def advance(self, amount: int) -> None:
        """So many more bytes are done."""

    def say(self, text: str) -> None:
        """What became of it, in a word or two: `cached`, `mounted`, `still running after 30 s`."""


class Progress(Protocol):
    """All that is under way; safe to use from several threads."""

    def task(self, title: str, total: int | None = None) -> AbstractContextManager[Task]:
        """A task with a title and, when known, its size in bytes; it is done when the block ends."""

    def say(self, text: str) -> None:
        """A line for the user that belongs to no task."""


class Silent:
    """A Progress that shows nothing, for tests and for callers that only want the result."""

    @contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        """A task that nobody sees."""
        yield _Unseen()

    def say(self, text: str) -> None:
        """Said to nobody."""


class _Unseen:
    def advance(self, amount: int) -> None:
        """Counted by nobody."""

    def say(self, text: str) -> None:
        """Said to nobody."""
