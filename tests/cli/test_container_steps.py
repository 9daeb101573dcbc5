"""Build steps in containers, as far as they are known before any starts: specs, locks, plans, and what is missing."""

from __future__ import annotations

import json

import pytest

from tests.support import bench as support
from tests.support.bases import StandIn
from tests.support.bench import Bench

STEP = {"run": "cc -o $IMAGEKIT_OUTPUT main.c", "in": "base"}


def contained(bench: Bench, *steps: dict[str, object], **more: object) -> None:
    """A spec whose steps run in containers, on a machine without an engine."""
    bench.patch.setenv("DOCKER_HOST", f"unix://{bench.folder}/none.sock")
    bench.write("main.c", "int main() {}")
    bench.spec(bootstrap={"path": "build/{architecture}/bootstrap"}, build=[{**STEP, **step} for step in steps], **more)


def test_without_an_engine_nothing_begins(bench):
    contained(bench, {"run": "touch ran", "in": "host"}, {})
    outcome = bench.run("build")
    assert outcome.code == 5
    assert "x86_64 step 2: no Docker engine can be reached" in outcome.error[0]
    assert "or build on this machine, with `in: host`" in outcome.error[-1]
    assert not (bench.folder / "ran").exists()


@pytest.mark.parametrize("where", ["host", "base"])
def test_a_secret_that_is_not_set_is_told_before_anything_runs(bench, where):
    contained(bench, {"run": "touch ran", "in": "host"}, {"in": where, "secrets": ["TOKEN"]})
    outcome = bench.run("build")
    assert outcome.code == 5
    assert "the secret TOKEN is not set" in outcome.error[0]
    assert not (bench.folder / "ran").exists()


def test_an_image_is_locked_and_the_plan_says_what_runs_in_it(bench):
    tools = support.put(bench.registry, StandIn.make("docker", size=100), "tools/gcc", "12")
    image = f"{support.PUBLIC}/tools/gcc:12"
    contained(bench, {"in": image, "packages": ["make"], "secrets": ["TOKEN"], "only": ["arm64"]}, {"only": ["x86_64"]})
    bench.run("lock").ok()
    locked = json.loads((bench.folder / "runtime.lock").read_text())["platforms"]
    assert [list(locked[name].get("images", ())) for name in ("x86_64", "arm64")] == [[], [image]]
    assert locked["arm64"]["images"][image]["index"] == tools
    x86_64, arm64 = bench.run("plan", "--json").ok().document
    assert x86_64["build"] == [{"in": "base", "image": locked["x86_64"]["base"]["manifest"], "run": STEP["run"]}]
    pinned = locked["arm64"]["images"][image]["manifest"]
    assert arm64["build"] == [
        {"in": image, "image": pinned, "run": STEP["run"], "packages": ["make"], "secrets": ["TOKEN"]}
    ]
    assert f"  build in {image} ({pinned}): {STEP['run']}" in bench.run("plan").ok().lines
    support.put(bench.registry, StandIn.make("docker", size=200), "tools/gcc", "12")
    assert bench.run("lock", "--locked").code in (0, 2)
    assert any(row["name"] == image for row in bench.run("outdated", "--json").ok().document)


def test_an_image_that_is_not_to_be_had_is_told(bench):
    contained(bench, {"in": f"{support.PUBLIC}/tools/none:1"})
    outcome = bench.run("lock")
    assert outcome.code == 4
    assert "tools/none" in outcome.error[0]


def test_an_empty_base_runs_no_command(bench):
    contained(bench, {}, os="scratch")
    outcome = bench.run("validate")
    assert outcome.code == 2
    assert "error[IK0209]: scratch is empty: no command can run in it" in outcome.err


def test_the_engine_is_looked_for_where_a_spec_needs_it(bench):
    contained(bench, {})
    outcome = bench.run("doctor", "--json")
    (row,) = [row for row in json.loads(outcome.out)["found"] if row["topic"] == "docker"]
    assert row["state"] == "missing"


def test_secrets_and_a_limit_are_for_steps_on_this_machine_too(bench):
    bench.patch.setenv("TOKEN", "hunter22")
    script = 'echo "it is $TOKEN"; sleep 1000'
    contained(bench, {"run": script, "in": "host", "secrets": ["TOKEN"], "timeout": 1})
    outcome = bench.run("build")
    assert outcome.code == 3
    assert "did not end within 1 s" in outcome.error[0]
    assert "  | it is ***" in outcome.error
    assert (bench.folder / ".imagekit/log/x86_64-1.log").read_text() == "it is ***\n"
