"""What is laid down is what dnf lays down, path by path, and the database says so header by header."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.packages import trees
from tests.support.packages.shop import Shop
from tests.support.packages.world import World

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


@pytest.fixture
def both(shop: Shop, world: World, arch: str, tmp_path: Path) -> tuple[Path, Path]:
    """The same packages in an image of ours and in dnf's root file system."""
    shop.spec(packages=list(INSTALLED), architectures=["arm64" if arch == "aarch64" else arch])
    shop.well("lock")
    theirs = world.copy(arch, tmp_path / "theirs")
    ended = world.dnf(arch, theirs, "install", "--setopt=install_weak_deps=False", *INSTALLED)
    assert ended.code == 0, ended
    assert "warning" not in ended.err, ended.err
    return shop.root(arch, tmp_path / "ours"), theirs


def test_packages_are_installed_as_dnf_installs_them(both: tuple[Path, Path], world: World, arch: str) -> None:
    ours, theirs = (of_packages(root) for root in both)
    assert len(ours) > 1500
    assert not differences(ours, theirs)


def test_the_database_is_the_one_that_rpm_writes(both: tuple[Path, Path], world: World, arch: str) -> None:
    ours, theirs = (trees.database(root) for root in both)
    assert trees.short(ours.headers) == trees.short(theirs.headers)
    assert ours.tables == theirs.tables


def test_rpm_and_dnf_have_nothing_against_it(both: tuple[Path, Path], world: World, arch: str) -> None:
    ours, theirs = both
    assert world.rpm(ours, "--verifydb").code == 0
    assert world.rpm(ours, "-Va").lines == world.rpm(theirs, "-Va").lines
    assert sorted(world.rpm(ours, "-qa").lines) == sorted(world.rpm(theirs, "-qa").lines)
    assert world.rpm(ours, "-qf", "/usr/bin/jq", "/bin/edge-by-bin").lines == [
        world.rpm(ours, "-q", name).out.strip() for name in ("jq", "edge-links")
    ]
    assert world.dnf(arch, ours, "check").out == ""
    assert world.dnf(arch, ours, "remove", "edge-modes").code == 0
    assert world.dnf(arch, ours, "install", "lua5.4").code == 0
    assert not (ours / "usr/bin/edge-setuid").exists()
