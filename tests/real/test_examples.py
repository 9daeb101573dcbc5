"""Every example, from nothing: built by the real toolchain, pushed to a real registry, started from there on both
architectures, sent its events. A new folder in `specs/` is tested by being there."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagekit.execute.compare import differences
from imagekit.spec.expectation import Match
from tests.support.commands import CHECKOUT, imagekit, imagekit_well
from tests.support.docker_registry import DockerRegistry
from tests.support.examples import ROWS, Row, World
from tests.support.packages import trees
from tests.support.tools import missing, need, need_root

pytestmark = pytest.mark.real

EXAMPLES = sorted(path.parent.name for path in CHECKOUT.glob("specs/*/runtime.yaml"))
#: Programs for arm64 are emulated, and some of these are large.
_PATIENT = ("--timeout", "300", "--memory", "2048")


@pytest.fixture(scope="module")
def settings(world: World, go: dict[str, str]) -> dict[str, str]:
    """Compilers keep their toolchains and caches in the home that tests hide."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    return {
        **go,
        "HOME": home,
        "XDG_CACHE_HOME": f"{home}/.cache",
        "PATH": f"{os.path.dirname(sys.executable)}:{go['PATH']}",
        "IMAGEKIT_MIRROR": world.mirrors,
        "IMAGEKIT_CACHE_DIR": str(world.folder / "cache"),
        "IMAGEKIT_COMPRESSION": "fast",
    }


def architectures(document: dict[str, Any]) -> list[str]:
    return document.get("architectures", ["x86_64", "arm64"])


def lacking(row: Row) -> str:
    """The first rare tool that is not here; for others the test is skipped, or fails in CI."""
    for tool in row.tools:
        for machine in ("x86_64", "aarch64"):
            need(tool.format(rpm=machine))
    return next((tool for tool in row.rare if shutil.which(tool) is None), "")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_built_pushed_and_answers(
    name: str, world: World, plain: DockerRegistry, settings: dict[str, str], tmp_path: Path
) -> None:
    row, folder = ROWS.get(name, Row()), tmp_path / name
    lacks = lacking(row)
    imagekit_well("init", name, "--directory", str(folder), folder=tmp_path, settings=settings)
    document = yaml.safe_load((folder / "runtime.yaml").read_text(encoding="utf-8"))
    assert document["tests"], "an example says what it answers"
    row.stands_in(world)
    row.prepare(folder)
    if lacks:
        refused(folder, settings, lacks)
        return
    imagekit_well("doctor", folder=folder, settings=settings)

    repository = f"{plain.host}/examples/{name}"
    pushed = imagekit_well("push", "--to", repository, "--tag", "v1", folder=folder, settings=settings)
    assert ("Amazon Linux 2 reached its end of life on 2026-06-30" in pushed.err) == (document["os"] == "al2")
    ran = imagekit_well("test", *_PATIENT, folder=folder, settings=settings)
    wanted = [(test["name"], one) for test in document["tests"] for one in architectures(document)]
    for test, architecture in wanted:
        assert any(f"passed  {architecture}" in line and line.endswith(f"  {test}") for line in ran.lines), ran.err

    for architecture in architectures(document):
        answers_from(f"{repository}:v1", architecture, document["tests"][0], folder, settings)


def test_an_image_on_bref_has_file_for_file_what_brefs_has(
    world: World, settings: dict[str, str], tmp_path: Path
) -> None:
    need_root()
    imagekit_well("init", "php-bref", "--directory", "app", folder=tmp_path, settings=settings)
    ROWS["php-bref"].stands_in(world)
    ROWS["php-bref"].prepare(tmp_path / "app")
    imagekit_well("build", "--output", "oci:../layout", folder=tmp_path / "app", settings=settings)
    for name, files in world.bref.items():
        root = trees.unpack(trees.layers_of(tmp_path / "layout", name), tmp_path / name)
        laid = {str(path.relative_to(root)): path for path in (root / "opt").rglob("*") if path.is_file()}
        laid["var/runtime/bootstrap"] = root / "var/runtime/bootstrap"
        found = {path: (file.read_bytes(), file.stat().st_mode & 0o777) for path, file in laid.items()}
        assert found == {path: (node.data, node.mode) for path, node in files.items()}
        assert {"autoload.php", "bref"} <= {path.name for path in (root / "var/task/vendor").iterdir()}
        assert not (root / "var/runtime/bootstrap.conf").exists(), "the runtime client is not there"


def refused(folder: Path, settings: dict[str, str], tool: str) -> None:
    """Without its toolchain an example is planned, and its build says what to install."""
    imagekit_well("plan", folder=folder, settings=settings)
    ran = imagekit("build", folder=folder, settings=settings)
    assert ran.code == 5
    assert f"there is no `{tool}` on this machine" in ran.err
    assert "  hint: install " in ran.err
    looked = imagekit("doctor", "--json", folder=folder, settings=settings)
    assert looked.code == 5
    states = {item["subject"]: item["state"] for item in json.loads(looked.out)["found"]}
    assert states[tool] == "missing"


def answers_from(image: str, architecture: str, test: dict[str, Any], folder: Path, settings: dict[str, str]) -> None:
    """The image, out of the registry, gives the example's first event its answer."""
    event = folder / "event.json"
    given = (folder / test["event_file"]).read_text() if "event_file" in test else json.dumps(test.get("event", {}))
    event.write_text(given)
    command = ("invoke", image, "--platform", architecture, "--event", str(event), *_PATIENT)
    mounted = ("--mount", f"{folder / test['code']}:/var/task") if "code" in test else ()
    ran = imagekit_well(*command, *mounted, folder=folder, settings=settings)
    match = Match(test.get("match", Match.EXACT))
    assert not differences(test["expect"], json.loads(ran.out), match), ran.out


def test_every_row_is_an_example() -> None:
    assert set(ROWS) <= set(EXAMPLES)


def test_there_are_many() -> None:
    if len(EXAMPLES) < 18:
        missing(f"only {len(EXAMPLES)} examples")
