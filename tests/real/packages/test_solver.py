"""The same choice as dnf's, for every kind of request, with and without weak dependencies, for both architectures."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.packages.shop import ARCHITECTURES, Shop
from tests.support.packages.world import Chosen, Wanted, World, dnf_resolves
from tests.support.registry import Registry

pytestmark = pytest.mark.real

REQUESTS = {
    "a program": Wanted(("jq",)),
    "a library": Wanted(("libicu72",)),
    "an interpreter": Wanted(("php-cli",)),
    "an interpreter with extensions": Wanted(("php-cli", "php-curl", "php-intl", "php-mbstring", "php-xml")),
    "another interpreter": Wanted(("lua5.4",)),
    "an editor": Wanted(("vim-tiny",)),
    "another editor": Wanted(("nano",)),
    "many": Wanted(("jq", "less", "file", "sqlite3", "libxml2-utils", "lua5.4", "nano", "php-zip")),
    "what the base has": Wanted(("bash",)),
    "what the base has, and more": Wanted(("bash", "jq", "coreutils")),
    "the same twice": Wanted(("jq", "jq")),
    "with its architecture": Wanted(("jq.{arch}",)),
    "for all architectures": Wanted(("media-types.noarch",)),
    "with its version": Wanted(("edge-modes-1",)),
    "with version and release": Wanted(("edge-modes-1-1",)),
    "all of it": Wanted(("edge-modes-1-1.{arch}",)),
    "with its epoch": Wanted(("edge-upgraded-1:2-1.{arch}",)),
    "at least a version": Wanted(("edge-modes >= 1",)),
    "exactly a version": Wanted(("edge-modes = 1",)),
    "more than there is": Wanted(("edge-modes > 1",)),
    "by glob": Wanted(("libxml2*",)),
    "by a glob in the middle": Wanted(("php8.2-?ml",)),
    "all edges by glob": Wanted(("edge-c*",)),
    "a glob that fits nothing": Wanted(("nothing-like-this-*",)),
    "by soname": Wanted(("libonig.so.5()(64bit)",)),
    "by what it provides": Wanted(("phpapi-20220829",)),
    "by a virtual name": Wanted(("php8.2-json",)),
    "by path": Wanted(("/usr/bin/jq",)),
    "by a path that primary.xml has not": Wanted(("/usr/share/edge-config/read.txt",)),
    "by a path of nobody": Wanted(("/usr/bin/nobody-has-this",)),
    "an unknown name": Wanted(("no-such-package",)),
    "an unknown name among known ones": Wanted(("jq", "no-such-package")),
    "one that needs a path": Wanted(("edge-path",)),
    "rich dependencies": Wanted(("edge-rich",)),
    "rich dependencies that apply": Wanted(("edge-rich", "edge-config")),
    "one that another supplements": Wanted(("edge-modes",)),
    "a conflict": Wanted(("edge-conflict-a", "edge-conflict-b")),
    "one side of a conflict": Wanted(("edge-conflict-b",)),
    "a broken dependency": Wanted(("edge-broken",)),
    "a new name": Wanted(("edge-new-name",)),
    "an old name": Wanted(("edge-old-name",)),
    "an upgrade of one": Wanted(upgrade=("edge-upgraded",)),
    "an upgrade of all": Wanted(upgrade_all=True),
    "an upgrade of one and a program": Wanted(("jq",), upgrade=("edge-upgraded",)),
    "an install of what is newer": Wanted(("edge-upgraded",)),
    "a removal": Wanted(remove=("curl-minimal",)),
    "a removal of two": Wanted(remove=("curl-minimal", "edge-old-name")),
    "a removal of what others need": Wanted(remove=("libsepol2",), erasing=True),
    "a removal and a program": Wanted(("jq",), remove=("edge-old-name",)),
    "a swap": Wanted(("curl",), erasing=True),
    "a swap that is said": Wanted(("curl",), remove=("curl-minimal",)),
    "a swap among others": Wanted(("php-curl", "curl", "jq"), erasing=True),
}


def of(wanted: Wanted, arch: str) -> Wanted:
    """The request for one architecture."""
    return replace(wanted, install=tuple(text.format(arch=arch) for text in wanted.install))


def keys(wanted: Wanted) -> dict[str, Any]:
    """The request as a spec says it."""
    named = [text for text in wanted.install if "{arch}" not in text]
    for arch, architecture in ARCHITECTURES.items():
        named += [{"name": text.format(arch=arch), "only": [architecture]} for text in wanted.install if "{" in text]
    return {
        "packages": named or None,
        "remove": list(wanted.remove) or None,
        "upgrade": "all" if wanted.upgrade_all else list(wanted.upgrade) or None,
        "weak_dependencies": wanted.weak or None,
    }


@pytest.mark.parametrize("weak", [False, True], ids=["without weak dependencies", "with weak dependencies"])
def test_what_is_chosen_is_what_dnf_chooses(tmp_path: Path, registry: Registry, world: World, weak: bool) -> None:
    asked = {name: replace(wanted, weak=weak) for name, wanted in REQUESTS.items()}
    theirs = {
        arch: dict(zip(asked, dnf_resolves(world, arch, [of(item, arch) for item in asked.values()]), strict=True))
        for arch in ARCHITECTURES
    }
    folders = {name: tmp_path / str(number) / "app" for number, name in enumerate(asked)}
    with ThreadPoolExecutor(2) as pool:
        cache = tmp_path / "cache"
        answers = pool.map(lambda name: chosen(Shop(folders[name], registry, world, cache), asked[name]), asked)
        ours = dict(zip(asked, answers, strict=True))
    assert sum(1 for answer in theirs["x86_64"].values() if answer.install) >= 35
    different = {
        (name, arch): (ours[name][arch], theirs[arch][name])
        for arch in ARCHITECTURES
        for name in asked
        if (ours[name][arch].install, ours[name][arch].remove)
        != (theirs[arch][name].install, theirs[arch][name].remove)
    }
    assert not different


def chosen(shop: Shop, wanted: Wanted) -> dict[str, Chosen]:
    """What imagekit locks for each architecture; what it says where it does not."""
    shop.spec(**keys(wanted))
    ended = shop.run("lock")
    if ended.code:
        assert ended.code == 3, ended
        return dict.fromkeys(ARCHITECTURES, Chosen((), (), ended.err))
    found = {arch: shop.locked(arch) for arch in ARCHITECTURES}
    return {arch: Chosen(tuple(sorted(item["install"])), tuple(sorted(item["remove"]))) for arch, item in found.items()}
