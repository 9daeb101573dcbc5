"""A folder with a spec whose steps run in containers, and an engine to build it with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.support.commands import Ran, imagekit, imagekit_well

#: Makes a program that says what stands in `made`.
PROGRAM = 'printf "#!/bin/sh\\n# $(cat made)\\n" > "$IMAGEKIT_OUTPUT"'


@dataclass(frozen=True)
class Site:
    """The folder; `settings` lead to the engine, to stand-ins for AWS's bases, and to a cache of its own."""

    folder: Path
    settings: dict[str, str]

    @classmethod
    def make(cls, folder: Path, *settings: dict[str, str]) -> Site:
        (folder / "app").mkdir()
        merged = {name: text for one in settings for name, text in one.items()}
        return cls(folder / "app", {**merged, "IMAGEKIT_CACHE_DIR": str(folder / "cache")})

    def spec(self, *steps: dict[str, object], **more: object) -> None:
        document = {
            "name": "app",
            "language": "custom",
            "os": "al2023",
            "handler": "app.handler",
            "bootstrap": {"path": "build/{architecture}/bootstrap"},
            "build": [{"in": "base", **step} for step in steps],
            **more,
        }
        (self.folder / "runtime.yaml").write_text(json.dumps(document))

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def made(self, architecture: str) -> str:
        """The program that a build left."""
        return (self.folder / "build" / architecture / "bootstrap").read_text()

    def build(self, *arguments: str, **settings: str) -> Ran:
        return imagekit("build", *arguments, folder=self.folder, settings={**self.settings, **settings})

    def built(self, *arguments: str, **settings: str) -> Ran:
        return imagekit_well("build", *arguments, folder=self.folder, settings={**self.settings, **settings})
