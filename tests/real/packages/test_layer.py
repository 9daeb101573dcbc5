"""What is laid down is what dnf lays down, path by path, and the database says so header by header."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import good
from tests.support.packages import trees
from tests.support.packages.shop import ARCHITECTURES, Shop
from tests.support.packages.world import World
from tests.support.registry import Registry

pytestmark = pytest.mark.real

#: Every kind of path, and a real interpreter with its libraries. Nothing that only a program in the image could do.
INSTALLED = (
    *("edge-modes", "edge-names", "edge-config", "edge-links", "edge-ldconfig", "edge-trigger", "edge-systemd"),
    *("edge-users", "edge-rich", "php-cli", "php-intl", "php-xml", "php-sqlite3", "jq"),
)
#: What dnf writes for itself, what imagekit brings, and what ldconfig writes where a program can run it.
_OWN = ("etc/dnf", "var/lib/dnf", "var/log", "var/cache/dnf", "var/lib/rpm", "var/runtime", "var/cache/ldconfig")
_ONCE = frozenset({"dev/null", "etc/.pwd.lock", "etc/ld.so.cache", "lambda-entrypoint.sh", "var/task"})
#: The accounts, which a program that is run changes now; copies are what it leaves beside them.
_ACCOUNTS = ("etc/passwd", "etc/group", "etc/shadow", "etc/gshadow")
_COPIES = frozenset(f"{path}-" for path in _ACCOUNTS)


def of_packages(root: Path) -> dict[str, trees.Found]:
    """What packages put into a root file system; of accounts only what they are."""
    made = {
        path: found
        for path, found in trees.found(root).items()
        if path not in _ONCE | _COPIES and not any(path == own or path.startswith(f"{own}/") for own in _OWN)
    }
    return {path: _account(root, path, found) if path in _ACCOUNTS else found for path, found in made.items()}


def _account(root: Path, path: str, found: trees.Found) -> trees.Found:
    """An account's line without the day when its password was set and the mark of there being none."""
    lines = (root / path).read_text().splitlines()
    if path in _ACCOUNTS[2:]:
        lines = [re.sub(r"^(\w+):[!*]*(:|$).*", r"\1", line) for line in lines]
    return replace(found, mtime=0, seen=replace(found.seen, holds="\n".join(lines)))


def differences(ours: dict[str, trees.Found], theirs: dict[str, trees.Found]) -> dict[str, tuple[object, object]]:
    return {
        path: (ours.get(path), theirs.get(path))
        for path in sorted({*ours, *theirs})
        if ours.get(path) != theirs.get(path)
    }


@dataclass(frozen=True)
class Pair:
    """The same change to the same base: in an image of ours, and in dnf's root file system."""

    arch: str
    ours: Path
    theirs: Path


@dataclass(frozen=True)
class Change:
    """What a spec says, and what dnf is told, command by command."""

    keys: Mapping[str, Any]
    commands: tuple[tuple[str, ...], ...]


CHANGES = {
    "installed": Change({"packages": list(INSTALLED)}, (("install", "--setopt=install_weak_deps=False", *INSTALLED),)),
    "changed": Change(
        {"packages": ["curl", "edge-path"], "upgrade": "all", "remove": ["libsepol2"]},
        (
            ("upgrade", "--setopt=install_weak_deps=False"),
            ("install", "--allowerasing", "--setopt=install_weak_deps=False", "curl", "edge-path"),
            ("remove", "--noautoremove", "libsepol2"),
        ),
    ),
}


@pytest.fixture(scope="module", params=[(name, arch) for name in CHANGES for arch in ARCHITECTURES], ids="-".join)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, registry: Registry, world: World
) -> Pair:
    """A change carried out by both, for one architecture."""
    name, arch = request.param
    change, folder = CHANGES[name], tmp_path_factory.mktemp(f"{name}-{arch}")
    theirs = world.copy(arch, folder / "theirs")
    for command in change.commands:
        ended = world.dnf(arch, theirs, *command)
        assert ended.code == 0, ended
        assert "warning" not in ended.err, ended.err
    shop = Shop(folder / "app", registry, world)
    shop.spec(**change.keys, architectures=[ARCHITECTURES[arch]])
    shop.well("lock")
    return Pair(arch, shop.root(arch, folder / "ours"), theirs)


def packages(world: World, root: Path) -> list[str]:
    """What rpm says is installed, without the keys that dnf keeps as if they were packages."""
    return sorted(line for line in world.rpm(root, "-qa").lines if not line.startswith("gpg-pubkey-"))


def test_what_is_there_is_what_dnf_leaves(pair: Pair) -> None:
    ours, theirs = of_packages(pair.ours), of_packages(pair.theirs)
    assert len(ours) > 1500
    assert not differences(ours, theirs)


def test_the_database_is_the_one_that_rpm_writes(pair: Pair) -> None:
    ours, theirs = trees.database(pair.ours), trees.database(pair.theirs)
    assert trees.short(ours.headers) == trees.short(theirs.headers)
    for name, rows in theirs.tables.items():
        assert ours.tables[name] == rows, name
    assert ours.tables.keys() == theirs.tables.keys()


def test_rpm_and_dnf_have_nothing_against_it(pair: Pair, world: World, tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    good("cp", "-a", pair.ours, ours)
    assert world.rpm(ours, "--verifydb").code == 0
    assert world.rpm(ours, "-Va").lines == world.rpm(pair.theirs, "-Va").lines
    assert packages(world, ours) == packages(world, pair.theirs)
    for path in ("/usr/bin/bash", "/bin/edge-by-bin", "/usr/bin/curl", "/usr/share/edge/data"):
        assert world.rpm(ours, "-qf", path).out == world.rpm(pair.theirs, "-qf", path).out
    assert world.dnf(pair.arch, ours, "check").out == ""
    assert world.dnf(pair.arch, ours, "install", "lua5.4").code == 0
    assert world.dnf(pair.arch, ours, "remove", "lua5.4", "edge-upgraded").code == 0
    assert (ours / "etc/edge.conf.rpmsave").read_text() == "what the base has changed\n"
