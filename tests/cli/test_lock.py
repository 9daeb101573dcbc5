"""`imagekit lock`, and what other commands do to the lock."""

from __future__ import annotations

import json
import os

import pytest

from imagekit import __version__
from tests.support import bench as support
from tests.support.bench import Bench
from tests.support.permissions import binding

HELLO, WORLD = support.base(), support.base("docker")
AMD = "x86_64"


def moved(bench: Bench, tag: str = "al2023") -> str:
    """The base's tag names another image from now on."""
    return support.put(bench.registry, WORLD, support.PROVIDED, tag)


def spoil(bench: Bench, **making: object) -> None:
    """The lock of another imagekit."""
    document = bench.locked
    document["imagekit"] = "0.0.9"
    document["making"].update(making)
    bench.lock.write_text(json.dumps(document))


def test_lock_writes_what_each_platform_resolved_to_and_prints_where(bench):
    bench.spec()
    outcome = bench.run("lock").ok()
    assert outcome.lines == ["runtime.lock"]
    assert outcome.err == "wrote runtime.lock\n"
    index = json.loads(HELLO.index)
    entries = {entry["platform"]["architecture"]: entry["digest"] for entry in index["manifests"]}
    for name, oci in ((AMD, "amd64"), ("arm64", "arm64")):
        manifest = json.loads(HELLO.manifests[entries[oci]])
        assert bench.locked["platforms"][name] == {
            "base": {
                "reference": "public.ecr.aws/lambda/provided:al2023",
                "index": support.put(bench.registry, HELLO, support.PROVIDED, "al2023"),
                "manifest": entries[oci],
                "config": manifest["config"]["digest"],
            }
        }
    assert bench.locked["imagekit"] == __version__


def test_build_writes_a_missing_lock_and_leaves_a_good_one_alone(bench):
    bench.spec()
    assert "wrote runtime.lock" in bench.run("build").ok().err
    before = bench.lock.read_bytes(), bench.lock.stat().st_ino
    assert "runtime.lock" not in bench.run("build").ok().err
    assert (bench.lock.read_bytes(), bench.lock.stat().st_ino) == before


def test_a_moved_tag_does_not_make_a_lock_stale(bench):
    bench.spec()
    bench.run("build").ok()
    before = bench.lock.read_bytes()
    moved(bench)
    for command in (("build",), ("build", "--locked"), ("lock",), ("lock", "--check"), ("plan", "--locked")):
        bench.run(*command).ok()
    assert bench.lock.read_bytes() == before


def test_a_stale_lock_is_renewed_with_the_least_change(bench):
    bench.spec(architectures=["x86_64"])
    bench.run("lock").ok()
    before = bench.locked["platforms"][AMD]
    moved(bench)
    bench.spec()
    outcome = bench.run("build").ok()
    assert "renewed runtime.lock: arm64 is not locked" in outcome.err
    after = bench.locked["platforms"]
    assert after[AMD] == before
    assert after["arm64"]["base"]["index"] == moved(bench)


def test_locked_fails_and_names_what_differs(bench):
    bench.spec()
    missing = bench.run("build", "--locked")
    assert (missing.code, missing.err.splitlines()[0]) == (1, "error: there is no runtime.lock")
    bench.run("lock").ok()
    before = bench.lock.read_bytes()
    bench.spec(os="al2")
    outcome = bench.run("build", "--locked")
    assert outcome.code == 1
    assert outcome.err.endswith(
        "error: runtime.lock does not fit: "
        "x86_64: the base is public.ecr.aws/lambda/provided:al2, locked is public.ecr.aws/lambda/provided:al2023; "
        "arm64: the base is public.ecr.aws/lambda/provided:al2, locked is public.ecr.aws/lambda/provided:al2023\n"
        "  hint: run `imagekit lock`, look at the difference, and commit it\n"
    )
    assert bench.lock.read_bytes() == before
    assert not (bench.folder / ".imagekit").exists()


def test_check_writes_nothing(bench):
    bench.spec()
    assert bench.run("lock", "--check").code == 1
    assert not bench.lock.exists()
    bench.run("lock").ok()
    assert bench.run("lock", "--check").ok().lines == ["runtime.lock"]
    assert bench.run("lock", "--check", "--upgrade").code == 2


def test_a_lock_behind_a_symlink_is_written_where_it_leads(bench):
    bench.spec()
    (bench.folder / "locks").mkdir()
    bench.lock.symlink_to("locks/own.lock")
    bench.run("lock").ok()
    assert bench.lock.is_symlink()
    assert json.loads((bench.folder / "locks" / "own.lock").read_bytes())["platforms"]
    assert bench.run("lock", "--check").ok().lines == ["runtime.lock"]
    bench.lock.unlink()
    bench.lock.symlink_to("runtime.lock")
    outcome = bench.run("lock")
    assert (outcome.code, "runtime.lock" in outcome.err) == (2, True), outcome.err


def test_an_override_that_changes_the_request_makes_the_lock_stale(bench):
    bench.spec()
    bench.run("lock").ok()
    assert bench.run("lock", "--check", "--set", "os=al2").code == 1
    assert bench.run("lock", "--check", "--set", "name=other").code == 0


def test_frozen_takes_the_lock_as_it_is(bench):
    bench.spec()
    bench.run("lock").ok()
    before = bench.lock.read_bytes()
    moved(bench)
    bench.spec(base="public.ecr.aws/lambda/provided:al2")
    bench.run("build", "--frozen").ok()
    assert bench.lock.read_bytes() == before
    layers = bench.run("inspect", "oci:.imagekit/app", "--json").ok().document["platforms"][0]["layers"]
    first = json.loads(next(iter(HELLO.manifests.values())))["layers"][0]["digest"]
    assert layers[0]["digest"] == first


def test_frozen_without_a_lock_or_with_half_of_one_says_so(bench):
    bench.spec()
    outcome = bench.run("build", "--frozen")
    assert (outcome.code, outcome.err) == (
        1,
        "error: there is no runtime.lock, and --frozen resolves nothing\n"
        "  hint: run `imagekit lock`, look at the difference, and commit it\n",
    )
    bench.spec(architectures=["arm64"])
    bench.run("lock").ok()
    bench.spec(build="touch ran")
    assert bench.run("build", "--frozen").error[0] == "error: the lock has nothing for x86_64"
    assert not (bench.folder / "ran").exists()
    bench.spec(
        archives=[{"source": "https://example.com/a.tar", "target": "/opt"}],
        files=[{"image": "corp/tool:1", "source": "/tool", "target": "/opt"}],
    )
    outcome = bench.run("build", "--frozen", "--platform", "arm64")
    assert outcome.code == 1
    assert "the image corp/tool:1 is not locked" in outcome.err
    assert "the archive https://example.com/a.tar is not locked" in outcome.err
    bench.spec(os="scratch")
    assert "arm64: a base is locked" in bench.run("build", "--frozen").err


@pytest.mark.parametrize(
    ("making", "words"),
    [
        ({"codec": "gzip/zlib-ng-9.9.9/level-6/block-1MiB"}, "the lock's layers are compressed by gzip/zlib-ng-9.9.9"),
        ({"layer_format": 99}, "the lock is for layer format 99, this imagekit writes 2"),
        ({"generated": {"worker": "sha256:00"}}, "this imagekit would put another version of the worker"),
    ],
)
def test_frozen_names_the_imagekit_to_install_when_it_cannot_do_the_same(bench, making, words):
    bench.spec()
    bench.run("lock").ok()
    spoil(bench, **making)
    before = bench.lock.read_bytes()
    outcome = bench.run("build", "--frozen")
    assert outcome.code == 1
    assert f"runtime.lock cannot be met by imagekit {__version__}: {words}" in outcome.err
    assert "hint: install imagekit 0.0.9, which wrote it, or run `imagekit lock`" in outcome.err
    assert bench.run("build", "--locked").code == 1
    assert bench.lock.read_bytes() == before
    bench.run("build").ok()
    assert bench.locked["imagekit"] == __version__
    bench.run("build", "--frozen").ok()


def test_upgrade_takes_over_what_moved_and_writes_nothing_when_nothing_did(bench):
    bench.spec()
    bench.patch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    bench.run("lock").ok()
    before = bench.lock.read_bytes()
    bench.patch.setenv("SOURCE_DATE_EPOCH", "1100000000")
    bench.run("lock", "--upgrade").ok()
    assert bench.lock.read_bytes() == before
    new = moved(bench)
    bench.run("lock", "--upgrade").ok()
    assert bench.locked["platforms"][AMD]["base"]["index"] == new
    assert bench.locked["created"] == "2004-11-09T11:33:20Z"


def test_the_time_is_read_when_a_lock_is_made_and_never_again(bench):
    bench.spec()
    bench.patch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    first = bench.run("build").ok()
    assert bench.locked["created"] == "2001-09-09T01:46:40Z"
    for later in ("1100000000", "not a number"):
        bench.patch.setenv("SOURCE_DATE_EPOCH", later)
        assert bench.run("build").ok().out == first.out
        assert bench.run("build", "--frozen").ok().out == first.out
    bench.lock.unlink()
    outcome = bench.run("lock")
    assert (outcome.code, outcome.err) == (
        2,
        "error: SOURCE_DATE_EPOCH is 'not a number', not a number of seconds since 1970\n"
        "  hint: set it with `export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)`, or unset it\n",
    )
    assert not bench.lock.exists()


def test_a_compression_is_recorded_and_kept(bench):
    bench.spec()
    fast = bench.run("build", "--compression", "fast").ok()
    assert "/level-2/" in bench.locked["making"]["codec"]
    assert bench.run("build").ok().out == fast.out
    assert bench.run("lock", "--check", "--compression", "fast").code == 0
    outcome = bench.run("build", "--locked", "--compression", "default")
    assert outcome.code == 1
    assert "compressed by gzip/zlib-ng-1.1.0/level-2/block-1MiB, this run's would be by gzip/zlib-ng" in outcome.err
    outcome = bench.run("build", "--frozen", "--compression", "default")
    assert outcome.code == 2
    assert "--frozen builds as runtime.lock says, by gzip/zlib-ng-1.1.0/level-2/block-1MiB" in outcome.err
    assert bench.run("build", "--compression", "default").ok().out != fast.out
    assert "/level-6/" in bench.locked["making"]["codec"]


def test_what_is_said_of_one_build_does_not_change_the_lock(bench):
    bench.spec()
    bench.run("lock").ok()
    before = bench.lock.read_bytes()
    bench.run("build", "--platform", "arm64", "--label", "team=x", "-t", "v1", "--set", "name=other").ok()
    bench.run("build", "--push", "--to", bench.repository()).ok()
    assert bench.lock.read_bytes() == before


def test_a_platform_alone_still_locks_all_of_them(bench):
    bench.spec()
    bench.run("build", "--platform", "arm64").ok()
    assert sorted(bench.locked["platforms"]) == ["arm64", AMD]


def test_a_mirror_is_nowhere_in_what_is_made(bench):
    bench.spec()
    bench.run("build", "--output", "oci:out").ok()
    texts = [path.read_bytes() for path in bench.folder.rglob("*") if path.is_file()]
    assert bench.registry.seen("/v2/lambda/provided/")
    assert not [text for text in texts if bench.registry.host.encode() in text]


def test_offline_works_from_the_cache_and_asks_nobody(bench):
    bench.spec()
    first = bench.run("build").ok()
    bench.registry.requests.clear()
    assert bench.run("build", "--offline").ok().out == first.out
    assert bench.run("plan", "--offline").code == 0
    assert bench.run("outdated", "--offline").code == 4
    bench.lock.unlink()
    outcome = bench.run("build", "--offline")
    assert (outcome.code, outcome.err) == (
        4,
        "error: public.ecr.aws/lambda/provided:al2023: al2023 of public.ecr.aws/lambda/provided is not in the cache, "
        "and --offline forbids the network\n  hint: run the command once without --offline\n",
    )
    outcome = bench.run("build", "--offline", "--push", "--to", bench.repository())
    assert (outcome.code, outcome.err) == (
        2,
        "error: a push needs the network, and --offline forbids it\n  hint: leave one of them out\n",
    )
    assert bench.run("push", "--offline", "--to", bench.repository()).code == 2
    assert bench.registry.seen() == []


def test_several_specs_get_a_lock_each(bench):
    bench.spec("one.yaml")
    bench.spec("two/runtime.yaml", os="al2")
    outcome = bench.run("lock", "one.yaml", "two").ok()
    assert outcome.lines == ["one.lock", "two/runtime.lock"]
    assert "provided:al2023" in (bench.folder / "one.lock").read_text()
    assert "provided:al2" in (bench.folder / "two/runtime.lock").read_text()


def test_a_lock_that_cannot_be_read_is_not_replaced(bench):
    bench.spec()
    bench.write("runtime.lock", "no lock\n")
    for command in ("build", "lock", "plan", "outdated"):
        outcome = bench.run(command)
        assert outcome.code == 2
        assert outcome.err.startswith("error: runtime.lock: not a lock that can be read: it is not JSON")
        assert "hint: restore the committed file, or delete it and run `imagekit lock`" in outcome.err
    assert bench.lock.read_text() == "no lock\n"


def test_a_folder_that_cannot_be_written_is_named(bench):
    bench.spec()
    bench.folder.chmod(0o555)
    with binding():
        outcome = bench.run("lock")
    bench.folder.chmod(0o755)
    assert outcome.code == 5
    assert "runtime.lock cannot be written: Permission denied" in outcome.err


def test_a_lock_that_is_no_file_is_refused_at_once(bench):
    bench.spec()
    os.mkfifo(bench.lock)
    outcome = bench.run("build")
    assert (outcome.code, outcome.err) == (
        2,
        "error: runtime.lock: it is not a regular file\n  hint: make the lock readable\n",
    )
