"""The engine `docker`: packages are chosen as by `native`, so that one lock fits both; the base's own package manager
installs them, with all their scriptlets, in a container that no network leads to, unless commands follow.

The container gets the locked packages as a package repository of its own: what they are was judged before, and no
login, mirror or certificate of the user's has to get in there.
"""

from __future__ import annotations

from collections.abc import Sequence

from imagekit.containers import images, owners
from imagekit.containers.connection import connected
from imagekit.containers.container import Form, container
from imagekit.containers.images import Picture
from imagekit.engines.docker.managers import Manager
from imagekit.engines.docker.work import Finished, Work
from imagekit.engines.native import incoming
from imagekit.engines.native.engine import NativeEngine
from imagekit.engines.ports import Change, Difference, Means
from imagekit.errors import Bug, Missing
from imagekit.facts import Facts
from imagekit.lock_packages import LockedPackages
from imagekit.packages import PackageRequest
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerEngine:
    """One container for each change."""

    means: Means

    def missing(self) -> str | None:
        """How to get an engine where none can be used; None where one can."""
        try:
            with connected(self.means.environment):
                return None
        except Missing as missing:
            return f"{missing.message}: {missing.hint}"

    def resolve(
        self,
        request: PackageRequest,
        facts: Facts,
        known: Sequence[str] = (),
        *,
        best: Sequence[str] = (),
        fetch: bool = True,
    ) -> LockedPackages:
        """What is to be installed and removed, chosen as by `native`: no container is needed to write a lock."""
        return NativeEngine(means=self.means).resolve(request, facts, known, best=best, fetch=fetch)

    def install(self, change: Change) -> Difference:
        """The packages and commands of a change, carried out in a container, which is gone afterwards.

        Raises Missing without an engine, and where it runs no programs of the base's architecture; BuildFailed for what
        fails there, and where the package manager did something else than is locked; RemoteFailed.
        """
        if change.image is None:
            raise Bug("a change for a container without an image")
        manager = Manager.of(change.facts.layout) if change.install or change.removed else None
        packages = incoming.opened(change.install, change.shelf, change.workers)
        image = change.image
        with connected(self.means.environment, otherwise="`engine: native` needs none") as engine:
            owner = owners.Owner.of_this_process()
            owners.sweep(engine, owner)
            picture = Picture(
                reference=image.reference,
                architecture=image.architecture,
                diff_ids=image.diff_ids,
                archive=image.archive,
            )
            name = images.ready(engine, picture)
            form = Form(image=name, architecture=image.architecture, network=bool(change.commands))
            with container(engine, form, owner) as box:
                work = Work(means=self.means, change=change, packages=packages, engine=engine, box=box)
                work.trust()
                if manager:
                    work.install(manager)
                work.run()
                taken, after = work.taken()
        return Finished(change=change, packages=packages, taken=taken, after=after)
