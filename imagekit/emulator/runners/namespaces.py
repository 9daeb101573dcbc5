"""Plain user namespaces: a sandbox that needs nothing but the kernel."""

from __future__ import annotations

import os

from imagekit.architecture import Architecture
from imagekit.emulator.ports import Confines, RootFilesystem
from imagekit.emulator.runners import allowed, confined, emulated, grouped
from imagekit.emulator.runners.holder import holder
from imagekit.emulator.runners.means import Means
from imagekit.emulator.runners.wardens import Warden
from imagekit.errors import Missing


class Namespaces:
    """The runner `namespaces`."""

    name = "namespaces"

    def __init__(self, means: Means) -> None:
        self._means = means
        self._warden = Warden()

    def missing(self, architecture: Architecture) -> Missing | None:
        """What this machine lacks; the warden is started meanwhile."""
        problem = allowed.forbidden(self.name)
        if problem:
            return problem
        self._warden.start()
        found = emulated.interpreter(architecture, self._means)
        return found if isinstance(found, Missing) else None

    def open(self, image: RootFilesystem, confines: Confines) -> confined.ConfinedSandbox:
        """A new sandbox; raises Missing where the kernel refuses, BuildFailed for an image that does not fit."""
        found = emulated.interpreter(image.architecture, self._means)
        if isinstance(found, Missing):
            raise found
        plan = {**confined.plan_of(image, confines, found), "do": "make"}
        first = os.memfd_create("holder", os.MFD_CLOEXEC)
        try:
            os.write(first, holder(emulated.native()))
            return confined.opened(self._warden, plan, found=found, group=grouped.made(confines), descriptors=[first])
        finally:
            os.close(first)
