"""Third-party code that a manifest beside a function's code names, and where it is installed for a platform."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from imagekit.findings import Place
from imagekit.gather import paths
from imagekit.language import TASK_ROOT, Dependencies, Language
from imagekit.spec.model import FromDisk
from imagekit.spec.platform import PlatformSpec
from imagekit.values import dataclass


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
    for item in spec.files if spec.default_build else ():
        if isinstance(item, FromDisk) and item.target.rstrip("/") == TASK_ROOT:
            source = paths.local(spec.root, item.source, item.place)
            for how in language.dependencies:
                if (source / how.manifest).is_file():
                    work = scratch / "dependencies" / spec.name / spec.architecture.name
                    return Installation(how=how, source=source, work=work, place=item.place)
    return None
