"""The embedded runtime client of a platform: its program, its configuration, and the files of the language's worker."""

from __future__ import annotations

from typing import Final

from imagekit import client
from imagekit.client import configuration
from imagekit.language import RUNTIME, Language
from imagekit.plan.parts import EmbeddedPart
from imagekit.spec.bootstrap import Client
from imagekit.spec.platform import PlatformSpec

BOOTSTRAP: Final = f"{RUNTIME}/bootstrap"
_CONFIGURATION: Final = f"{RUNTIME}/bootstrap.conf"


def part(spec: PlatformSpec, start: Client, language: Language) -> EmbeddedPart:
    """What starts the platform's image; raises Missing where this imagekit has no client, InvalidFile."""
    worker = language.worker if language.worker and language.worker.is_started_by(start.command) else None
    files = {f"{RUNTIME}/{name}": path.read_bytes() for name, path in worker.files.items()} if worker else {}
    return EmbeddedPart(
        source=f"runtime client and {language.name} worker" if worker else "runtime client",
        files={_CONFIGURATION: configuration.to_bytes(start), **files},
        programs={BOOTSTRAP: client.program(spec.architecture)},
        place=start.place,
    )
