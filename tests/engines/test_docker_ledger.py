"""What a package manager did is held against the lock, by the RPM databases before and after."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagekit.engines.docker import ledger
from imagekit.engines.native import incoming
from imagekit.engines.native.database import installed
from imagekit.engines.ports import Shelf
from imagekit.errors import BuildFailed
from imagekit.rpm.header import Header
from tests.engines.installing import base, lock
from tests.support.packages import database, system
from tests.support.packages.package import Package

WHO = "x86_64: dnf in the base"
NEW = Package("tool", "2.0", "1", "x86_64")
NEWER = Package("zlib", "9", "1", "x86_64")


class Bench:
    """A base, and what is asked for on it."""

    def __init__(self, folder: Path, *packages: Package) -> None:
        self.folder = folder
        self.facts = base(folder)
        self.before = installed(self.facts)
        shelf = Shelf(place=lambda item: str(folder / item.url), keys=lambda _: None)
        self.install = incoming.opened(lock(folder, packages), shelf, 1)

    def after(self, *packages: Package) -> dict[int, Header]:
        """The headers of a database with these packages, read as out of a container."""
        assert self.facts.database
        return ledger.read(self.facts.database, database.sqlite(packages), b"", "the database")

    def check(self, *packages: Package, removed: tuple[str, ...] = ()) -> None:
        ledger.check(self.before, self.after(*packages), self.install, removed, WHO)


def kept(*less: str) -> tuple[Package, ...]:
    return tuple(one for one in system.installed("x86_64") if one.name not in less)


def test_what_is_locked_is_right(tmp_path):
    Bench(tmp_path, NEW).check(*kept(), NEW)
    Bench(tmp_path, NEWER).check(*kept("zlib"), NEWER)
    removed = next(str(one.nevra) for one in system.installed("x86_64") if one.name == "zlib")
    Bench(tmp_path).check(*kept("zlib"), removed=(removed,))


@pytest.mark.parametrize(
    ("asked", "left", "words"),
    [
        ((NEW,), kept(), "did not install tool-2.0-1.x86_64"),
        ((NEW,), (*kept(), NEW, NEWER), "installed zlib-9-1.x86_64"),
        ((NEW,), (*kept("bash"), NEW), "removed bash-"),
        ((NEWER,), (*kept(), NEWER), "did not remove zlib-"),
        ((), (*kept(), NEW), "installed tool-2.0-1.x86_64"),
    ],
)
def test_what_differs_is_named(tmp_path, asked, left, words):
    with pytest.raises(BuildFailed) as raised:
        Bench(tmp_path, *asked).check(*left)
    assert raised.value.message.startswith(f"{WHO} did with the packages what the lock does not say")
    assert words in raised.value.message
    assert "imagekit lock" in raised.value.hint


def test_another_package_of_the_same_name_is_not_the_one(tmp_path):
    other = Package("tool", "2.0", "1", "x86_64", provides=("more",))
    assert str(other.nevra) == str(NEW.nevra)
    with pytest.raises(BuildFailed, match=r"installed another tool-2.0-1.x86_64 than the one that is locked"):
        Bench(tmp_path, NEW).check(*kept(), other)


def test_many_differences_are_counted(tmp_path):
    many = [Package(f"tool{number:02}") for number in range(13)]
    with pytest.raises(BuildFailed, match=r"tool09-.* and 3 more"):
        Bench(tmp_path).check(*kept(), *many)


def test_a_damaged_database_is_refused(tmp_path):
    bench = Bench(tmp_path)
    assert bench.facts.database
    with pytest.raises(BuildFailed, match="cannot be read"):
        ledger.read(bench.facts.database, b"no database", b"", "the database in the container")
