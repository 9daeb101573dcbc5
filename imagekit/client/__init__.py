"""The runtime client: one static program for each architecture, made from `source/` when imagekit is packaged."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from imagekit.architecture import Architecture
from imagekit.errors import Missing

_BINARIES: Final = Path(__file__).resolve().parent / "bin"


def path(architecture: Architecture) -> Path:
    """Where the program lies; it may not have been made."""
    return _BINARIES / architecture.name / "bootstrap"


def program(architecture: Architecture) -> bytes:
    """The program for an architecture, an ELF executable; raises Missing where imagekit was not installed by pip."""
    try:
        return path(architecture).read_bytes()
    except FileNotFoundError as error:
        raise Missing(
            f"the runtime client for {architecture} is not part of this imagekit",
            hint="install imagekit with pip, which brings it; in a checkout: pip install --editable .",
        ) from error
