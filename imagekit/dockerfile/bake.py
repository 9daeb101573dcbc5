"""A bake file (`docker buildx bake`, HCL in its JSON form): the platforms, their tags, a cache.

Tags are imagekit's own: with two platforms `TAG-x86_64` and `TAG-arm64` name what a function takes, `TAG` the index.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from imagekit.architecture import Architecture

_CACHE: Final = "CACHE"
#: An expression alone in a text is its value (HCL JSON syntax, "Expressions"): a list that may be empty.
_FROM: Final = f'${{{_CACHE} == "" ? [] : ["type=registry,ref=${{{_CACHE}}}"]}}'
#: Registries such as ECR take a cache that is an image by its manifest only.
_TO: Final = (
    f'${{{_CACHE} == "" ? [] : ["type=registry,mode=max,image-manifest=true,oci-mediatypes=true,ref=${{{_CACHE}}}"]}}'
)
_INDEX: Final = "index"


def document(
    architectures: Sequence[Architecture], repositories: Sequence[str], tags: Sequence[str], created: int
) -> str:
    """The file; `created` is in seconds since 1970, what BuildKit is to write for the time of creation."""
    several = len(architectures) > 1
    targets: dict[str, Any] = {
        one.name: _target(one.oci, [one], _named(repositories, tags, f"-{one.name}" if several else ""), several)
        for one in architectures
    }
    if several:
        targets[_INDEX] = _target("", architectures, _named(repositories, tags, ""), several)
    common = {
        "context": ".",
        "args": {"SOURCE_DATE_EPOCH": str(created)},
        # Lambda takes no attestations beside an image.
        "attest": ["type=provenance,disabled=true", "type=sbom,disabled=true"],
        "cache-from": _FROM,
        "cache-to": _TO,
    }
    made = {
        "group": {"default": {"targets": list(targets)}},
        "variable": {_CACHE: {"default": ""}},
        "target": {"_common": common, **targets},
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _target(stage: str, architectures: Sequence[Architecture], tags: list[str], several: bool) -> dict[str, Any]:
    target = {"target": stage} if stage and several else {}
    return {"inherits": ["_common"], **target, "platforms": [one.platform for one in architectures], "tags": tags}


def _named(repositories: Sequence[str], tags: Sequence[str], suffix: str) -> list[str]:
    return [f"{repository}:{tag}{suffix}" for repository in repositories for tag in tags]
