"""A sandbox that another process opens as a test would: what it needs, as a text."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from imagekit import architecture as architectures
from imagekit.emulator import runners
from imagekit.emulator.ports import Confines, RootFilesystem, Sandbox
from imagekit.emulator.runners.means import Means
from imagekit.oci.config import Config
from tests.emulator.runners.images import Made


def described(name: str, means: Means, image: Made, marker: str, folder: Path) -> str:
    """All that `reopened` needs; the marker is seen in the list of processes."""
    archive = folder / "archive"
    archive.write_bytes(image.archive)
    return json.dumps({
        "name": name,
        "marker": marker,
        "settings": {key: value for key, value in means.environment.items() if key in {"DOCKER_HOST", "PATH", "HOME"}},
        "folder": means.folder,
        "archive": str(archive),
        "reference": image.filesystem.reference,
        "architecture": image.filesystem.architecture.name,
        "config": image.filesystem.config.to_bytes().decode(),
        "image": image.filesystem.folder,
    })  # fmt: skip


def reopened(words: dict[str, Any]) -> Sandbox:
    """A sandbox in this process."""

    def archive(_: RootFilesystem) -> contextlib.AbstractContextManager[list[bytes]]:
        return contextlib.nullcontext([Path(words["archive"]).read_bytes()])

    means = Means(environment={**os.environ, **words["settings"]}, folder=words["folder"], archive=archive)
    image = RootFilesystem(
        reference=words["reference"],
        architecture=architectures.by_name(words["architecture"]),
        config=Config.from_bytes(words["config"].encode()),
        folder=words["image"],
    )
    return runners.runner(words["name"], means).open(image, Confines())
