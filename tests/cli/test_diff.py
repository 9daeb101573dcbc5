"""`imagekit diff`: two images, what their documents and their files say."""

from __future__ import annotations

import json

from tests.support.bench import Bench


def built(bench: Bench, tag: str, **changes: object) -> str:
    """An image under a tag; its name."""
    bench.spec(**changes)
    bench.run("push", "--to", bench.repository(), "-t", tag).ok()
    return f"{bench.repository()}:{tag}"


FILES = [{"source": "src", "target": "/var/task"}]


def test_the_same_image_is_no_difference(bench):
    one = built(bench, "v1")
    ran = bench.run("diff", one, built(bench, "v2"), "--files")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert bench.run("diff", one, one, "--format", "markdown").ok().out == "The images are the same.\n"
    assert bench.run("diff", one, one, "--format", "json").ok().document == []


def test_variables_labels_command_and_layers(bench):
    one = built(bench, "v1", environment={"A": "1", "B": "2"}, labels={"team": "a"})
    other = built(bench, "v2", environment={"A": "1", "C": "3"}, labels={"team": "b"}, handler="x.y", files=FILES[:0])
    ran = bench.run("diff", one, other, "--platform", "arm64")
    assert ran.code == 1
    assert [line for line in ran.lines if ": layer " not in line] == [
        "arm64: variable B: 2 → -",
        "arm64: variable C: - → 3",
        "arm64: command: bootstrap → x.y",
        "arm64: label team: a → b",
    ]
    rows = bench.run("diff", one, other, "--format", "json").document
    assert {row["platform"] for row in rows} == {"x86_64", "arm64"}


def test_files_one_by_one(bench):
    bench.write("src/same", b"1")
    bench.write("src/content", b"1")
    bench.write("src/size", b"1")
    bench.write("src/mode", b"1")
    bench.write("src/gone", b"1")
    (bench.folder / "src/link").symlink_to("same")
    one = built(bench, "v1", files=FILES)
    bench.write("src/content", b"2")
    bench.write("src/size", b"22")
    (bench.folder / "src/mode").chmod(0o755)
    (bench.folder / "src/gone").unlink()
    bench.write("src/new", b"1")
    (bench.folder / "src/link").unlink()
    (bench.folder / "src/link").symlink_to("size")
    rows = bench.run("diff", one, built(bench, "v2", files=FILES), "--files", "--format", "json").document
    found = {row["what"]: (row["before"], row["after"]) for row in rows if row["platform"] == "arm64"}
    assert {what: pair for what, pair in found.items() if what.startswith("file ")} == {
        "file '/var/task/content': content": ("0644 1 B", "0644 1 B"),
        "file '/var/task/gone': removed": ("0644 1 B", ""),
        "file '/var/task/link': target": ("→ same", "→ size"),
        "file '/var/task/mode': mode": ("0644 1 B", "0755 1 B"),
        "file '/var/task/new': added": ("", "0644 1 B"),
        "file '/var/task/size': content": ("0644 1 B", "0644 2 B"),
    }


def test_a_platform_that_one_lacks(bench):
    both = built(bench, "v1")
    alone = built(bench, "v2", architectures=["arm64"])
    ran = bench.run("diff", both, alone)
    assert ran.code == 1
    assert ran.lines[0] == "x86_64: image: there → -"


def test_markdown_is_a_table(bench):
    one = built(bench, "v1", environment={"A": "1|2"})
    ran = bench.run("diff", one, built(bench, "v2"), "--format", "markdown")
    assert ran.lines[:2] == ["| platform | what | before | after |", "| --- | --- | --- | --- |"]
    assert "| x86_64 | variable A | 1\\|2 | - |" in ran.lines


def test_what_a_build_left_is_compared_with_what_was_pushed(bench):
    one = built(bench, "v1")
    bench.spec(environment={"A": "1"})
    bench.run("build").ok()
    ran = bench.run("diff", one, "oci:.imagekit/app")
    assert ran.lines == ["x86_64: variable A: - → 1", "arm64: variable A: - → 1"]


def test_files_of_what_builds_left_are_compared_with_their_bases(bench):
    one = built(bench, "v1")
    bench.write("bootstrap", b"#!/bin/sh\nexit 9\n", mode=0o755)
    bench.run("build", "--platform", "arm64").ok()
    ran = bench.run("diff", one, "oci:.imagekit/app", "--files", "--platform", "arm64")
    assert ran.code == 1
    assert "arm64: file '/var/runtime/bootstrap': content: 0755 17 B → 0755 17 B" in ran.lines


def test_what_cannot_be_compared_is_told(bench):
    one = built(bench, "v1")
    assert bench.run("diff", one, f"{bench.repository()}:nowhere").code == 4
    assert bench.run("diff", one, "oci:nowhere").code == 2
    ran = bench.run("diff", built(bench, "v3", architectures=["arm64"]), one, "--platform", "x86_64")
    assert ran.code == 1
    arm = built(bench, "v3", architectures=["arm64"])
    ran = bench.run("diff", arm, arm, "--platform", "x86_64")
    assert (ran.code, json.dumps(ran.error[0])) == (
        2,
        json.dumps(f"error: neither {arm} nor {arm} has the platform x86_64"),
    )
