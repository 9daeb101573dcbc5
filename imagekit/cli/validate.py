"""`imagekit validate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imagekit.cli import options
from imagekit.cli.frame import command, pass_session
from imagekit.cli.session import Session, write_json
from imagekit.errors import FindingsError, InvalidSpec
from imagekit.findings import Finding, errors, in_order

if TYPE_CHECKING:
    from imagekit import pipeline


@command("validate")
@options.specs
@options.overrides
@options.strict
@options.as_json
@pass_session
def validate(session: Session, specs: Sequence[str], overrides: Sequence[str], strict: bool, as_json: bool) -> None:
    """Say what is wrong with specs: all of it, each with its place and a hint.

    Only the text and imagekit's own data are read: no network, no build, no look at the files that the spec names.
    """
    from imagekit.cli import work

    with work.opened_for_all(session) as opened_for:
        found = [finding for spec in specs for finding in _findings(opened_for(spec), spec, overrides)]
    if as_json:
        write_json([finding.to_dict() for finding in in_order(found)])
    if errors(found) or (strict and found):
        refused = InvalidSpec if errors(found) else FindingsError
        number = f"{len(found)} problem{'s' if len(found) != 1 else ''} found"
        raise refused(() if as_json else tuple(found), number)
    if not as_json:
        session.report(found)
        session.say(f"valid: {', '.join(specs)}")


def _findings(opened: pipeline.Session, spec: str, overrides: Sequence[str]) -> Sequence[Finding]:
    from imagekit import pipeline

    try:
        return pipeline.project(opened, spec, overrides).warnings
    except FindingsError as error:
        return error.findings
