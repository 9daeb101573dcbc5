"""Which layers an image gets, in which order: what changes most is last (design: "Layers")."""

from __future__ import annotations

from collections.abc import Sequence

from imagekit.base import Base, System
from imagekit.errors import BuildFailed
from imagekit.lock import Making
from imagekit.oci import media
from imagekit.oci.image import Image
from imagekit.oci.manifest import Manifest
from imagekit.plan.inputs import Inputs
from imagekit.plan.parts import Part, SystemPart
from imagekit.plan.plan import LayerPlan

#: As many layers as every engine can stack (Docker's limit is 127).
_MAX_LAYERS = 127


def layers(base: Base, inputs: Inputs, making: Making) -> tuple[LayerPlan, ...]:
    """The layers above the base, lowest first; those without a part are left out."""
    system = (_system(base.system, inputs.certificates),) if base.system else ()
    bootstrap = (inputs.bootstrap,) if inputs.bootstrap else ()
    stacked: dict[str, Sequence[Part]] = {
        "system": system,
        "archives": inputs.archives,
        "images": inputs.images,
        "dependencies": inputs.dependencies,
        "files": inputs.files,
        # The program is what a change of the code changes; under an ahead-of-time language nothing else does.
        "bootstrap": bootstrap,
    }
    written_against = inputs.layout.digest
    return tuple(
        LayerPlan(
            name=name,
            parts=tuple(parts),
            base=written_against,
            codec=making.codec,
            layer_format=making.layer_format,
        )
        for name, parts in stacked.items()
        if parts
    )


def check_base(image: Image, name: str) -> None:
    """Raise BuildFailed for a base that Lambda would refuse whatever is put on it."""
    for layer in image.manifest.layers:
        if layer.in_oci().media_type != media.LAYER:
            raise BuildFailed(
                f"the base {name} has the layer {layer.digest} of type {layer.media_type}; Lambda takes gzip only",
                hint="choose a base with gzip layers, or push this one again with gzip compression",
            )
    _check_depth(image.manifest, name)


def _check_depth(manifest: Manifest, name: str) -> None:
    if len(manifest.layers) >= _MAX_LAYERS:
        raise BuildFailed(
            f"the base {name} has {len(manifest.layers)} layers; an image has at most {_MAX_LAYERS}",
            hint="choose a base with fewer layers",
        )


def _system(system: System, certificates: bytes) -> SystemPart:
    files = {path: text.encode("utf-8") for path, text in system.files.items()}
    files |= dict.fromkeys(system.certificates, certificates)
    return SystemPart(directories=system.directories, files=files)
