"""Third-party code that a manifest beside a function's code names, and where it is installed for a platform."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from imagekit.findings import Finding, Place, Severity
from imagekit.gather import paths, regular
from imagekit.language import TASK_ROOT, Dependencies, Language, Unlocked
from imagekit.spec.model import FromDisk
from imagekit.spec.platform import PlatformSpec
from imagekit.values import dataclass

#: Of a file that a person writes, this much is searched.
_LONGEST: Final = 256 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """What is installed for one platform, from a manifest in `source`.

    `work` is a scratch folder outside the code: copies of the inputs, where the command runs, and what it leaves.
    """

    how: Dependencies
    source: Path
    work: Path
    place: Place | None

    @property
    def output(self) -> Path:
        """The folder that the command fills."""
        return self.work / self.how.folder

    @property
    def target(self) -> str:
        """Where it goes in the image."""
        return f"{TASK_ROOT}/{self.how.folder}"

    def less(self, item: FromDisk) -> FromDisk:
        """The item without what lies in the same folder of the source: that is for the machine of its developer."""
        if item.target.rstrip("/") != TASK_ROOT:
            return item
        return replace(item, exclude=(*item.exclude, f"/{self.how.folder}"))


def find(spec: PlatformSpec, language: Language, scratch: Path) -> Installation | None:
    """What a platform's default build installs: nothing when the code has no manifest that the language knows."""
    for item in _code(spec):
        source = paths.local(spec.root, item.source, item.place)
        for how in language.dependencies:
            if (source / how.manifest).is_file():
                # Its command runs there and is told where to install: relative, that would be below itself.
                work = Path(os.path.abspath(scratch / "dependencies" / spec.name / spec.architecture.name))
                return Installation(how=how, source=source, work=work, place=item.place)
    return None


def _code(spec: PlatformSpec) -> Iterator[FromDisk]:
    """The folders whose manifests the default build looks at."""
    for item in spec.files if spec.default_build else ():
        if isinstance(item, FromDisk) and item.target.rstrip("/") == TASK_ROOT:
            yield item


def unlocked(specs: Iterable[PlatformSpec], language: Language) -> tuple[Finding, ...]:
    """Warnings of code that asks for more code, which nothing names exactly and nothing brings: it would be missing."""
    found = {}
    for spec in specs:
        for item in _code(spec):
            source = Path(spec.root, item.source)
            if any((source / how.manifest).is_file() for how in language.dependencies):
                continue
            for how in language.dependencies:
                if how.unlocked and not _is_brought(spec, source, how) and _asks(source, how.unlocked):
                    found[source, how.unlocked.file] = _finding(how, how.unlocked, item.place)
    return tuple(found.values())


def _is_brought(spec: PlatformSpec, source: Path, how: Dependencies) -> bool:
    """What the code asks for lies beside it, or is to lie there in the image."""
    targets = (item.target.rstrip("/") for item in spec.files)
    return (source / how.folder).exists() or f"{TASK_ROOT}/{how.folder}" in targets


def _asks(source: Path, unlocked: Unlocked) -> bool:
    try:
        text = regular.read(source / unlocked.file, _LONGEST).decode(errors="replace")
    except OSError:  # it is not there; where it cannot be read, packing it tells
        return False
    return re.search(unlocked.asks, text) is not None


def _finding(how: Dependencies, unlocked: Unlocked, place: Place | None) -> Finding:
    return Finding(
        code="IK0301",
        severity=Severity.WARNING,
        message=f"{unlocked.file} asks for packages, and there is no {how.manifest}: the image will not have them",
        hint=f"{unlocked.advice}; or install them with `build`",
        place=place,
    )
