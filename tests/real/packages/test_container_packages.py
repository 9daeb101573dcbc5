"""`packages` of a build step: a real dnf brings them into the container, and they are never in the image."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bench import PROVIDED, put
from tests.support.commands import imagekit
from tests.support.engine import Engine
from tests.support.packages import managed, trees
from tests.support.packages.shop import Shop
from tests.support.packages.world import World
from tests.support.registry import Registry

pytestmark = pytest.mark.real


def test_a_real_dnf_brings_them_for_the_build_alone(world: World, docker: Engine, tmp_path: Path) -> None:
    with Registry() as registry:
        registry.files.update(world.files)
        place = f"http://{registry.host}{world.repositories['x86_64']}/"
        source = f"[tools]\nname=tools\nbaseurl={place}\ngpgcheck=0\n".encode()
        put(
            registry,
            managed.base(world, arches=("x86_64",), also={"etc/yum.repos.d/tools.repo": source}),
            PROVIDED,
            "al2023",
        )
        shop = Shop(tmp_path / "app", registry, world)
        shop.spec(
            architectures=["x86_64"],
            bootstrap={"path": "build/bootstrap"},
            build={
                "in": "base",
                "packages": ["jq"],
                "run": 'jq --raw-output --null-input \'"#!/bin/sh\\n# " + (1 + 1 | tostring)\' > "$IMAGEKIT_OUTPUT"',
            },
            repositories=None,
        )
        settings = {**shop.settings, **docker.settings}
        layout = tmp_path / "layout"
        ran = imagekit("build", "--output", f"oci:{layout}", folder=shop.folder, settings=settings)
        assert ran.code == 0, ran.err
        assert (shop.folder / "build/bootstrap").read_text() == "#!/bin/sh\n# 2\n"
        assert "usr/bin/jq" not in trees.merged(trees.layers_of(layout, "amd64"))
        shop.spec(architectures=["x86_64"], bootstrap={"path": "build/bootstrap"}, repositories=None,
                  build={"in": "base", "packages": ["no-such-thing"], "run": "true"})  # fmt: skip
        failed = imagekit("build", folder=shop.folder, settings=settings)
        assert failed.code == 3
        assert "has no no-such-thing: installing failed with exit code 1" in failed.err
        assert "Unable to find a match: no-such-thing" in failed.err
