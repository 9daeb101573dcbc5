"""Payloads that are unpacked ahead: the same layer as without, no thread left, an error where it stands."""

from __future__ import annotations

import io
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from imagekit.engines.native.incoming import Incoming, opened
from imagekit.engines.native.install import Installation
from imagekit.engines.native.payloads import in_turn
from imagekit.engines.ports import Change, Shelf
from imagekit.errors import BuildFailed
from imagekit.rootfs.gzip import Codec
from imagekit.rootfs.layer import write_layer
from tests.engines.installing import base, installed, lock
from tests.support.packages.package import Item, Package

LARGE = random.Random(1).randbytes(100_000) * 12
PACKAGES = [
    Package(name, compressor=compressor, files={f"opt/{name}": Item(LARGE)})
    for name, compressor in (("a", "gzip"), ("b", "zstd"), ("c", "xz"), ("d", "bzip2"))
]
LINKED = Package("e", files={f"opt/e/{name}": Item(LARGE, same="one") for name in "abc"})


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "read ahead"}


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threads()
    yield
    assert threads() <= before


def there(folder: Path, packages: list[Package]) -> tuple[Incoming, ...]:
    shelf = Shelf(place=lambda item: str(folder / item.url), keys=lambda _: None)
    return opened(lock(folder, packages), shelf, 1)


def layer(folder: Path, packages: list[Package], workers: int) -> bytes:
    facts = base(folder)
    change = Change(
        facts=facts,
        install=lock(folder, packages),
        removed=frozenset(),
        installed=installed(facts),
        shelf=Shelf(place=lambda item: str(folder / item.url), keys=lambda _: None),
        warn=print,
        read=lambda _: {},
        workers=workers,
    )
    made, sink = Installation(change), io.BytesIO()
    with ThreadPoolExecutor(workers) as pool, closing(made.items()) as items:
        write_layer(items, sink, Codec(level=2), layout=made.layout, pool=pool, removed=made.removed())
    return sink.getvalue()


def test_the_number_of_workers_changes_no_byte(tmp_path):
    packages = [*PACKAGES, LINKED]
    alone = layer(tmp_path, packages, 1)
    assert layer(tmp_path, packages, 2) == alone
    assert layer(tmp_path, packages, 5) == alone


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_an_error_comes_when_its_package_does(tmp_path, workers):
    packages = there(tmp_path, PACKAGES)
    for name in ("b", "c"):
        place = tmp_path / next(one.path for one in packages if one.name == name)
        place.write_bytes(place.read_bytes()[:-2000])
    with closing(in_turn(packages, workers)) as turn:
        first, contents = next(turn)
        assert [first.name, len(list(contents))] == ["a", 1]
        second, contents = next(turn)
        with pytest.raises(BuildFailed, match=f"^{second.nevra}: the payload is damaged"):
            list(contents)


def test_what_is_read_ahead_can_be_left(tmp_path):
    # More than is held of each: the threads cannot come to the end.
    packages = there(tmp_path, [Package(name, compressor="zstd", files={"x": Item(bytes(9 << 20))}) for name in "abcd"])
    with closing(in_turn(packages, 3)) as turn:
        _, contents = next(turn)
        next(contents)
        assert len(threads()) == 3
    assert not threads()
