"""Which layers an image gets, in which order: what changes most is last (design: "Layers")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from imagekit.base import Base, System
from imagekit.errors import BuildFailed
from imagekit.lock import Making
from imagekit.oci import media
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from imagekit.plan.inputs import Inputs
from imagekit.plan.parts import EmbeddedPart, Part
from imagekit.plan.plan import LayerPlan
from imagekit.rootfs.base_layout import BaseLayout

#: The name of the layer that holds the packages.
PACKAGES: Final = "packages"


def layers(base: Base, inputs: Inputs, making: Making) -> tuple[LayerPlan, ...]:
    """The layers above the base, lowest first; those without a part are left out."""
    # An image with a base does not start empty: what a program finds there is the base's matter.
    system = (_system(base.system, inputs.certificates),) if base.system and inputs.base is None else ()
    bootstrap = (inputs.bootstrap,) if inputs.bootstrap else ()
    stacked: dict[str, Sequence[Part]] = {
        "system": system,
        "archives": inputs.archives,
        "images": inputs.images,
        "dependencies": inputs.dependencies,
        "client": (inputs.client,) if inputs.client else (),
        "files": inputs.files,
        # The program is what a change of the code changes; under an ahead-of-time language nothing else does.
        "bootstrap": bootstrap,
    }
    packages = _packages(inputs, making)
    lowest = (packages,) if packages else ()
    nothing, written_against = BaseLayout().digest, inputs.layout.digest
    if packages:
        # Their names are known only once they are there; what they are made of stands for them.
        written_against = Digest.of(f"{written_against} {packages.key}".encode())
    return lowest + tuple(
        LayerPlan(
            name=name,
            parts=tuple(parts),
            base=nothing if name == "system" else written_against,
            codec=making.codec,
            layer_format=making.layer_format,
            is_lowest=name == "system",
        )
        for name, parts in stacked.items()
        if parts
    )


def packages_of(plans: Sequence[LayerPlan]) -> LayerPlan | None:
    """The layer that holds the packages, which all others are written against."""
    return next((plan for plan in plans if plan.name == PACKAGES), None)


def _packages(inputs: Inputs, making: Making) -> LayerPlan | None:
    """The layer of packages: all that it meets is the base, and so known by its manifest."""
    if inputs.packages is None:
        return None
    return LayerPlan(
        name=PACKAGES,
        parts=(inputs.packages,),
        base=inputs.packages.base,
        codec=making.codec,
        layer_format=making.layer_format,
    )


def check_base(image: Image, name: str) -> None:
    """Raise BuildFailed for a base that Lambda would refuse whatever is put on it."""
    for layer in image.manifest.layers:
        if layer.in_oci().media_type != media.LAYER:
            raise BuildFailed(
                f"the base {name} has the layer {layer.digest} of type {layer.media_type or 'unknown'}; "
                "Lambda takes gzip only",
                hint="choose a base with gzip layers, or push this one again with gzip compression",
            )


def _system(system: System, certificates: bytes) -> EmbeddedPart:
    files = {path: text.encode("utf-8") for path, text in system.files.items()}
    files |= dict.fromkeys(system.certificates, certificates)
    return EmbeddedPart(directories=system.directories, files=files)
