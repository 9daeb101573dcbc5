"""Targets are resolved through the base's symlinks."""

import pytest

from imagekit.errors import BuildFailed
from imagekit.rootfs.base_layout import BaseLayout, Directory
from imagekit.rootfs.entry import Entry, Kind

LAYOUT = BaseLayout(
    directories={"usr": Directory(), "usr/lib64": Directory(mode=0o555)},
    symlinks={
        "lib64": "usr/lib64",
        "var/run": "../run",
        "etc/ssl": "/etc/pki",
        "deep": "/etc/ssl/certs",
        "up": "../../../usr",
        "loop": "loop2",
        "loop2": "/loop",
    },
)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("lib64/x.so", "usr/lib64/x.so"),
        ("var/run/lock/x", "run/lock/x"),
        ("etc/ssl/cert.pem", "etc/pki/cert.pem"),
        ("deep/a", "etc/pki/certs/a"),
        ("up/bin/x", "usr/bin/x"),
        ("opt/x", "opt/x"),
        ("x", "x"),
        ("lib64", "lib64"),
    ],
)
def test_the_parents_of_a_target_are_resolved_and_its_own_name_is_kept(path, place):
    assert LAYOUT.place_of(path) == place


def test_a_directory_is_resolved_with_its_last_name():
    assert LAYOUT.resolved("lib64") == "usr/lib64"


def test_a_loop_of_symlinks_is_an_error():
    with pytest.raises(BuildFailed, match="go in a circle"):
        LAYOUT.place_of("loop/x")


def test_a_chain_longer_than_linux_follows_is_an_error():
    chain = {f"l{number}": f"l{number + 1}" for number in range(41)}
    with pytest.raises(BuildFailed, match="go in a circle"):
        BaseLayout(symlinks=chain).resolved("l0")
    del chain["l40"]
    assert BaseLayout(symlinks=chain).resolved("l0") == "l40"


def test_a_layer_on_top_brings_its_directories_symlinks_and_files():
    top = LAYOUT.plus(
        [
            Entry(path="opt/app/v1", kind=Kind.DIRECTORY, mode=0o755),
            Entry(path="opt/app/current", kind=Kind.SYMLINK, target="v1"),
            Entry(path="lib64/new.so"),
            Entry(path="loop"),
        ]
    )
    assert top.resolved("opt/app/current/x") == "opt/app/v1/x"
    assert top.files == {"usr/lib64/new.so", "loop"}
    assert "loop" not in top.symlinks


def test_the_digest_names_the_content_not_the_order():
    one = BaseLayout(directories={"a": Directory(), "b": Directory()}, files=frozenset({"x", "y"}))
    other = BaseLayout(directories={"b": Directory(), "a": Directory()}, files=frozenset({"y", "x"}))
    assert one.digest == other.digest
    assert one.digest != BaseLayout(directories={"a": Directory(mode=0o700), "b": Directory()}).digest
