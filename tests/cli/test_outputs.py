"""Where `--output` may write: never over the build's own files, nor over what is no archive."""

from __future__ import annotations

import os

import pytest

from tests.support.bench import Bench


def refused(bench: Bench, *outputs: str) -> tuple[str, str]:
    """The message and the hint of a build that must not begin."""
    bench.registry.requests.clear()
    outcome = bench.run("build", *(word for output in outputs for word in ("--output", output)))
    assert (outcome.code, outcome.out) == (2, "")
    assert bench.registry.seen() == []
    message, hint = outcome.error
    return message, hint


@pytest.mark.parametrize("place", [".imagekit/app", ".imagekit", ".imagekit/app/below", ".imagekit/other", "link/app"])
@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
def test_what_imagekit_keeps_is_no_place_for_an_output(bench, kind, place):
    bench.spec()
    bench.run("build").ok()
    (bench.folder / "link").symlink_to(".imagekit")
    message, hint = refused(bench, f"{kind}:{place}")
    assert message == f"error: --output {kind}:{place}: .imagekit is where imagekit keeps what it builds"
    assert hint == "  hint: name a place outside of it"


def test_the_layout_is_refused_before_it_is_there(bench):
    bench.spec()
    refused(bench, "oci:.imagekit/app")
    assert not (bench.folder / ".imagekit").exists()


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
@pytest.mark.parametrize("name", ["runtime.yaml", "common.yaml", "runtime.lock", "link.yaml"])
def test_the_spec_its_sources_and_the_lock_are_not_overwritten(bench, kind, name):
    bench.write("common.yaml", "architectures: [x86_64]\n")
    bench.spec(extends="common.yaml")
    (bench.folder / "link.yaml").symlink_to("runtime.yaml")
    before = (bench.folder / "runtime.yaml").read_bytes()
    message, _ = refused(bench, "oci:fine", f"{kind}:{name}")
    assert message == f"error: --output {kind}:{name}: the image is built from this file"
    assert (bench.folder / "runtime.yaml").read_bytes() == before
    assert not (bench.folder / "fine").exists()


def test_only_a_file_that_is_an_archive_is_overwritten(bench):
    bench.spec()
    bench.write("main.go", "package main\n")
    (bench.folder / "folder").mkdir()
    os.mkfifo(bench.folder / "pipe")
    messages = [refused(bench, f"oci-archive:{name}")[0] for name in ("main.go", "folder", "pipe")]
    assert messages == [
        "error: main.go is there already and no tar archive; it is not overwritten",
        "error: folder is there already and no file",
        "error: pipe is there already and no file",
    ]
    assert (bench.folder / "main.go").read_text() == "package main\n"
    for _ in range(2):
        bench.run("build", "--output", "oci-archive:image.tar").ok()
    bench.run("inspect", "oci-archive:image.tar").ok()


def test_an_archive_goes_into_a_folder_that_is_there(bench):
    bench.spec()
    message, hint = refused(bench, "oci-archive:out/image.tar")
    assert message == "error: out is no folder: no archive can be written there"
    assert hint == "  hint: make it, or name another"
    assert not (bench.folder / "out").exists()


def test_stdout_is_for_references(bench):
    bench.spec()
    assert refused(bench, "oci-archive:-") == (
        "error: --output oci-archive:-: stdout is for references",
        "  hint: name a file, such as oci-archive:app.tar",
    )


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive", "oci"])
@pytest.mark.parametrize("place", ["image.tar", "below/image.tar"])
def test_an_image_is_never_part_of_the_next_one(bench, kind, place):
    (bench.folder / "below").mkdir()
    bench.write("app.php", "<?php")
    bench.spec(language="php", handler="app.handle", bootstrap=None, architectures=["arm64"])
    first = bench.run("build", "--output", f"{kind}:{place}").ok().out
    assert (bench.folder / place).exists()
    assert bench.run("build").ok().out == first
    assert bench.run("build", "--output", f"{kind}:{place}").ok().out == first
    bench.write("other.tar", b"a file of the user's")
    assert bench.run("build").ok().out != first


def test_a_damaged_list_of_archives_leaves_nothing_out(bench):
    bench.write("app.php", "<?php")
    bench.spec(language="php", handler="app.handle", bootstrap=None, architectures=["arm64"])
    first = bench.run("build", "--output", "oci-archive:image.tar").ok().out
    bench.write(".imagekit/archives", b"\xff\xfe")
    assert bench.run("build").ok().out != first
    assert bench.run("build", "--output", "oci-archive:image.tar").ok()
    assert bench.run("build").ok().out == first
