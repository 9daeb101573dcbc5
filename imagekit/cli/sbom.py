"""`imagekit sbom`."""

from __future__ import annotations

from collections.abc import Sequence

from imagekit.architecture import Architecture
from imagekit.cli import options
from imagekit.cli.frame import command, pass_session
from imagekit.cli.session import Session, write_json
from imagekit.lockfile import Use


@command("sbom")
@options.spec
@options.platform
@options.lock_use
@options.overrides
@pass_session
def sbom(
    session: Session, spec: str, *, architectures: Sequence[Architecture], use: Use, overrides: Sequence[str]
) -> None:
    """Print what the images of a spec consist of, as SPDX 2.3 in JSON: packages of the base and of the spec, archives.

    Reads the lock and the base; nothing is run and nothing is written, not even a lock.
    """
    from imagekit import locking, pipeline
    from imagekit.cli import work

    with work.opened(session, spec) as opened:
        loaded = work.load(session, opened, spec, overrides, architectures)
        lock = pipeline.resolve(opened, loaded, use, write=False)
        write_json(locking.bill(opened, loaded, lock))
