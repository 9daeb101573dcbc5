"""`imagekit explain`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from imagekit.cli import options
from imagekit.cli.frame import command, pass_session
from imagekit.cli.session import Session, write, write_json
from imagekit.errors import StaleLock, UsageError

if TYPE_CHECKING:
    from imagekit.lock import LockedPlatform
    from imagekit.lock_packages import Reason


#: How each reason is said.
_WAYS: Final = {
    "asked": "is asked for as `{what}`",
    "requires": "provides {what}, which {of} requires",
    "recommends": "provides {what}, which goes well with {of}",
    "upgrades": "is newer than the base's {what}",
    "removed": "is to be removed: `{what}`",
    "replaced": "is replaced by {what}",
    "conflicts": "cannot be beside {of}, for one of them conflicts with {what}",
    "lacks": "needs {what} of {of}, which goes",
}


@command("explain")
@click.argument("package")
@options.spec
@options.as_json
@options.overrides
@pass_session
def explain(session: Session, package: str, spec: str, *, as_json: bool, overrides: Sequence[str]) -> None:
    """Say why a package is in the image, or why the base's is not: which request of the spec led to it, on which way.

    Reads the lock, and nothing else.
    """
    from imagekit import locking
    from imagekit.cli import work

    with work.opened(session, spec) as opened:
        loaded = work.load(session, opened, spec, overrides)
        lock = locking.lock_file(loaded).read()
    if lock is None:
        raise StaleLock(f"{spec} has no lock", hint="`imagekit lock` writes one")
    rows = [row for platform in lock.platforms for row in _rows(platform, package)]
    if not rows:
        names = {item.name for platform in lock.platforms if platform.packages for item in platform.packages.install}
        raise _unknown(package, names)
    if as_json:
        write_json(rows)
    else:
        for row in rows:
            write(f"{row['architecture']}: {row['package']}: {row['state']}")
            for step in row["way"]:
                write(f"  {step}")


def _rows(platform: LockedPlatform, name: str) -> Iterator[dict[str, Any]]:
    from imagekit.lock_packages import name_of

    packages = platform.packages
    if packages is None:
        return
    way = packages.way_to(name)
    if way:
        first = way[0]
        where = f"from {first.repository}" if first.repository else f"from {first.url}"
        steps = [f"{item.name} {_why(item.because)}" for item in way]
        yield {
            "architecture": platform.architecture,
            "package": first.nevra,
            "state": f"installed {where}",
            "way": steps,
        }
    for nevra, reason in packages.removed.items():
        if name in (nevra, name_of(nevra)):
            steps = [f"{name_of(nevra)} {_why(reason)}"]
            steps += [f"{item.name} {_why(item.because)}" for item in packages.way_to(reason.of)]
            yield {"architecture": platform.architecture, "package": nevra, "state": "of the base, goes", "way": steps}
    if name in packages.asked and not way and not any(name in item.because.what for item in packages.install):
        yield {
            "architecture": platform.architecture,
            "package": name,
            "state": "the spec asks for it, and the base has it",
            "way": [],
        }


def _why(reason: Reason) -> str:
    return _WAYS[reason.why.value].format(what=reason.what, of=reason.of or "another package")


def _unknown(package: str, names: set[str]) -> UsageError:
    from imagekit.spec.nearest import nearest

    found = nearest(package, names)
    hint = f"did you mean {found}?" if found else "`imagekit lock` locks packages; the base's own are not in the lock"
    return UsageError(f"the lock holds no package {package}", hint=hint)
