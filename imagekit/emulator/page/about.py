"""What the page says of its function, and the events that it offers as templates."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from imagekit.values import dataclass

#: Shapes of events as the developer guide documents them, each under its service.
_EVENTS: Final = Path(__file__).parent / "events.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """An event to begin with; `event` is JSON as text."""

    name: str
    event: str


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """The function: memory in MiB, timeout in seconds. `tests` are the events of its spec's tests.

    `run` tells one run of the emulator from another: a page that is still open begins anew with a new one.
    """

    run: str
    name: str
    image: str
    architecture: str
    memory: int
    timeout: float
    tests: tuple[Template, ...] = ()

    def document(self) -> bytes:
        """As the page's script reads it."""
        aws = (
            Template(name=item["name"], event=json.dumps(item["event"]))
            for item in json.loads(_EVENTS.read_text("utf-8"))
        )
        document = {
            "run": self.run,
            "name": self.name,
            "image": self.image,
            "architecture": self.architecture,
            "memory": self.memory,
            "timeout": self.timeout,
            "groups": [_group("Tests of the spec", self.tests), _group("Events of AWS", aws)],
        }
        return json.dumps(document).encode()


def _group(title: str, templates: Iterable[Template]) -> dict[str, Any]:
    return {"title": title, "templates": [{"name": item.name, "event": item.event} for item in templates]}
