"""`imagekit outdated`: what a new lock would change."""

from __future__ import annotations

import hashlib

from tests.support import bench as support

OLD = support.base()
NEW = support.base("docker")
REFERENCE = "public.ecr.aws/lambda/provided:al2023"


def test_nothing_is_outdated_right_after_a_lock(bench):
    bench.spec()
    bench.run("lock").ok()
    outcome = bench.run("outdated", "--exit-code").ok()
    assert (outcome.out, outcome.err) == ("", "nothing is outdated\n")
    assert bench.run("outdated", "--json").ok().document == []


def test_a_moved_tag_is_listed_for_each_platform_and_nothing_is_written(bench):
    bench.spec()
    bench.run("lock").ok()
    before = bench.lock.read_bytes()
    old = support.put(bench.registry, OLD, support.PROVIDED, "al2023")
    new = support.put(bench.registry, NEW, support.PROVIDED, "al2023")
    outcome = bench.run("outdated").ok()
    assert outcome.lines == [f"runtime.yaml: {name} {REFERENCE}: {old} → {new}" for name in ("x86_64", "arm64")]
    outcome = bench.run("outdated", "--exit-code", "--json")
    assert (outcome.code, outcome.error) == (
        1,
        ["error: 2 locked inputs are outdated", "  hint: `imagekit lock --upgrade` takes over what is there now"],
    )
    assert outcome.document[0] == {
        "spec": "runtime.yaml",
        "architecture": "x86_64",
        "name": REFERENCE,
        "locked": old,
        "now": new,
    }
    assert bench.lock.read_bytes() == before
    bench.run("lock", "--upgrade").ok()
    bench.run("outdated", "--exit-code").ok()


def test_an_archive_with_other_bytes_is_listed(bench):
    url = f"http://{bench.registry.host}/tool.tar"
    bench.registry.files["/tool.tar"] = b"one"
    bench.spec(architectures=["arm64"], archives=[{"source": url, "target": "/opt"}])
    bench.run("lock").ok()
    bench.registry.files["/tool.tar"] = b"two"
    one, two = (f"sha256:{hashlib.sha256(data).hexdigest()}" for data in (b"one", b"two"))
    outcome = bench.run("outdated", "--exit-code")
    assert outcome.lines == [f"runtime.yaml: arm64 {url}: {one} → {two}"]
    assert outcome.error[0] == "error: a locked input is outdated"


def test_without_a_lock_there_is_nothing_to_compare(bench):
    bench.spec()
    outcome = bench.run("outdated")
    assert (outcome.code, outcome.error) == (
        1,
        ["error: runtime.yaml has no lock", "  hint: `imagekit lock` writes one"],
    )
    assert not bench.lock.exists()
