"""Several specs in one command: one fails, the others are done; a table, an exit code, one document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.bench import SPEC, Bench


def several(bench: Bench, *names: str) -> list[str]:
    """A folder with a spec each; `broken` has a bootstrap that is nowhere."""
    for name in names:
        spec = {**SPEC, "name": name}
        bench.write(f"{name}/runtime.yaml", json.dumps(spec))
        if name != "broken":
            bench.write(f"{name}/bootstrap", b"#!/bin/sh\nexit 0\n", mode=0o755)
    return list(names)


def test_each_is_built_and_pushed_under_its_name(bench):
    names = several(bench, "one", "two")
    ran = bench.run("build", *names, "--push", "--to", bench.repository("team/{name}"), "-t", "v1").ok()
    assert [line.partition("@")[0] for line in ran.lines] == [
        bench.repository(f"team/{name}") for name in ("one", "one", "one", "two", "two", "two")
    ]
    for name in names:
        assert sorted(bench.registry.repository(f"team/{name}").tags) == ["v1", "v1-arm64", "v1-x86_64"]
    assert ran.err.splitlines()[-2:] == [
        f"one/runtime.yaml  done    {ran.lines[0]}",
        f"two/runtime.yaml  done    {ran.lines[3]}",
    ]


def test_the_same_bits_as_one_by_one(bench):
    names = several(bench, "one", "two")
    together = bench.run("build", *names).ok().lines
    alone = [line for name in names for line in bench.run("build", name).ok().lines]
    assert together == alone


def test_one_that_fails_stops_no_other(bench):
    names = several(bench, "one", "broken", "two")
    ran = bench.run("build", *names)
    assert ran.code == 2
    assert len(ran.lines) == 6
    assert "broken/runtime.yaml:" in ran.err.splitlines()
    assert ran.err.splitlines()[-1] == "1 of 3 specs failed"
    assert ran.err.splitlines()[-2].startswith("broken/runtime.yaml  failed  ")


def test_one_document_names_the_spec_of_each(bench):
    names = several(bench, "one", "two")
    ran = bench.run("build", *names, "--json").ok()
    assert [item["spec"] for item in ran.document] == ["one/runtime.yaml", "two/runtime.yaml"]
    assert all(item["digests"]["index"].startswith("sha256:") for item in ran.document)


def test_the_base_is_asked_for_once(bench):
    names = several(bench, "one", "two", "three")
    bench.run("lock", *names).ok()
    bench.registry.requests.clear()
    bench.run("build", *names).ok()
    assert len(bench.registry.seen("GET /v2/lambda/provided/manifests/")) <= 3
    assert len(bench.registry.seen("GET /v2/lambda/provided/blobs/")) <= 2


def test_two_specs_do_not_take_one_tag(bench):
    names = several(bench, "one", "two")
    ran = bench.run("push", *names, "--to", bench.repository())
    assert ran.code == 2
    assert f"error: one/runtime.yaml was pushed as {bench.repository()}:latest already" in ran.err
    assert len(bench.registry.repository("team/app").tags) == 3


def test_an_output_is_for_one(bench):
    ran = bench.run("build", *several(bench, "one", "two"), "--output", "oci:out")
    assert (ran.code, ran.error[0]) == (2, "error: --output is one image's place")


def test_locks_are_written_for_all_that_can_have_one(bench):
    several(bench, "one", "two")
    bench.write("wrong/runtime.yaml", "name: [")
    ran = bench.run("lock", "wrong", "one", "two")
    assert ran.code == 2
    assert ran.lines == ["one/runtime.lock", "two/runtime.lock"]
    assert (Path(bench.folder) / "two/runtime.lock").exists()


def test_outdated_goes_on_after_a_spec_without_a_lock(bench):
    several(bench, "one", "two")
    bench.run("lock", "two").ok()
    ran = bench.run("outdated", "one", "two")
    assert ran.code == 1
    assert "one/runtime.yaml has no lock" in ran.err
    assert ran.err.splitlines()[-1] == "1 of 2 specs failed"


def test_a_push_of_what_was_built_takes_several_too(bench):
    names = several(bench, "one", "two")
    bench.run("build", *names).ok()
    bench.run("push", *names, "--no-build", "--to", bench.repository("{name}")).ok()
    assert bench.registry.repository("two").tags


def test_a_workflow_gets_all_images_as_one_output(bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    for name in ("OUTPUT", "STEP_SUMMARY"):
        monkeypatch.setenv(f"GITHUB_{name}", str(tmp_path / name))
    names = several(bench, "one", "two")
    ran = bench.run("build", *names, "--push", "--to", bench.repository("team/{name}")).ok()
    head, text, *_ = (tmp_path / "OUTPUT").read_text().splitlines()
    assert head.startswith("images<<")
    assert json.loads(text)["two/runtime.yaml"]["index"] == ran.lines[3]
    assert (tmp_path / "STEP_SUMMARY").read_text().count(f"| two/runtime.yaml | image-arm64 | `{ran.lines[5]}` |") == 1
