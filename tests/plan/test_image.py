"""From settings and layers to config and manifest."""

from __future__ import annotations

from typing import Any

import pytest

from imagekit.architecture import X86_64
from imagekit.base import Base
from imagekit.errors import BuildFailed, InvalidSpec
from imagekit.findings import Place
from imagekit.lock import LockedImage
from imagekit.oci import media
from imagekit.oci.config import Config, History
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from imagekit.oci.manifest import LAMBDA_LIMIT, Manifest
from imagekit.oci.platform import Platform
from imagekit.plan.assemble import Layer, image
from imagekit.plan.parts import FilesPart
from imagekit.plan.plan import LayerPlan, Plan, Settings
from imagekit.plan.settings import settings
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.spec.model import Kind, Push
from imagekit.spec.platform import PlatformSpec

CREATED = "2026-01-02T03:04:05Z"
SCRATCH = Base(
    name="empty",
    title="Empty",
    layout=BaseLayout(),
    entrypoint=("/start",),
    working_directory="/work",
    environment={"PATH": "/bin"},
)
CONFIG = Config(
    platform=Platform(os="linux", architecture="amd64", variant="v3"),
    diff_ids=(Digest.of(b"tar"),),
    created="2020-01-01T00:00:00Z",
    environment={"PATH": "/usr/bin", "LANG": "C"},
    entrypoint=("/entry",),
    command=("inherited",),
    working_directory="/var/task",
    labels={"vendor": "corp", "team": "theirs"},
    kept={"User": "1000"},
    history=(History(created_by="ENV", empty_layer=True), History(created_by="ADD")),
)
BELOW = Image.of(
    Manifest(
        config=Descriptor.of(CONFIG.to_bytes(), media.DOCKER_CONFIG),
        layers=(Descriptor.of(b"blob", media.DOCKER_LAYER),),
        media_type=media.DOCKER_MANIFEST,
    ),
    CONFIG,
)
LAYER = Layer(descriptor=Descriptor.of(b"own", media.LAYER), diff_id=Digest.of(b"own tar"))
PART = FilesPart(source="src", target="/var/task", digest=Digest.of(b"tree"))


def spec(**fields: Any) -> PlatformSpec:
    given: dict[str, Any] = {"handler": "", "version": None, "environment": {}, "labels": {}, **fields}
    return PlatformSpec(
        path="runtime.yaml",
        kind=Kind.FUNCTION,
        name="app",
        language="scripted",
        os="linux",
        architecture=X86_64,
        base=None,
        root="/",
        bootstrap=None,
        build=(),
        archives=(),
        files=(),
        push=Push(),
        **given,
    )


def made(config: Config | None, **fields: Any) -> Settings:
    locked = LockedImage(reference="corp/base:1", manifest=Digest.of(b"m"), config=Digest.of(b"c"))
    places = {"environment.A": Place(file="runtime.yaml", line=7, column=3)}
    return settings(spec(**fields), SCRATCH, config, locked if config else None, CREATED, places)


def plan(**fields: Any) -> Plan:
    layer = LayerPlan(name="files", parts=(PART,), base=Digest.of(b""), codec="gzip/1", layer_format=1)
    return Plan(architecture="x86_64", base_reference="", base=None, layers=(layer,), settings=made(CONFIG, **fields))


def test_an_image_on_a_base_starts_as_the_base_does():
    found = made(CONFIG, handler="app.handler", environment={"A": "{base.LANG}{{}}", "PATH": "/opt:{base.PATH}"})
    assert dict(found.environment) == {"PATH": "/opt:/usr/bin", "LANG": "C", "A": "C{}"}
    assert (found.entrypoint, found.command, found.working_directory) == (("/entry",), ("app.handler",), "/var/task")


def test_an_empty_image_starts_as_its_system_says():
    found = made(None)
    assert (found.entrypoint, found.command, found.working_directory) == (("/start",), ("bootstrap",), "/work")
    assert dict(found.environment) == {"PATH": "/bin"}
    assert not [name for name in found.labels if "base" in name]


def test_a_variable_that_the_base_does_not_set_has_its_place():
    with pytest.raises(InvalidSpec) as caught:
        made(CONFIG, environment={"A": "{base.HOME}"})
    (finding,) = caught.value.findings
    assert (finding.code, str(finding.place), finding.message) == (
        "IK0105",
        "runtime.yaml:7:3",
        "unknown placeholder {base.HOME}",
    )


def test_labels_stand_in_the_annotations_too_and_the_spec_s_win():
    labels = {"org.opencontainers.image.title": "mine", "team": "ours"}
    found = made(CONFIG, version="1.2", labels=labels)
    assert found.labels == {
        **labels,
        "org.opencontainers.image.version": "1.2",
        "org.opencontainers.image.base.name": "corp/base:1",
        "org.opencontainers.image.base.digest": str(Digest.of(b"m")),
    }
    assert found.annotations == {**found.labels, "org.opencontainers.image.created": CREATED}


def test_the_image_goes_on_from_its_base_in_oci_s_words():
    finished = image(plan(labels={"team": "ours"}), BELOW, [LAYER])
    assert [item.media_type for item in finished.manifest.layers] == [media.LAYER] * 2
    assert finished.manifest.media_type == media.MANIFEST
    config = finished.config
    assert config.platform == Platform(os="linux", architecture="amd64")
    assert config.diff_ids == (*CONFIG.diff_ids, LAYER.diff_id)
    assert config.history == (
        *CONFIG.history,
        History(created=CREATED, created_by="imagekit files: src", comment="imagekit"),
    )
    assert (config.created, config.command) == (CREATED, ("bootstrap",))
    assert (config.labels["vendor"], config.labels["team"], config.kept) == ("corp", "ours", {"User": "1000"})


def test_a_manifest_has_fewer_bytes_than_lambda_s_limit():
    long = "y" * 20_000
    room = LAMBDA_LIMIT - len(image(plan(labels={"x": long}), BELOW, [LAYER]).manifest_bytes)
    fitting = image(plan(labels={"x": long + "y" * (room - 1)}), BELOW, [LAYER])
    assert len(fitting.manifest_bytes) == LAMBDA_LIMIT - 1
    with pytest.raises(BuildFailed, match=f"the manifest for x86_64 has {LAMBDA_LIMIT} bytes"):
        image(plan(labels={"x": long + "y" * room}), BELOW, [LAYER])


def test_an_image_has_as_many_layers_as_engines_can_stack():
    layers = [LAYER] * 126
    assert len(image(plan(), BELOW, layers).manifest.layers) == 127
    with pytest.raises(BuildFailed, match="for x86_64 would have 1 layers of its base and 127 of its own"):
        image(plan(), BELOW, [*layers, LAYER])
