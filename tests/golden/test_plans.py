"""Plans as they were: what changes here, changes images, or the names of their layers in every cache."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import bench as support
from tests.support.bench import Bench

HERE = Path(__file__).parent
EXAMPLE = "example.com"


def function(bench: Bench) -> None:
    """A function with dependencies, files by pattern, an environment and labels."""
    for path in ("src/app.js", "src/app.test.js", "src/node_modules/lib/index.js", "extension.sh"):
        bench.write(path, f"{path}\n")
    bench.spec(
        name="orders",
        version="1.2.3",
        handler="app.handler",
        environment={"MODE": "on", "LD_LIBRARY_PATH": "/opt/lib:{base.LD_LIBRARY_PATH}"},
        labels={"team": "payments"},
        files=[
            {"source": "src", "target": "/var/task", "exclude": ["*.test.js"]},
            {"source": "extension.sh", "target": "/opt/extensions/", "mode": "0755"},
        ],
    )


def unbuilt(bench: Bench) -> None:
    """A program that is built at build time, and files that the build makes too."""
    bench.spec(
        name="compiled",
        language="go",
        bootstrap=None,
        files=[{"source": "build/assets/", "target": "/var/task/assets"}],
        build=[{"run": "make all"}],
    )


def runtime(bench: Bench) -> None:
    """A runtime with an archive by architecture, on a base of Docker's family."""
    for architecture in ("x86_64", "aarch64"):
        bench.registry.files[f"/tool-{architecture}.tar"] = b"a tool for " + architecture.encode()
    bench.patch.setenv("IMAGEKIT_MIRROR", f"{support.PUBLIC}={bench.registry.host},{EXAMPLE}={bench.registry.host}")
    bench.spec(
        name="tools",
        kind="runtime",
        os="al2",
        archives=[{"source": f"https://{EXAMPLE}/tool-{{rpm_arch}}.tar", "target": "/opt/tool", "strip": 1}],
    )


@pytest.mark.parametrize("write", [function, unbuilt, runtime])
def test_the_plan_is_as_it_was(bench: Bench, update: bool, write: Callable[[Bench], None]):
    for tag in ("al2023", "al2"):
        support.put(bench.registry, support.tiny(), support.PROVIDED, tag)
    bench.patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    write(bench)
    for plan in bench.run("plan", "--json").ok().document:
        file = HERE / f"{write.__name__}.{plan['architecture']}.json"
        if update:
            file.write_text(json.dumps(plan, indent=2) + "\n")
        assert plan == json.loads(file.read_text())
