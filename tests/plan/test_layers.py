"""Which layers a plan has, in which order, and what their keys depend on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagekit.base import Base, System
from imagekit.errors import BuildFailed
from imagekit.lock import Making
from imagekit.oci import media
from imagekit.oci.config import Config
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from imagekit.oci.manifest import Manifest
from imagekit.oci.platform import Platform
from imagekit.plan.inputs import Inputs
from imagekit.plan.layers import check_base, layers
from imagekit.plan.parts import UNBUILT, ArchivePart, FilesPart, ImagePart
from imagekit.plan.plan import LayerPlan
from imagekit.rootfs.base_layout import BaseLayout, Directory

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
MAKING = Making(codec="gzip/1", layer_format=1)
BASE = Base(name="linux", title="Linux", layout=BaseLayout())
FILES = FilesPart(source="src", target="/var/task", digest=ONE)
INPUTS = Inputs(
    base=None,
    layout=BaseLayout(),
    bootstrap=FilesPart(source="app", target="/var/runtime/bootstrap", digest=ONE, single=True, mode=0o755),
    files=(FILES,),
    dependencies=(FilesPart(source="src", target="/var/task", digest=TWO),),
    archives=(ArchivePart(source="https://example.com/a.tar", target="/opt", digest=ONE, size=3),),
    images=(ImagePart(source="corp/tool:1", path="/tool", target="/opt/tool", digest=ONE),),
    certificates=b"bundle",
)


def image(*types: str) -> Image:
    """A base with layers of these media types."""
    made = [Descriptor.of(bytes([number % 256, number // 256]), name) for number, name in enumerate(types)]
    config = Config(platform=Platform(os="linux", architecture="amd64"), diff_ids=tuple(item.digest for item in made))
    data = Descriptor.of(config.to_bytes(), media.CONFIG)
    return Image.of(Manifest(config=data, layers=tuple(made)), config)


def key(part: FilesPart = FILES, layout: BaseLayout = INPUTS.layout, making: Making = MAKING) -> Digest:
    """The key of a layer of files."""
    (layer,) = layers(BASE, Inputs(base=None, layout=layout, files=(part,)), making)
    return layer.key


def test_what_changes_most_is_last():
    system = System(directories={"/tmp": 0o1777}, files={"/etc/group": "root"}, certificates=("/etc/ca.crt",))
    planned = layers(replace(BASE, system=system), INPUTS, MAKING)
    assert [layer.name for layer in planned] == ["system", "archives", "images", "dependencies", "files", "bootstrap"]
    assert [layer.title for layer in planned][:2] == [
        "imagekit system: imagekit",
        "imagekit archives: https://example.com/a.tar",
    ]


def test_the_system_layer_is_written_against_nothing_and_only_where_the_image_starts_empty():
    system = System(directories={"/var/task": 0o700}, files={"/etc/group": "root"}, certificates=("/etc/ca.crt",))
    assert system.layout == BaseLayout(
        directories={"var/task": Directory(mode=0o700), "var": Directory(), "etc": Directory()},
        files=frozenset({"etc/group", "etc/ca.crt"}),
    )
    empty = replace(BASE, system=system, layout=system.layout)
    lowest, files = layers(empty, Inputs(base=None, layout=empty.layout, files=(FILES,)), MAKING)
    assert (lowest.base, files.base) == (BaseLayout().digest, system.layout.digest)
    assert (lowest.is_lowest, files.is_lowest) == (True, False)
    with_base = Inputs(base=image(media.LAYER), layout=BaseLayout(), files=(FILES,))
    assert [layer.name for layer in layers(empty, with_base, MAKING)] == ["files"]


def test_a_layer_without_a_part_is_left_out():
    assert layers(BASE, Inputs(base=None, layout=BaseLayout()), MAKING) == ()


def test_a_key_depends_on_all_that_the_bytes_depend_on_and_on_nothing_else():
    assert key(replace(FILES, source="./src")) == key()
    others = (
        key(replace(FILES, target="/opt")),
        key(replace(FILES, digest=TWO)),
        key(replace(FILES, mode=0o755)),
        key(replace(FILES, single=True)),
        key(layout=BaseLayout(directories={"opt": Directory()})),
        key(making=replace(MAKING, codec="gzip/2")),
        key(making=replace(MAKING, layer_format=2)),
    )
    assert len({key(), *others}) == len(others) + 1


def test_what_has_yet_to_be_built_has_no_key():
    layer = LayerPlan(name="files", parts=(replace(FILES, digest=None),), base=ONE, codec="gzip/1", layer_format=1)
    assert not layer.is_ready
    assert layer.to_mapping()["key"] == UNBUILT


@pytest.mark.parametrize("layer", [media.LAYER, media.DOCKER_LAYER])
def test_a_base_with_gzip_layers_is_taken(layer):
    check_base(image(layer, layer), "corp/base")


@pytest.mark.parametrize(
    "layer",
    [
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        media.DOCKER_FOREIGN_LAYER,
        "",
    ],
)
def test_a_base_with_any_other_layer_is_refused_by_name(layer):
    with pytest.raises(BuildFailed) as caught:
        check_base(image(media.LAYER, layer), "corp/base:1")
    digest = image(media.LAYER, layer).manifest.layers[1].digest
    assert caught.value.message == (
        f"the base corp/base:1 has the layer {digest} of type {layer or 'unknown'}; Lambda takes gzip only"
    )
