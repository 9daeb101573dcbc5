"""Packages in an image: what the lock names is there as rpm would have installed it."""

from __future__ import annotations

import hashlib
import json
import tarfile

from tests.support.bench import Bench
from tests.support.packages import samples
from tests.support.packages.signing import key

RPM_ARCHES = {"x86_64": "x86_64", "arm64": "aarch64"}


def locked(bench: Bench, *names: str, removed: tuple[str, ...] = (), **more) -> None:
    """A lock with these packages of the samples, as local files, beside a spec that asks for them."""
    bench.spec(**more)
    bench.run("lock").ok()
    document = bench.locked
    for architecture, platform in document["platforms"].items():
        install = {}
        for package in samples.packages(RPM_ARCHES[architecture], key()):
            if package.name in names and package.version != "1.6":
                data = package.built.data
                path = f"vendor/{package.file_name}"
                bench.write(path, data)
                install[f"{package.nevra}"] = {
                    "url": f"./{path}",
                    "size": len(data),
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "because": {"asked": package.name},
                }
        platform["packages"] = {"asked": sorted(names), "install": install, "remove": {}, "repositories": {}}
    bench.lock.write_text(json.dumps(document))


def files(layer: dict[str, tarfile.TarInfo]) -> list[str]:
    return sorted(name for name in layer if not layer[name].isdir())


def test_packages_are_a_layer_of_their_own_right_above_the_base(amazon: Bench):
    locked(amazon, "jq", "oniguruma")
    pictures = amazon.pushed("--frozen")
    for architecture, picture in pictures.items():
        layer = picture.layer(-2)
        assert files(layer) == [
            "usr/bin/jq",
            "usr/lib64/libonig.so.5",
            "usr/lib64/libonig.so.5.6.9.7.1",
            "usr/share/doc/jq/README.md",
            "usr/share/licenses/oniguruma/COPYING",
            "usr/share/man/man1/jq.1.gz",
            "var/lib/rpm/rpmdb.sqlite",
        ]
        assert picture.read(-2, "usr/bin/jq") == b"jq of " + RPM_ARCHES[architecture].encode()
        assert picture.config["history"][-2]["created_by"] == "imagekit packages: jq, oniguruma"
    again = amazon.pushed("--frozen")
    assert {a: p.digest for a, p in again.items()} == {a: p.digest for a, p in pictures.items()}
