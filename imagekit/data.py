"""The one place that finds imagekit's data folders, in a checkout, an editable install and a wheel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from imagekit.errors import Bug

_PACKAGE: Final = Path(__file__).resolve().parent


def base_images() -> Path:
    """The folder with one folder a base image."""
    return _shared("base_images")


def specs() -> Path:
    """The folder with one folder an example."""
    return _shared("specs")


def languages() -> Path:
    """The folder with one folder a language."""
    return _PACKAGE / "languages"


def schemas() -> Path:
    """The folder with the JSON Schema of the spec."""
    return _PACKAGE / "spec"


def named(folder: Path, file: str) -> Mapping[str, Path]:
    """The folders in `folder` that hold `file`, by name, sorted."""
    return {path.parent.name: path for path in sorted(folder.glob(f"*/{file}"))}


def _shared(name: str) -> Path:
    """A folder that stands beside the package in a checkout and inside it in a wheel."""
    for place in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise Bug(f"the data folder {name} is not installed", hint="install imagekit again")


def certificate_authorities() -> Path:
    """Mozilla's bundle of certificate authorities, as certifi packages it."""
    import certifi

    return Path(certifi.where())
