"""The bench of the command line's tests with packages: bases that have some, and a site that has more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.support.bench import PROVIDED, PUBLIC, Bench, put
from tests.support.packages import samples, site, system
from tests.support.packages.repository import Repository
from tests.support.packages.signing import key

KEY_FILE: Final = "keys/packager.asc"
#: What a spec says so that the stand-in's key counts instead of Amazon's.
TRUSTED: Final[list[dict[str, Any]]] = [{"name": "amazonlinux", "gpgkey": KEY_FILE}]
UNCHECKED: Final[list[dict[str, Any]]] = [{"name": "amazonlinux", "gpgcheck": False}]


def furnish(bench: Bench, repositories: Mapping[str, Repository] | None = None, kind: str = "sqlite") -> Bench:
    """Put in a base for `al2023` with that kind of database, and Amazon's site, by default with the samples."""
    registry = bench.registry
    put(registry, system.base(kind), PROVIDED, "al2023")
    site.al2023(registry.files, repositories or samples.repositories(key()))
    bench.write(KEY_FILE, key().armored)
    bench.patch.setenv("IMAGEKIT_MIRROR", f"{PUBLIC}={registry.host},{site.HOST}={registry.host}")
    return bench
