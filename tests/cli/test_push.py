"""`imagekit push` against a registry: what is asked, what is sent, in which order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bench as support
from tests.support.bench import Bench
from tests.support.registry import Registry


@pytest.fixture
def other() -> Iterator[Registry]:
    """Another registry, without base images."""
    with Registry() as registry:
        yield registry


def uploads(registry: Registry) -> list[str]:
    """The requests that sent or mounted a blob."""
    return [text for text in registry.seen("/blobs/") if not text.startswith(("HEAD", "GET"))]


def push(bench: Bench, *arguments: str) -> list[str]:
    """Push to one repository; the requests that it took."""
    bench.registry.requests.clear()
    bench.run("push", "--to", bench.repository(), *arguments).ok()
    return bench.registry.seen("/team/app/")


def test_blobs_then_manifests_then_tags_the_plain_one_last_of_all(bench):
    bench.spec()
    requests = push(bench, "-t", "v1")
    kinds = ["tag" if text.startswith("PUT /v2/team/app/manifests/v1") else
             "manifest" if text.startswith("PUT /v2/team/app/manifests/") else
             "blob" for text in requests if not text.startswith("HEAD")]  # fmt: skip
    assert kinds == sorted(kinds, key=["blob", "manifest", "tag"].index)
    *suffixed, plain = [text for text in requests if "/v1" in text and text.startswith("PUT")]
    assert sorted(suffixed) == [f"PUT /v2/team/app/manifests/v1-{name}" for name in ("arm64", "x86_64")]
    assert plain == "PUT /v2/team/app/manifests/v1"
    assert set(requests[:3]) == {f"HEAD /v2/team/app/manifests/v1{suffix}" for suffix in ("-x86_64", "-arm64", "")}, (
        "all tags are looked at before the first write"
    )
    held = bench.registry.repository("team/app")
    assert held.tags["v1-arm64"] == bench.index("v1")["manifests"][1]["digest"]


def test_one_architecture_has_the_plain_tag_only(bench):
    bench.spec()
    push(bench, "-t", "v1", "--platform", "arm64")
    held = bench.registry.repository("team/app")
    assert list(held.tags) == ["v1"]
    assert bench.index("v1")["mediaType"].endswith("image.manifest.v1+json")


def test_a_base_in_the_same_registry_is_mounted_and_never_moved(bench):
    bench.spec()
    requests = push(bench)
    base = set(support.base().blobs)
    for digest in base & bench.registry.repository("team/app").blobs:
        mount = f"POST /v2/team/app/blobs/uploads/?mount={digest.replace(':', '%3A')}&from=lambda%2Fprovided"
        assert [text for text in requests if digest[7:] in text and not text.startswith("HEAD")] == [mount]
    assert not [text for text in bench.registry.seen("GET /v2/lambda/provided/blobs") if "config" not in text][2:]


def test_a_base_named_without_a_tag_on_a_registry_with_a_port_is_mounted_too(bench):
    index = support.put(bench.registry, support.base(), "corp/base", "latest")
    for reference in ("corp/base", f"corp/base@{index}"):
        bench.spec(base=f"{bench.registry.host}/{reference}")
        bench.run("push", "--to", bench.repository(f"team/{len(reference)}")).ok()
        assert bench.registry.seen(f"POST /v2/team/{len(reference)}/.*from=corp%2Fbase")


def test_a_base_elsewhere_is_streamed_unchanged_and_each_blob_once(bench, other):
    bench.spec()
    bench.run("push", "--to", f"{other.host}/team/app").ok()
    base = support.base().blobs
    sent = set(base) & other.repository("team/app").blobs
    assert len(sent) == 5
    assert all(other.blobs[digest] == base[digest] for digest in sent)
    assert len([text for text in bench.registry.seen("GET .*/blobs/") if text[-71:] in sent]) == 5
    assert not [path for path in bench.folder.parent.rglob("*") if f"sha256:{path.name}" in sent], "no copy on disk"


def test_a_push_without_a_change_only_looks_at_the_tags(bench):
    bench.spec()
    push(bench, "-t", "v1", "-t", "v2")
    requests = push(bench, "-t", "v1", "-t", "v2")
    assert len(requests) <= 6
    assert all(text.startswith("HEAD /v2/team/app/manifests/v") for text in requests)
    assert bench.registry.seen("/lambda/provided/") == []


def test_a_new_tag_moves_no_blob(bench):
    bench.spec()
    push(bench, "-t", "v1")
    requests = push(bench, "-t", "v2")
    assert uploads(bench.registry) == []
    assert [text for text in requests if text.startswith("PUT")][-1] == "PUT /v2/team/app/manifests/v2"


def test_destinations_share_what_one_of_them_has(bench, other):
    bench.spec()
    names = [bench.repository(), bench.repository("team/copy"), f"{other.host}/team/app"]
    outcome = bench.run("push", "-t", "v1", *(f"--to={name}" for name in names)).ok()
    own = bench.registry.repository("team/app").blobs - set(support.base().blobs)
    assert len(own) == 3, "two configs and the bootstrap"
    for digest in own:
        mount = f"POST /v2/team/copy/blobs/uploads/?mount={digest.replace(':', '%3A')}&from=team%2Fapp"
        assert mount in bench.registry.seen("/team/copy/")
    assert not bench.registry.seen("PATCH /v2/team/copy/")
    assert other.repository("team/app").tags["v1"] == bench.registry.repository("team/copy").tags["v1"]
    assert [line.partition("@")[0] for line in outcome.lines] == [name for name in names for _ in range(3)]


def test_a_destination_named_twice_is_served_once(bench):
    bench.spec()
    outcome = bench.run("push", "--to", bench.repository(), "--to", bench.repository()).ok()
    assert len(outcome.lines) == 3
    assert len(bench.registry.seen("PUT /v2/team/app/manifests/latest$")) == 1


def test_an_immutable_tag_stays_and_is_named(bench):
    bench.spec()
    push(bench, "-t", "v1")
    bench.registry.immutable = True
    before = dict(bench.registry.repository("team/app").tags)
    bench.run("push", "--to", bench.repository(), "-t", "v1").ok()
    bench.write("bootstrap", "#!/bin/sh\nexit 1\n")
    outcome = bench.run("push", "--to", bench.repository(), "-t", "v1")
    assert outcome.code == 4
    assert outcome.error[0].startswith(f"error: {bench.repository()}:v1-x86_64 is immutable and names another image")
    assert outcome.error[1] == "  hint: push under another tag"
    assert bench.registry.repository("team/app").tags == before


def test_what_is_printed_and_said(bench):
    bench.spec(push={"to": [bench.repository()], "tags": ["{name}-1", "stable"]})
    outcome = bench.run("push").ok()
    held = bench.registry.repository("team/app")
    digests = [held.tags[f"app-1{suffix}"] for suffix in ("", "-x86_64", "-arm64")]
    assert outcome.lines == [f"{bench.repository()}@{digest}" for digest in digests]
    assert held.tags["stable"] == digests[0]
    assert outcome.err.splitlines()[-2:] == [
        f"ImageUri of a function for x86_64: {bench.repository()}@{digests[1]}",
        f"ImageUri of a function for arm64: {bench.repository()}@{digests[2]}",
    ]
    assert f"{bench.repository()} is up to date" in bench.run("push").ok().err
    quiet = bench.run("push", "--quiet", "--print", "arm64").ok()
    assert (quiet.out, quiet.err) == (f"{bench.repository()}@{digests[2]}\n", "")
    assert bench.run("push", "--json").ok().document == {
        "tags": ["app-1", "stable"],
        "digests": {"index": digests[0], "x86_64": digests[1], "arm64": digests[2]},
        "references": {bench.repository(): [f"{bench.repository()}@{digest}" for digest in digests]},
    }


def test_a_workflow_gets_outputs_and_a_summary(bench, tmp_path):
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        bench.patch.setenv(name, str(tmp_path / name))
    bench.patch.setenv("GITHUB_ACTIONS", "true")
    bench.spec()
    push(bench)
    held = bench.registry.repository("team/app").tags
    outputs = (tmp_path / "GITHUB_OUTPUT").read_text()
    for name, tag in (("index", "latest"), ("image-x86_64", "latest-x86_64"), ("image-arm64", "latest-arm64")):
        assert f"{name}<<" in outputs
        assert f"{bench.repository()}@{held[tag]}" in outputs
        assert f"| {name} | `{bench.repository()}@{held[tag]}` |" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()


def test_what_the_last_build_left_is_pushed_whatever_changed_since(bench):
    bench.spec()
    outcome = bench.run("push", "--no-build", "--to", bench.repository())
    assert (outcome.code, outcome.error) == (
        2,
        ["error: nothing is built in .imagekit/app", "  hint: run `imagekit build` first"],
    )
    digest = bench.run("build", "--json").ok().document["digests"]["index"]
    bench.write("bootstrap", "#!/bin/sh\nexit 1\n")
    push(bench, "--no-build")
    assert bench.registry.repository("team/app").tags["latest"] == digest
    outcome = bench.run("push", "--no-build", "--platform", "arm64", "--to", bench.repository())
    assert outcome.code == 2
    assert outcome.error[0] == "error: --no-build pushes what the last build left, which no other option can change"


def is_layer(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x1f\x8b")


def test_a_layer_that_was_lost_is_made_again(bench):
    bench.spec()
    bench.run("build").ok()
    (layer,) = [path for path in (bench.folder.parent / "cache").rglob("*") if path.is_file() and is_layer(path)]
    layer.chmod(0o600)
    layer.write_bytes(b"spoiled")
    push(bench)
    held = bench.registry.repository("team/app")
    for digest in held.blobs:
        assert support.digest(bench.registry.blobs[digest]) == digest


def test_the_tag_is_wrong_before_anything_is_built(bench):
    bench.spec()
    for arguments in (["-t", "a b"], ["--to", "x.com/y:tag"], ["--print", "mips"]):
        assert bench.run("push", "--to", bench.repository(), *arguments).code == 2
    assert bench.run("push").error[0] == "error: there is nowhere to push to"
    assert not bench.lock.exists()


def test_a_push_goes_to_the_registry_itself_and_never_to_its_mirror(bench, other):
    bench.spec()
    bench.patch.setenv("IMAGEKIT_MIRROR", f"public.ecr.aws={bench.registry.host},{other.host}={bench.registry.host}")
    bench.run("push", "--to", f"{other.host}/team/app").ok()
    assert other.repository("team/app").tags
    assert not bench.registry.seen("/team/app/")


@pytest.mark.parametrize("cut", [True, False])
def test_a_damaged_build_is_told_before_anything_is_sent_and_is_mended_by_a_build(bench, cut):
    bench.spec()
    bench.run("build").ok()
    blobs = sorted((bench.folder / ".imagekit/app/blobs/sha256").iterdir())
    assert len(blobs) == 6, "a layer, and for each platform a config and a manifest, and the index"
    for blob in blobs:
        data = blob.read_bytes()
        blob.unlink()
        if cut:
            blob.write_bytes(data[:-1])
        bench.registry.requests.clear()
        outcome = bench.run("push", "--no-build", "--to", bench.repository())
        assert (outcome.code, bench.registry.seen()) == (2, [])
        assert blob.name in outcome.error[0]
        if data.startswith(b"\x1f\x8b") or b'"rootfs"' in data:
            lost = "damaged" if cut else "missing"
            assert outcome.error == [
                f"error: the blob sha256:{blob.name} in .imagekit/app is {lost}",
                "  hint: run `imagekit build`, which makes what is missing",
            ]
        bench.run("build").ok()
        assert blob.read_bytes() == data
    push(bench, "--no-build")
