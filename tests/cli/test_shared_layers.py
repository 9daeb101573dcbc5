"""`--cache-from` and `--cache-to`: a machine that has nothing takes the layers that another one made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping

import pytest

from tests.cli.test_archives import archive
from tests.support import bench as support
from tests.support.bench import Bench, Outcome
from tests.support.packages.bench import TRUSTED

CACHE = "team/cache"


@pytest.fixture
def warm(bench: Bench) -> Bench:
    """A spec with an archive, built once, its layers kept in a repository; this machine has forgotten all of it."""
    for name in ("x86_64", "aarch64"):
        bench.registry.files[f"/mirror/tool-{name}.tar.gz"] = archive(name)
    mirrors = f"{support.PUBLIC}={bench.registry.host},downloads.example.com={bench.registry.host}/mirror"
    bench.patch.setenv("IMAGEKIT_MIRROR", mirrors)
    source = "https://downloads.example.com/tool-{rpm_arch}.tar.gz"
    bench.spec(archives=[{"source": source, "target": "/opt/tool", "strip": 1}])
    build(bench, "--cache-to", bench.repository(CACHE))
    forget(bench)
    return bench


def build(bench: Bench, *arguments: str) -> Outcome:
    return bench.run("build", *arguments).ok()


def forget(bench: Bench) -> None:
    """What a new machine with the same checkout does not have."""
    shutil.rmtree(bench.folder / ".imagekit")
    shutil.rmtree(bench.run("cache", "folder").ok().lines[0])
    bench.registry.requests.clear()


def cached(bench: Bench) -> Mapping[str, str]:
    """The tags of the repository of layers."""
    return bench.registry.repository(CACHE).tags


def change(bench: Bench, changes: Mapping[str, object]) -> None:
    """Change what each tag of the cache names: fields of its manifest, and annotations, which have dots."""
    held = bench.registry.repository(CACHE)
    for tag, digest in list(held.tags.items()):
        document = json.loads(held.manifests[digest][1])
        for key, value in changes.items():
            (document["annotations"] if "." in key else document)[key] = value
        bench.registry.add_manifest(CACHE, json.dumps(document).encode(), document["mediaType"], tag)


def test_a_new_machine_makes_no_layer_and_reads_no_archive(warm):
    here = build(warm, "--cache-from", warm.repository(CACHE))
    assert warm.registry.seen("/mirror/") == []
    assert not warm.registry.seen(f"GET /v2/{CACHE}/blobs/"), "no layer is read to be used"
    forget(warm)
    assert build(warm).out == here.out


def test_a_push_mounts_what_the_cache_has(warm):
    ran = warm.run("push", "--to", warm.repository(), "--cache-from", warm.repository(CACHE)).ok()
    assert len(warm.registry.seen("POST /v2/team/app/blobs/uploads/.*from=team%2Fcache")) >= 3
    assert warm.registry.seen("/mirror/") == []
    forget(warm)
    assert warm.run("push", "--to", warm.repository("team/other")).ok().out == ran.out.replace("team/app", "team/other")


def test_what_was_built_so_is_pushed_later_and_written_whole(warm, tmp_path):
    built = build(warm, "--cache-from", warm.repository(CACHE), "--output", f"oci:{tmp_path}/out")
    digest = built.lines[0].partition("@")[2]
    assert warm.run("inspect", f"oci:{tmp_path}/out", "--json").ok().document["digest"] == digest
    warm.run("push", "--no-build", "--to", warm.repository()).ok()
    assert warm.registry.repository("team/app").tags["latest"] == digest


def test_a_second_keeping_sends_nothing(warm):
    build(warm, "--cache-from", warm.repository(CACHE), "--cache-to", warm.repository(CACHE))
    assert {text.partition(" ")[0] for text in warm.registry.seen(f"/v2/{CACHE}/")} == {"GET", "HEAD"}


def test_layers_go_from_one_cache_to_another(warm):
    build(warm, "--cache-from", warm.repository(CACHE), "--cache-to", warm.repository("team/second"))
    assert warm.registry.repository("team/second").tags == cached(warm)
    assert warm.registry.seen("/mirror/") == []


def test_a_changed_file_makes_its_own_layer_alone(warm):
    warm.write("bootstrap", b"#!/bin/sh\nexit 7\n", mode=0o755)
    before = dict(cached(warm))
    build(warm, "--cache-from", warm.repository(CACHE), "--cache-to", warm.repository(CACHE))
    assert warm.registry.seen("/mirror/") == []
    assert len(cached(warm)) == len(before) + 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"artifactType": "application/vnd.example"}, "it is no layer of imagekit"),
        ({"dev.imagekit.layer.key": f"sha256:{'0' * 64}"}, "it is of another key or codec"),
        ({"dev.imagekit.layer.codec": "gzip/other"}, "it is of another key or codec"),
        ({"dev.imagekit.layer.diff-id": "no"}, "not a sha256 digest"),
        ({"layers": []}, "it does not have one layer"),
        ({"layers": 7}, "the manifest is not of schema version 2 with layers"),
    ],
)
def test_an_artifact_that_does_not_fit_is_told_and_built_anew(warm, changes, told):
    change(warm, changes)
    ran = build(warm, "--cache-from", warm.repository(CACHE))
    assert told in ran.err
    assert warm.registry.seen("/mirror/") != []
    forget(warm)
    assert build(warm).out == ran.out


def test_a_layer_whose_blob_was_cleared_away_is_built_anew(warm):
    warm.registry.repository(CACHE).blobs.clear()
    build(warm, "--cache-from", warm.repository(CACHE))
    assert warm.registry.seen("/mirror/") != []


def test_other_bytes_than_the_digest_says_are_no_image(warm, tmp_path):
    for digest in warm.registry.repository(CACHE).blobs:
        warm.registry.blobs[digest] = bytes(reversed(warm.registry.blobs[digest]))
    ran = warm.run("build", "--cache-from", warm.repository(CACHE), "--output", f"oci:{tmp_path}/out")
    assert ran.code == 4
    assert f"in the cache {warm.repository(CACHE)}: " in ran.error[0]
    assert "build again without --cache-from" in ran.error[1]
    assert not (tmp_path / "out/index.json").exists()


def test_a_layer_that_is_gone_when_it_is_pushed_is_told(warm):
    build(warm, "--cache-from", warm.repository(CACHE))
    warm.registry.repository(CACHE).blobs.clear()
    ran = warm.run("push", "--no-build", "--to", warm.repository())
    assert ran.code == 4
    assert f"in the cache {warm.repository(CACHE)}: " in ran.error[0]
    assert "build again without --cache-from" in ran.error[1]


def test_a_cache_that_does_not_answer_is_told_once_and_left_alone(warm):
    ran = build(warm, "--cache-from", "127.0.0.1:9/cache", "--cache-to", "127.0.0.1:9/cache")
    assert ran.err.count("the cache 127.0.0.1:9/cache is not used any more") == 1


def test_a_cache_is_a_repository(bench):
    bench.spec()
    ran = bench.run("build", "--cache-from", f"{bench.repository(CACHE)}:v1")
    assert (ran.code, ran.error[0]) == (2, f"error: {bench.repository(CACHE)}:v1: more than a repository")


def test_names_in_packages_come_with_their_layer(amazon: Bench):
    amazon.spec(packages=["jq"], repositories=TRUSTED)
    build(amazon, "--cache-to", amazon.repository(CACHE))
    amazon.write("bootstrap", b"#!/bin/sh\nexit 7\n", mode=0o755)
    whole = build(amazon).out
    forget(amazon)
    ran = build(amazon, "--cache-from", amazon.repository(CACHE))
    assert ran.out == whole
    assert not amazon.registry.seen(r"\.rpm"), "no package is fetched"
