"""A user's folder beside a world of packages: write a spec, lock, build, look at the root file systems."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.bench import PROVIDED, PUBLIC, put
from tests.support.commands import Ran, imagekit, imagekit_well
from tests.support.packages import site, trees
from tests.support.packages.system import OCI_ARCHES
from tests.support.packages.world import World
from tests.support.registry import Registry

KEY_FILE = "keys/packager.asc"
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}


class Shop:
    """The folder. `arch` is always rpm's name of an architecture."""

    def __init__(self, folder: Path, registry: Registry, world: World, cache: Path | None = None) -> None:
        self.folder, self.registry, self.world = folder, registry, world
        self.cache = cache or folder.parent / "cache"
        (folder / "keys").mkdir(parents=True)
        (folder / KEY_FILE).write_bytes(world.workshop.key)
        (folder / "bootstrap").write_bytes(b"#!/bin/sh\nexit 0\n")
        (folder / "bootstrap").chmod(0o755)

    @property
    def settings(self) -> dict[str, str]:
        """The environment that leads every read to the stand-ins."""
        mirrors = f"{PUBLIC}={self.registry.host},{site.HOST}={self.registry.host}"
        return {"IMAGEKIT_MIRROR": mirrors, "IMAGEKIT_CACHE_DIR": str(self.cache)}

    def spec(self, name: str = "runtime.yaml", **keys: Any) -> Path:
        """Write a spec: the smallest, the key that packages are signed with, and these keys."""
        document = {
            "name": "app",
            "language": "custom",
            "os": "al2023",
            "bootstrap": {"path": "bootstrap"},
            "repositories": [{"name": "amazonlinux", "gpgkey": KEY_FILE}],
            **keys,
        }
        path = self.folder / name
        path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))
        return path

    def run(self, *words: str) -> Ran:
        """Run imagekit in the folder."""
        return imagekit(*words, folder=self.folder, settings=self.settings)

    def well(self, *words: str) -> Ran:
        """Run imagekit in the folder, which has to succeed."""
        return imagekit_well(*words, folder=self.folder, settings=self.settings)

    def locked(self, arch: str) -> dict[str, Any]:
        """What the lock says of the packages of an architecture."""
        document = json.loads((self.folder / "runtime.lock").read_text())
        packages: dict[str, Any] = document["platforms"][ARCHITECTURES[arch]]["packages"]
        return packages

    def root(self, arch: str, target: Path) -> Path:
        """Build with the lock as it is; the image's root file system, unpacked."""
        layout = self.folder.parent / "layout"
        if not layout.exists():
            self.well("build", "--frozen", "--output", f"oci:{layout}")
        return trees.unpack(trees.layers_of(layout, OCI_ARCHES[arch]), target)


@contextmanager
def served(world: World) -> Iterator[Registry]:
    """The bases and the package site on loopback."""
    with Registry() as registry:
        registry.files.update(world.files)
        put(registry, world.base({}), PROVIDED, "al2023")
        yield registry
