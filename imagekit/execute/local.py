"""A function on this machine: an image made ready, a runner, and what a person asks of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace

from imagekit.architecture import Architecture
from imagekit.emulator import runners
from imagekit.emulator.happenings import Listener, Together
from imagekit.emulator.ports import Confines, Mount, Network, RootFilesystem, Runner, Sandbox
from imagekit.emulator.runners.means import Means
from imagekit.emulator.service import Lambda
from imagekit.emulator.settings import Credentials, Settings, World
from imagekit.execute.image import LocalImage
from imagekit.execute.kept import Kept
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """How a function is to run: memory in MiB, times in seconds. Without a `runner` the first that works is taken.

    `handler` replaces the image's own; `environments` is how many may run at once, each with `concurrency` events.
    `changes_soon` says that another image with the same lower layers will follow; `kept` is what is kept of each run.
    """

    runner: str = ""
    handler: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    credentials: Credentials | None = None
    network: Network = Network.HOST
    mounts: tuple[Mount, ...] = ()
    memory: int = 128
    temporary: int = 512
    timeout: float = 3.0
    environments: int = 1
    concurrency: int = 1
    changes_soon: bool = False
    kept: Kept | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What running needs of this machine: a folder for root file systems, what runners are given, time and chance."""

    folder: str
    means: Means
    world: World

    def runner(self, architecture: Architecture, name: str) -> Runner:
        """The runner with this name, or the first that works; raises Missing that says what it lacks."""
        if not name:
            return runners.first_that_works(architecture, self.means)
        made = runners.runner(name, self.means)
        if missing := made.missing(architecture):
            raise missing
        return made

    def root(self, image: LocalImage, wishes: Wishes) -> RootFilesystem:
        """The image's root file system, with the handler that is wished."""
        root = image.root(self.folder, keeps_stem=wishes.changes_soon)
        return replace(root, config=replace(root.config, command=(wishes.handler,))) if wishes.handler else root

    def function(self, image: LocalImage, wishes: Wishes, listener: Listener | None = None) -> Lambda:
        """The function, which starts with its first event; a context.

        Raises Missing without a runner that works, and what unpacking raises.
        """
        engine = replace(self, means=replace(self.means, archive=lambda _: image.archive()))
        runner = engine.runner(image.architecture, wishes.runner)
        root, folder = self.root(image, wishes), ""
        if wishes.kept:
            run = wishes.kept.run_of(root)
            folder, listener = run.folder, Together(*filter(None, (listener,)), run)
        return Lambda(settings(image.name, wishes, keep=folder), runner, root, self.world, listener)

    @contextmanager
    def sandbox(self, image: LocalImage, wishes: Wishes) -> Iterator[tuple[Sandbox, RootFilesystem]]:
        """A sandbox without a function in it; raises as `function` does, and BuildFailed where it cannot be made."""
        engine = replace(self, means=replace(self.means, archive=lambda _: image.archive()))
        runner = engine.runner(image.architecture, wishes.runner)
        root = self.root(image, wishes)
        sandbox = runner.open(root, settings(image.name, wishes).confines)
        try:
            yield sandbox, root
            if wishes.kept:
                wishes.kept.run_of(root).keep(sandbox)
        finally:
            sandbox.close()


def settings(name: str, wishes: Wishes, *, keep: str = "") -> Settings:
    """The function's configuration; its name is the last word of the image's. `keep` is as Settings has it."""
    return Settings(
        name=name.rpartition("/")[2].partition("@")[0].partition(":")[0] or "function",
        timeout=wishes.timeout,
        environment=wishes.environment,
        credentials=wishes.credentials,
        confines=Confines(
            memory=wishes.memory,
            temporary=wishes.temporary,
            network=wishes.network,
            mounts=wishes.mounts,
            keeps_temporary=wishes.kept is not None,
        ),
        keep=keep,
        environments=wishes.environments,
        concurrency=wishes.concurrency,
    )
