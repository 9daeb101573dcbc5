"""From a plan and its layers to an image: config, history, manifest (image-spec, config.md and manifest.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from imagekit.architecture import by_name
from imagekit.errors import BuildFailed
from imagekit.oci import media
from imagekit.oci.config import Config, History
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from imagekit.oci.index import Index
from imagekit.oci.manifest import LAMBDA_LIMIT, Manifest
from imagekit.oci.platform import Platform
from imagekit.oci.ports import Document
from imagekit.plan.plan import Plan
from imagekit.values import dataclass

#: As many layers as every engine can stack (Docker's limit is 127).
_MAX_LAYERS: Final = 127


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A finished layer: the descriptor of its blob and its diff ID."""

    descriptor: Descriptor
    diff_id: Digest


def image(plan: Plan, base: Image | None, layers: Sequence[Layer]) -> Image:
    """The image; raises BuildFailed when it has more layers, or a larger manifest, than anybody takes."""
    config = _config(plan, base, layers)
    below = base.manifest.layers if base else ()
    if len(below) + len(layers) > _MAX_LAYERS:
        raise BuildFailed(
            f"the image for {plan.architecture} would have {len(below)} layers of its base and {len(layers)} of its "
            f"own; engines take at most {_MAX_LAYERS}",
            hint="choose a base with fewer layers",
        )
    made = Image.of(
        Manifest(
            config=Descriptor.of(config.to_bytes(), media.CONFIG),
            layers=(*(item.in_oci() for item in below), *(layer.descriptor for layer in layers)),
            annotations=plan.settings.annotations,
        ),
        config,
    )
    if len(made.manifest_bytes) >= LAMBDA_LIMIT:
        raise BuildFailed(
            f"the manifest for {plan.architecture} has {len(made.manifest_bytes)} bytes; Lambda takes fewer than "
            f"{LAMBDA_LIMIT}",
            hint="shorten `labels`: they stand in the manifest too",
        )
    return made


def index(images: Sequence[Image]) -> Document | None:
    """The index of several platforms' images, in the order given; its annotations are those that all of them share."""
    if len(images) < 2:
        return None
    shared = set.intersection(*(set(item.manifest.annotations.items()) for item in images))
    entries = tuple(item.descriptor for item in images)
    data = Index(manifests=entries, annotations=dict(sorted(shared))).to_bytes()
    return Document(data=data, descriptor=Descriptor.of(data, media.INDEX))


def configured(plan: Plan, base: Image | None) -> Config:
    """The config as far as it does not depend on layers: no diff IDs, no history."""
    settings = plan.settings
    platform = Platform.of(by_name(plan.architecture))
    below = base.config if base else Config(platform=platform, diff_ids=())
    return replace(
        below,
        platform=platform,
        diff_ids=(),
        created=settings.created,
        environment=settings.environment,
        entrypoint=settings.entrypoint,
        command=settings.command,
        working_directory=settings.working_directory,
        labels={**below.labels, **settings.labels},
        history=(),
    )


def _config(plan: Plan, base: Image | None, layers: Sequence[Layer]) -> Config:
    own = (History(created=plan.settings.created, created_by=layer.title, comment="imagekit") for layer in plan.layers)
    return replace(
        configured(plan, base),
        diff_ids=(*(base.config.diff_ids if base else ()), *(layer.diff_id for layer in layers)),
        history=(*(_history_below(base.config) if base else ()), *own),
    )


def _history_below(config: Config) -> tuple[History, ...]:
    """The base's history; one that does not match its layers is made anew, as Lambda's loader counts them."""
    with_layer = [item for item in config.history if not item.empty_layer]
    if len(with_layer) == len(config.diff_ids):
        return config.history
    return tuple(History(created=config.created, created_by="layer of the base image") for _ in config.diff_ids)
