"""`imagekit inspect`: what an image's documents say of it."""

from __future__ import annotations

import json

import pytest

from tests.support import bench as support

REFERENCE = "public.ecr.aws/lambda/provided:al2023"


def test_an_image_is_shown_by_platform_with_its_layers_and_its_start(bench):
    bench.spec(handler="app.handler", labels={"team": "payments"})
    bench.run("build", "--push", "--to", bench.repository(), "-t", "v1").ok()
    lines = bench.run("inspect", f"{bench.repository()}:v1").ok().lines
    digest = bench.registry.repository("team/app").tags["v1"]
    assert lines[:2] == [f"{bench.repository()}:v1", f"  digest {digest}"]
    assert [line for line in lines if not line.startswith(" ")][1].startswith("linux/amd64  sha256:")
    assert [line.split()[-1] for line in lines if "imagekit bootstrap" in line] == ["bootstrap"] * 2
    assert lines.count("  starts /lambda-entrypoint.sh app.handler") == 2
    assert lines.count("  in /var/task") == 2
    assert lines.count("  env LAMBDA_TASK_ROOT=/var/task") == 2
    assert lines.count("  label team=payments") == 2


def test_no_layer_is_read(bench):
    bench.run("inspect", REFERENCE).ok()
    configs = {json.loads(data)["config"]["digest"] for data in support.base().manifests.values()}
    assert {text[-71:] for text in bench.registry.seen("/blobs/")} == configs


def test_a_platform_can_be_chosen_and_has_to_be_there(bench):
    document = bench.run("inspect", REFERENCE, "--platform", "aarch64", "--json").ok().document
    assert document["digest"] == support.put(bench.registry, support.base(), support.PROVIDED, "al2023")
    (platform,) = document["platforms"]
    assert platform["platform"] == "linux/arm64"
    manifest = json.loads(support.base().manifests[platform["manifest"]])
    assert [layer["digest"] for layer in platform["layers"]] == [layer["digest"] for layer in manifest["layers"]]
    assert [layer["origin"] for layer in platform["layers"]] == [f"ADD layer {number}" for number in range(4)]
    support.put(bench.registry, support.base("oci", ("amd64",)), "corp/base", "1")
    outcome = bench.run("inspect", f"{bench.registry.host}/corp/base:1", "--platform", "arm64")
    assert (outcome.code, outcome.error) == (
        2,
        [f"error: {bench.registry.host}/corp/base:1 has no platform arm64", "  hint: it has linux/amd64"],
    )


def test_a_plain_manifest_and_a_layout_are_images_too(bench):
    (digest, _) = support.base().manifests
    name = f"public.ecr.aws/lambda/provided@{digest}"
    assert bench.run("inspect", name).ok().lines[1] == f"  digest {digest}"
    bench.spec(architectures=["arm64"])
    bench.run("build", "--output", "oci:out", "-t", "v1").ok()
    document = bench.run("inspect", "oci:out:v1", "--json").ok().document
    assert [item["platform"] for item in document["platforms"]] == ["linux/arm64"]


@pytest.mark.parametrize(
    ("image", "code", "message"),
    [
        ("", 2, "not an image reference: '' ("),
        ("X Y", 2, "not an image reference: 'X Y' ("),
        ("oci:nowhere", 2, "oci:"),
        (f"{REFERENCE}x", 4, f"no such image, or no access to it: {REFERENCE}x without credentials"),
    ],
)
def test_what_is_no_image_is_said(bench, image, code, message):
    outcome = bench.run("inspect", image)
    assert outcome.code == code
    assert outcome.error[0].startswith(f"error: {message}")
    assert outcome.error[1].startswith("  hint: ")
    assert outcome.out == ""
