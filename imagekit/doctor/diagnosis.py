"""One thing that was looked at."""

from __future__ import annotations

from enum import StrEnum

from imagekit.errors import ImagekitError
from imagekit.values import dataclass


class State(StrEnum):
    """`NOTE`: it is not there, and the spec does not need it."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """A topic, what of it was looked at, how it is, and what to do where it is not as it should be."""

    topic: str
    subject: str
    state: State
    text: str
    hint: str = ""

    @classmethod
    def of(cls, topic: str, subject: str, problem: ImagekitError, *, needed: bool) -> Diagnosis:
        """Something that is not there."""
        state = State.MISSING if needed else State.NOTE
        return cls(topic=topic, subject=subject, state=state, text=problem.message, hint=problem.hint)

    def to_mapping(self) -> dict[str, str]:
        """For machines."""
        return {
            "topic": self.topic,
            "subject": self.subject,
            "state": self.state.value,
            "text": self.text,
            "hint": self.hint,
        }
