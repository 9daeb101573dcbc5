"""Builders of Dockerfiles: a Docker engine's two and buildah; what they make, as layers."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.commands import good
from tests.support.engine import Engine
from tests.support.packages import trees
from tests.support.tools import need, need_file, need_root


@dataclass(frozen=True)
class Image:
    """What a builder made: its layers, lowest first, and its config."""

    layers: list[bytes]
    config: dict[str, Any]

    def root(self, folder: Path) -> dict[str, trees.Found]:
        """Every path of it, laid out below a new folder."""
        return trees.found(trees.unpack(self.layers, folder))


#: A builder: the context, further words of its command, a folder for what it leaves.
Builder = Callable[[Path, tuple[str, ...], Path], Image]


def docker(engine: Engine, *, buildkit: bool) -> Builder:
    """`docker build`: by BuildKit, or as it was before."""

    def build(context: Path, words: tuple[str, ...], folder: Path) -> Image:
        program, settings = _client(engine, buildkit=buildkit)
        name = f"rendered-{folder.name.lower()}"
        good(program, "build", "--network=host", "--tag", name, *words, context, settings=settings)
        saved = folder / "saved.tar"
        good(program, "save", "--output", saved, name, settings=settings)
        good(program, "rmi", "--force", name, settings=settings)
        return _saved(saved.read_bytes())

    return build


def _client(engine: Engine, *, buildkit: bool) -> tuple[str, dict[str, str]]:
    """A client that has BuildKit's part in itself: Docker 20.10 as Debian has it; later ones want a plugin."""
    settings = {**engine.settings, "DOCKER_BUILDKIT": "1" if buildkit else "0"}
    return (need_file("/usr/bin/docker") if buildkit else need("docker")), settings


def buildah(context: Path, words: tuple[str, ...], folder: Path) -> Image:
    """`buildah build`, with a storage of its own."""
    need_root()
    storage = (f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=vfs")
    command = (need("buildah"), *storage)
    isolation = ("--isolation=chroot", "--tls-verify=false")
    good(*command, "build", *isolation, "--tag", "rendered", *words, context)
    good(*command, "push", "rendered", f"oci:{folder}/layout:made")
    good(*command, "rmi", "--all", "--force")
    layout = folder / "layout"
    config = _config(layout)
    return Image(trees.layers_of(layout, config["architecture"]), config)


#: Their names, for tests that try each.
NAMES = ("classic", "buildkit", "buildah")


def named(name: str, engine: Callable[[], Engine]) -> Builder:
    """The builder with this name."""
    return buildah if name == "buildah" else docker(engine(), buildkit=name == "buildkit")


def output(layout: Path, architecture: str) -> Image:
    """One platform out of a layout that imagekit wrote."""
    return Image(trees.layers_of(layout, architecture), {})


def _config(layout: Path) -> dict[str, Any]:
    def document(digest: str) -> Any:
        return json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())

    (top,) = json.loads((layout / "index.json").read_text())["manifests"]
    made: dict[str, Any] = document(document(top["digest"])["config"]["digest"])
    return made


def _saved(data: bytes) -> Image:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:

        def read(name: str) -> bytes:
            file = tar.extractfile(name)
            assert file
            return file.read()

        (image,) = json.loads(read("manifest.json"))
        return Image([read(name) for name in image["Layers"]], json.loads(read(image["Config"])))
