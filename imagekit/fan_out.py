"""Many images over many machines: which job builds what, and how CI systems are told of it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from imagekit import __version__
from imagekit.architecture import ARCHITECTURES, Architecture
from imagekit.values import dataclass

#: The folder in which each job leaves the references that it printed, for `imagekit join`.
REFERENCES: Final = ".imagekit-references"
#: A matrix of GitHub has at most 256 jobs ("Usage limits"), a batch of CodeBuild 100 builds ("Quotas").
LIMITS: Final[Mapping[str, int]] = {"github": 256, "codebuild": 100}
#: GitHub's machine where none is named: building for another architecture needs no machine of that architecture.
_RUNNER: Final = "ubuntu-latest"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A spec to build: its path, its name, its architectures."""

    spec: str
    name: str
    architectures: tuple[Architecture, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What one machine builds: some specs, for one architecture, or for all of theirs when it is None."""

    targets: tuple[Target, ...]
    architecture: Architecture | None
    number: int
    overrides: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """A name that no other job has, of letters, digits and dashes."""
        return f"{self.number:03}-{self.targets[0].name}{f'-{self._architecture}' if self.architecture else ''}"

    @property
    def title(self) -> str:
        """As people read it."""
        more = f" and {len(self.targets) - 1} more" if len(self.targets) > 1 else ""
        return f"{self.targets[0].name}{more}{f', {self.architecture}' if self.architecture else ''}"

    @property
    def specs(self) -> tuple[str, ...]:
        """The specs' paths; one that begins with a dash would be an option."""
        return tuple(_path(target.spec) for target in self.targets)

    @property
    def options(self) -> tuple[str, ...]:
        """What every command about these specs is given."""
        return options(self.overrides)

    @property
    def platform(self) -> str:
        """As `--platform` takes it, empty for all."""
        return str(self.architecture.platform) if self.architecture else ""

    @property
    def command(self) -> str:
        """What the machine runs, for a shell."""
        if self.architecture is None:
            return f"imagekit push --locked {shlex.join((*self.options, *self.specs))}"
        words = ("--platform", self.platform, *self.options, *self.specs)
        return f"imagekit build --locked --push --by-digest {shlex.join(words)}"

    @property
    def _architecture(self) -> str:
        return str(self.architecture).replace("_", "-")


def options(overrides: Sequence[str]) -> tuple[str, ...]:
    """Overrides as words of a command line."""
    return tuple(word for text in overrides for word in ("--set", text))


def jobs(
    targets: Sequence[Target], overrides: Sequence[str] = (), *, by_platform: bool, limit: int | None
) -> tuple[Job, ...]:
    """The jobs, no more than `limit`: then several specs share one. `overrides` are those of all specs."""
    groups: list[tuple[Architecture | None, Sequence[Target]]]
    if by_platform:
        groups = [(one, [item for item in targets if one in item.architectures]) for one in ARCHITECTURES]
    else:
        groups = [(None, targets)]
    size = _size([len(items) for _, items in groups], limit)
    parts = [
        (architecture, tuple(items[start : start + size]))
        for architecture, items in groups
        for start in range(0, len(items), size)
    ]
    return tuple(
        Job(targets=items, architecture=architecture, number=number, overrides=tuple(overrides))
        for number, (architecture, items) in enumerate(parts, 1)
    )


def joined(found: Sequence[Job]) -> tuple[str, ...]:
    """The specs whose platforms are built apart, each once, in their order."""
    return tuple(dict.fromkeys(spec for job in found if job.architecture for spec in job.specs))


def document(found: Sequence[Job]) -> dict[str, Any]:
    """For any CI system."""
    return {
        "jobs": [
            {"id": job.id, "name": job.title, "specs": job.specs, "platform": job.platform, "command": job.command}
            for job in found
        ],
        "join": _join_command(found),
    }


def github(found: Sequence[Job], runners: Mapping[str, str]) -> dict[str, Any]:
    """`strategy.matrix` of GitHub Actions ("Running variations of jobs in a workflow")."""
    return {
        "include": [
            {
                "id": job.id,
                "name": job.title,
                "specs": shlex.join((*job.options, *job.specs)),
                "platform": job.platform,
                "runner": runners.get(str(job.architecture), _RUNNER),
            }
            for job in found
        ]
    }


def gitlab(found: Sequence[Job], include: str) -> dict[str, Any]:
    """A child pipeline of GitLab ("Downstream pipelines"); its jobs are set up by the file `include`, or by pip."""
    setup: dict[str, Any] = {"include": [{"local": include}]} if include else {"default": _with_pip()}
    # An id begins with a digit: a name alone could be one of GitLab's own words.
    made: dict[str, Any] = {job.id: _gitlab_job(job) for job in found}
    if joined(found):
        made["join"] = {"stage": "join", "script": [_join_command(found)]}
    if not found:  # a pipeline without a job is an error there
        made["nothing to build"] = {"stage": "build", "script": ["true"]}
    return {**setup, "stages": ["build", "join"], **made}


def codebuild(found: Sequence[Job]) -> dict[str, Any]:
    """A buildspec with a batch ("Batch build buildspec reference"): builds there share no files, so each job pushes."""
    builds = [
        {
            "identifier": f"job_{job.id.replace('-', '_')}",
            "env": {"variables": {"IMAGEKIT_SPECS": shlex.join((*job.options, *job.specs))}},
        }
        for job in found
    ]
    nothing = [{"identifier": "nothing_to_build", "env": {"variables": {"IMAGEKIT_SPECS": ""}}}]
    return {
        "version": "0.2",
        "batch": {"fast-fail": False, "build-list": builds or nothing},
        "phases": {
            "install": {"commands": [_install()]},
            "build": {"commands": ['[ -z "$IMAGEKIT_SPECS" ] || eval "imagekit push --locked $IMAGEKIT_SPECS"']},
        },
    }


def _size(numbers: Sequence[int], limit: int | None) -> int:
    """How many specs a job takes so that there are no more jobs than `limit`."""
    size = 1
    while limit and sum(math.ceil(number / size) for number in numbers) > max(limit, len(numbers)):
        size += 1
    return size


def _gitlab_job(job: Job) -> dict[str, Any]:
    if job.architecture is None:
        return {"stage": "build", "script": [job.command]}
    return {
        "stage": "build",
        "script": [f"mkdir -p {REFERENCES}", f"{job.command} > {REFERENCES}/{job.id}"],
        "artifacts": {"paths": [f"{REFERENCES}/{job.id}"], "expire_in": "1 day"},
    }


def _join_command(found: Sequence[Job]) -> str:
    specs = joined(found)
    words = (*found[0].options, *specs) if specs else ()
    return f"imagekit join {shlex.join(words)} --references {REFERENCES}" if specs else ""


def _path(spec: str) -> str:
    return f"./{spec}" if spec.startswith("-") else spec


def _with_pip() -> dict[str, Any]:
    return {"image": "python:3.13", "before_script": [_install()]}


def _install() -> str:
    return f"pip install 'lambda-imagekit[aws]=={__version__}'"
