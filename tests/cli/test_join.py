"""`imagekit build --by-digest` and `imagekit join`: two machines, one index."""

from __future__ import annotations

import json

from tests.support.bench import SPEC, Bench


def part(bench: Bench, platform: str, *arguments: str, to: str = "") -> str:
    """What a job for one platform prints."""
    ran = bench.run(
        "build", "--push", "--by-digest", "--to", to or bench.repository(), "--platform", platform, *arguments
    )
    (line,) = ran.ok().lines
    return line


def parts(bench: Bench) -> list[str]:
    return [part(bench, platform) for platform in ("arm64", "x86_64")]


def test_the_index_is_the_one_that_a_single_machine_makes(bench):
    bench.spec()
    whole = bench.run("build", "--push", "--to", bench.repository("team/whole"), "-t", "v1").ok()
    found = parts(bench)
    assert not bench.registry.repository("team/app").tags, "a part has no tag"
    joined = bench.run("join", ".", *found, "--to", bench.repository(), "-t", "v1").ok()
    assert joined.out == whole.out.replace("team/whole", "team/app")
    assert bench.registry.repository("team/app").tags == bench.registry.repository("team/whole").tags


def test_it_goes_to_where_the_images_are_when_nobody_says_where(bench):
    bench.spec()
    found = parts(bench)
    assert bench.run("join", ".", *found).ok().lines[0].startswith(f"{bench.repository()}@")
    assert sorted(bench.registry.repository("team/app").tags) == ["latest", "latest-arm64", "latest-x86_64"]


def test_another_repository_of_the_registry_mounts_the_blobs(bench):
    bench.spec()
    found = parts(bench)
    bench.run("join", ".", *found, "--to", bench.repository("team/other")).ok()
    assert not [text for text in bench.registry.seen("/team/other/blobs/") if text.startswith(("PUT", "PATCH"))]
    assert bench.registry.repository("team/other").blobs == bench.registry.repository("team/app").blobs


def test_a_spec_for_one_platform_is_named_too(bench):
    bench.spec(architectures=["arm64"])
    (line,) = bench.run("join", ".", part(bench, "arm64"), "-t", "v2").ok().lines
    assert bench.registry.repository("team/app").tags == {"v2": line.partition("@")[2]}


def test_a_second_time_nothing_is_sent(bench):
    bench.spec()
    found = parts(bench)
    bench.run("join", ".", *found).ok()
    bench.registry.requests.clear()
    assert "is up to date" in bench.run("join", ".", *found).ok().err
    assert {text.partition(" ")[0] for text in bench.registry.seen("/team/app/")} <= {"GET", "HEAD"}


def test_a_platform_that_was_pushed_by_digest_is_not_pushed_again(bench):
    bench.spec()
    part(bench, "arm64")
    bench.registry.requests.clear()
    part(bench, "arm64")
    assert {text.partition(" ")[0] for text in bench.registry.seen("/team/app/")} <= {"GET", "HEAD"}


def test_one_image_named_twice_is_one_image(bench):
    bench.spec()
    found = parts(bench)
    bench.run("join", ".", *found, found[0]).ok()


def test_wrong_parts_are_told_and_no_tag_is_written(bench):
    bench.spec()
    arm, x86 = parts(bench)
    bench.write("bootstrap", b"#!/bin/sh\nexit 1\n")
    newer = part(bench, "arm64")
    ran = bench.run("join", ".", arm, newer, x86)
    assert (ran.code, ran.error) == (2, [
        f"error: two images are for arm64: {arm} and {newer}",
        "  hint: leave the one out that an earlier build made",
    ])  # fmt: skip
    ran = bench.run("join", ".", arm)
    assert (ran.code, ran.error[0]) == (2, "error: there is no image for x86_64, which the spec is for too")
    assert not bench.registry.repository("team/app").tags


def test_an_index_stands_for_its_images(bench):
    bench.spec()
    index = bench.run("build", "--push", "--by-digest", "--to", bench.repository()).ok().lines[0]
    assert bench.run("join", ".", index, "-t", "v2").ok().lines[0] == index


def test_a_tag_is_no_part(bench):
    bench.spec()
    bench.write("left/tag", f"{bench.repository()}:v1-arm64\n")
    ran = bench.run("join", ".", "--references", "left")
    assert (ran.code, "does not say which image for ever" in ran.error[0]) == (2, True)


def test_an_image_of_another_spec_is_refused(bench):
    bench.spec()
    arm, x86 = parts(bench)
    bench.spec(name="other")
    ran = bench.run("join", ".", arm, x86)
    assert (ran.code, ran.error[0]) == (2, f"error: {arm} is the image of app, not of other")


def test_an_image_on_another_base_is_refused(bench):
    bench.spec(os="al2")
    arm = part(bench, "arm64")
    bench.spec()
    x86 = part(bench, "x86_64")
    ran = bench.run("join", ".", arm, x86)
    assert ran.code == 2
    assert ran.error[0].startswith(f"error: {arm} is built on public.ecr.aws/lambda/provided:al2, and the spec on ")


def test_images_of_another_lock_than_the_specs_are_refused(bench, monkeypatch):
    bench.spec()
    found = parts(bench)
    (bench.folder / "runtime.lock").unlink()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    bench.run("lock").ok()
    ran = bench.run("join", ".", *found)
    assert ran.code == 2
    assert "and the spec's is of 2001-09-09" in ran.error[0]


def test_two_specs_do_not_take_one_tag(bench):
    found = []
    for name in ("one", "two"):
        bench.write(f"{name}/runtime.yaml", json.dumps({**SPEC, "name": name, "architectures": ["arm64"]}))
        bench.write(f"{name}/bootstrap", b"#!/bin/sh\nexit 0\n", mode=0o755)
        to = bench.repository(name)
        found += bench.run("build", name, "--push", "--by-digest", "--to", to).ok().lines
    ran = bench.run("join", "one", "two", *found, "--to", bench.repository())
    assert ran.code == 2
    assert "one/runtime.yaml was pushed as" in ran.err
    assert "hint: write {name}" in ran.err


def test_references_may_lie_in_folders_of_their_own(bench):
    bench.spec()
    for platform in ("arm64", "x86_64"):
        bench.write(f"left/{platform}/references", f"\n{part(bench, platform)}\n\n")
    bench.run("join", "--references", "left").ok()


def test_an_image_without_a_digest_is_told(bench):
    bench.spec()
    ran = bench.run("join", ".", f"{bench.repository()}:v1")
    assert (ran.code, "an image is named by its digest" in ran.error[0]) == (2, True)


def test_images_of_two_locks_are_refused(bench, monkeypatch):
    bench.spec()
    arm = part(bench, "arm64")
    (bench.folder / "runtime.lock").unlink()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    x86 = part(bench, "x86_64")
    ran = bench.run("join", ".", arm, x86)
    assert ran.code == 2
    assert "were built from different locks" in ran.error[0]


def test_an_image_that_is_not_there_is_told(bench):
    bench.spec()
    ran = bench.run("join", ".", f"{bench.repository()}@sha256:{'0' * 64}")
    assert ran.code == 4
    assert "0000" in ran.error[0]


def test_by_digest_wants_a_push(bench):
    bench.spec()
    ran = bench.run("build", "--by-digest")
    assert (ran.code, ran.error[0]) == (2, "error: --by-digest without --push")


def test_many_specs_find_their_images_among_what_jobs_left(bench):
    for name in ("one", "two"):
        bench.write(f"{name}/runtime.yaml", json.dumps({**SPEC, "name": name}))
        bench.write(f"{name}/bootstrap", b"#!/bin/sh\nexit 0\n", mode=0o755)
    to = bench.repository("team/{name}")
    whole = bench.run("push", "one", "two", "--to", bench.repository("whole/{name}"), "-t", "v1").ok()
    for platform in ("x86_64", "arm64"):
        printed = bench.run("build", "one", "two", "--push", "--by-digest", "--to", to, "--platform", platform).ok()
        bench.write(f"left/{platform}", printed.out)
    joined = bench.run("join", "one", "two", "--references", "left", "-t", "v1").ok()
    assert joined.out == whole.out.replace("whole/", "team/")
    assert sorted(bench.registry.repository("team/two").tags) == ["v1", "v1-arm64", "v1-x86_64"]


def test_a_job_that_left_nothing_fails_its_spec_alone(bench):
    for name in ("one", "two"):
        bench.write(f"{name}/runtime.yaml", json.dumps({**SPEC, "name": name}))
        bench.write(f"{name}/bootstrap", b"#!/bin/sh\nexit 0\n", mode=0o755)
    to = bench.repository("team/{name}")
    bench.write("left/a", bench.run("build", "one", "--push", "--by-digest", "--to", to).ok().out)
    bench.write(
        "left/b", bench.run("build", "two", "--push", "--by-digest", "--to", to, "--platform", "arm64").ok().out
    )
    ran = bench.run("join", "one", "two", "--references", "left")
    assert ran.code == 2
    assert "error: there is no image for x86_64, which the spec is for too" in ran.err
    assert bench.registry.repository("team/one").tags
    assert not bench.registry.repository("team/two").tags


def test_nothing_to_join_is_told(bench):
    bench.spec()
    bench.write("left/empty", "")
    for arguments in ((), ("--references", "left")):
        ran = bench.run("join", ".", *arguments)
        assert (ran.code, ran.error[0]) == (2, "error: no image is named")
    ran = bench.run("join", ".", "--references", "nowhere")
    assert (ran.code, ran.error[0]) == (2, "error: nowhere cannot be read: No such file or directory")
    bench.write("left/garbage", b"\xff\x00 \x1b[31m")
    ran = bench.run("join", ".", "--references", "left")
    assert (ran.code, ran.error[0].startswith("error: left/garbage, line 1: not an image reference")) == (2, True)
