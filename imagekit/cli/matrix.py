"""`imagekit matrix`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from imagekit.architecture import from_text
from imagekit.cli import github, options
from imagekit.cli.frame import command, option, pass_session
from imagekit.cli.session import Session, write, write_json
from imagekit.errors import UsageError

if TYPE_CHECKING:
    from imagekit.fan_out import Job, Target
    from imagekit.findings import Finding
    from imagekit.project import Project

_FORMATS: Final = ("json", "github", "gitlab", "codebuild")


@command("matrix")
@options.specs
@option(
    "--changed-since",
    "revision",
    metavar="REVISION",
    help="Only specs that this branch changed since then: their own text, what they extend, files, locks.",
)
@option("--format", "form", type=click.Choice(_FORMATS), default="json", help="For which CI system.")
@option("--by", type=click.Choice(["platform", "spec"]), help="What one job builds; CodeBuild's a spec.")
@option("--jobs", "limit", type=click.IntRange(min=2), help="At most so many jobs; several specs share one then.")
@option("--runner", "runners", metavar="ARCHITECTURE=LABEL", multiple=True, help="GitHub's machine for a platform.")
@option("--include", default="", metavar="PATH", help="The file in the repository that sets up GitLab's jobs.")
@options.overrides
@pass_session
def matrix(
    session: Session,
    specs: Sequence[str],
    *,
    revision: str | None,
    form: str,
    by: str | None,
    limit: int | None,
    runners: Sequence[str],
    include: str,
    overrides: Sequence[str],
) -> None:
    """Say which jobs build which specs on many machines; nothing is built, and no network is needed.

    A job builds one platform of one spec and pushes it by digest; `imagekit join` makes the indexes at the end.
    """
    from imagekit import fan_out

    labels = _labels(runners)
    if form == "codebuild" and by == "platform":
        raise UsageError("builds of a CodeBuild batch share no files, which a join needs", hint="leave --by out")
    by_platform = (by or ("spec" if form == "codebuild" else "platform")) == "platform"
    targets = _targets(session, specs, revision, overrides)
    if by_platform:
        _check_names(targets)
    found = fan_out.jobs(targets, overrides, by_platform=by_platform, limit=limit or fan_out.LIMITS.get(form))
    if form == "json":
        write_json(fan_out.document(found))
    elif form == "gitlab":
        write_json(fan_out.gitlab(found, include))
    elif form == "codebuild":
        write_json(fan_out.codebuild(found))
    else:
        _for_github(session, fan_out.github(found, labels), found)
    session.say(f"{len(targets)} of {len(specs)} specs, {len(found)} jobs")


def _check_names(targets: Sequence[Target]) -> None:
    """Raise UsageError for two specs of one name: a join could not tell their images apart."""
    known: dict[str, str] = {}
    for target in targets:
        if known.setdefault(target.name, target.spec) != target.spec:
            raise UsageError(
                f"{known[target.name]} and {target.spec} both have the name {target.name}",
                hint="name them apart, or build whole specs: --by spec",
            )


def _for_github(session: Session, made: Mapping[str, Any], found: Sequence[Job]) -> None:
    """One line, as an output has to be; in a workflow the outputs are set."""
    import shlex

    text = json.dumps(made, separators=(",", ":"))
    write(text)
    specs = dict.fromkeys(word for job in found for word in (*job.options, *job.specs))
    outputs = {"matrix": text, "specs": shlex.join(specs), "count": str(len(found))}
    github.append_outputs(outputs, session.environment)


def _labels(runners: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in runners:
        name, equals, label = text.partition("=")
        if not equals or not label.strip():
            raise UsageError(f"--runner takes ARCHITECTURE=LABEL, not {text!r}")
        found[str(from_text(name))] = label.strip()
    return found


def _targets(
    session: Session, specs: Sequence[str], revision: str | None, overrides: Sequence[str]
) -> tuple[Target, ...]:
    """The specs that are to be built; all problems of the others are told first."""
    from imagekit import pipeline
    from imagekit.cli import work
    from imagekit.errors import FindingsError, InvalidSpec
    from imagekit.fan_out import Target

    found: list[Project] = []
    wrong: list[Finding] = []
    with work.opened_for_all(session) as opened_for:
        for spec in specs:
            try:
                found.append(pipeline.project(opened_for(spec), spec, overrides))
            except FindingsError as error:
                wrong += error.findings
    if wrong:
        raise InvalidSpec(tuple(wrong))
    chosen = found if revision is None else _changed(session, found, revision)
    return tuple(Target(spec=one.spec.path, name=one.spec.name, architectures=one.spec.architectures) for one in chosen)


def _changed(session: Session, projects: Sequence[Project], revision: str) -> list[Project]:
    from imagekit import locking
    from imagekit.gather.reads import changed, reads
    from imagekit.gather.revision import changes_since

    folder = os.path.dirname(os.path.abspath(projects[0].spec.path)) if projects else os.getcwd()
    changes = changes_since(revision, folder, session.environment)
    if changes.uncommitted:
        session.say(f"{changes.uncommitted} changes are in no commit yet; they count too")
    for one in projects:
        if not os.path.realpath(one.spec.path).startswith(f"{changes.top}/"):
            raise UsageError(
                f"{one.spec.path} is not in the repository {changes.top}",
                hint="run `imagekit matrix` in the repository that holds the specs",
            )
    return [
        one for one in projects if any(changed(read, changes.paths) for read in reads(one, locking.lock_file(one).path))
    ]
