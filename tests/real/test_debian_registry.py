"""Debian's docker-registry, open or behind TLS and a password: lock, build, push, push again, look."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.support import project
from tests.support.commands import imagekit, imagekit_well
from tests.support.docker_registry import Bases, DockerRegistry

pytestmark = pytest.mark.real


@pytest.fixture(params=["al2023", "al2"])
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def manifest_at(registry: DockerRegistry, digest: str) -> dict[str, list[dict[str, str]]]:
    """A manifest as the registry keeps it."""
    document: dict[str, list[dict[str, str]]] = json.loads(registry.blob(digest))
    return document


def test_an_image_is_locked_built_and_pushed_and_a_second_push_only_looks(
    target: DockerRegistry, aws: Bases, system: str, tmp_path: Path
) -> None:
    project.write(tmp_path, system)
    name = f"{target.host}/team/{system}"
    imagekit_well("lock", folder=tmp_path)
    built = imagekit_well("build", "--locked", "--tag", "v1", "--push", "--to", name, folder=tmp_path)
    assert [line.partition("@")[0] for line in built.lines] == [name] * 3
    _, *platforms = (line.partition("@")[2] for line in built.lines)

    for command in (("push",), ("build", "--locked", "--push")):
        before = len(target.requests())
        again = imagekit_well(*command, "--tag", "v1", "--to", name, folder=tmp_path)
        asked = target.requests(before)
        assert again.out == built.out
        assert {line.split()[0] for line in asked} <= {"HEAD", "GET"}
        assert 3 <= len(asked) <= 2 * 3, asked

    seen = json.loads(imagekit_well("inspect", "--json", f"{name}:v1", folder=tmp_path).out)
    assert seen["digest"] == built.digest
    assert len(seen["platforms"]) == 2, seen
    assert [entry["manifest"] for entry in seen["platforms"]] == platforms


def test_the_layers_of_the_base_arrive_byte_for_byte(
    target: DockerRegistry, aws: Bases, system: str, tmp_path: Path
) -> None:
    project.write(tmp_path, system)
    built = imagekit_well("build", "--push", "--to", f"{target.host}/bytes/{system}", folder=tmp_path)
    stand_in = aws.made[system]
    of_the_base = [json.loads(data)["layers"] for data in stand_in.manifests.values()]
    index = manifest_at(target, built.digest)
    assert len(index["manifests"]) == len(of_the_base) == 2
    for entry, base in zip(index["manifests"], of_the_base, strict=True):
        manifest = manifest_at(target, entry["digest"])
        assert [layer["digest"] for layer in manifest["layers"][:4]] == [layer["digest"] for layer in base]
        assert {layer["mediaType"] for layer in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar+gzip"}
        for layer in base:
            assert target.blob(layer["digest"]) == stand_in.blobs[layer["digest"]]


def test_layers_are_mounted_from_the_base_in_the_same_registry(aws: Bases, tmp_path: Path) -> None:
    project.write(tmp_path)
    before = len(aws.registry.requests())
    imagekit_well("build", "--push", "--to", f"{aws.registry.host}/mounted", folder=tmp_path)
    asked = aws.registry.requests(before)
    layers = {layer["digest"] for data in aws.made["al2023"].manifests.values() for layer in json.loads(data)["layers"]}
    assert not [line for line in asked if line.startswith("GET") and any(digest in line for digest in layers)]


@pytest.mark.parametrize("fault", ["password", "authority"])
def test_a_registry_that_refuses_is_told_from_one_that_fails(
    secured: DockerRegistry, aws: Bases, fault: str, clean_environment: Path, tmp_path: Path
) -> None:
    project.write(tmp_path)
    settings = {"IMAGEKIT_CA_FILE": str(secured.authorities)} if fault == "password" else {}
    if fault == "authority":
        secured.log_in(clean_environment)
        (tmp_path / "imagekit.toml").write_text(f'[hosts."{secured.host}"]\ninsecure = false\n')
    ran = imagekit("build", "--push", "--to", f"{secured.host}/no", folder=tmp_path, settings=settings)
    assert ran.code == 4
    assert ran.err.count("error:") == 1
    assert "hint:" in ran.err
    assert ("401" in ran.err or "log in" in ran.err) if fault == "password" else "certificate" in ran.err


def test_what_the_registry_serves_is_what_was_said(plain: DockerRegistry, aws: Bases, tmp_path: Path) -> None:
    import http.client

    project.write(tmp_path)
    built = imagekit_well("build", "--tag", "t", "--push", "--to", f"{plain.host}/said", folder=tmp_path)
    kinds = {"t": "index", "t-x86_64": "manifest", "t-arm64": "manifest"}
    for line, (tag, kind) in zip(built.lines, kinds.items(), strict=True):
        media_type = f"application/vnd.oci.image.{kind}.v1+json"
        connection = http.client.HTTPConnection(plain.host, timeout=20)
        connection.request("GET", f"/v2/said/manifests/{tag}", headers={"Accept": media_type})
        answer = connection.getresponse()
        assert f"sha256:{hashlib.sha256(answer.read()).hexdigest()}" == line.partition("@")[2], tag
        assert answer.headers["Content-Type"] == media_type
        connection.close()
