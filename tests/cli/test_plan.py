"""`imagekit plan`: everything that a build would do, without doing it."""

from __future__ import annotations


def test_a_plan_writes_nothing_and_runs_nothing(bench):
    bench.spec(build='touch ran; echo "#!/bin/sh" > "$IMAGEKIT_OUTPUT"', bootstrap={"path": "out/app"})
    outcome = bench.run("plan").ok()
    assert outcome.err == "runtime.lock is missing; what a new one would give:\n"
    assert {path.name for path in bench.folder.iterdir()} == {"runtime.yaml"}
    bench.run("lock").ok()
    assert bench.run("plan").ok().err == ""
    before = bench.lock.read_bytes()
    outcome = bench.run("plan", "--set", "os=al2").ok()
    assert "runtime.lock is stale: x86_64: the base is public.ecr.aws/lambda/provided:al2, locked is " in outcome.err
    assert bench.lock.read_bytes() == before
    assert bench.run("plan", "--set", "os=al2", "--locked").code == 1


def test_a_plan_shows_each_platform_s_layers_and_start(bench):
    bench.write("src/app.js", "app")
    bench.spec(files=[{"source": "src", "target": "/var/task"}], handler="app.handler")
    lines = bench.run("plan").ok().lines
    base = bench.run("plan", "--json").ok().document[0]["base"]["manifest"]
    assert lines[0] == f"x86_64: from public.ecr.aws/lambda/provided:al2023 ({base})"
    assert lines[1].startswith("  layer files: not cached: nothing was built from these inputs yet (key ")
    assert lines[2].startswith("    src → /var/task  ")
    assert lines[5] == "  starts /lambda-entrypoint.sh app.handler in /var/task"
    assert lines[6].startswith("arm64: from ")


def test_a_plan_says_which_layers_are_there_already_and_why_not(bench):
    bench.write("src/app.js", "app")
    bench.spec(files=[{"source": "src", "target": "/var/task"}])
    before = bench.run("plan", "--json").ok().document
    assert [layer["cached"] for layer in before[0]["layers"]] == [False, False]
    bench.run("build").ok()
    after = bench.run("plan", "--json").ok().document
    assert [layer["cached"] for layer in after[0]["layers"]] == [True, True]
    assert [layer["key"] for layer in after[0]["layers"]] == [layer["key"] for layer in before[0]["layers"]]
    assert bench.run("plan").ok().lines[1].startswith("  layer files: cached: ")
    bench.write("src/app.js", "changed")
    changed = bench.run("plan", "--json").ok().document
    assert [layer["cached"] for layer in changed[0]["layers"]] == [False, True]


def test_what_a_build_has_yet_to_make_is_said(bench):
    bench.spec(build="make", bootstrap={"path": "out/app"}, files=[{"source": "dist/", "target": "/var/task"}])
    (plan, _) = bench.run("plan", "--json").ok().document
    assert [layer["key"] for layer in plan["layers"]] == ["built at build time"] * 2
    assert [layer["parts"][0]["digest"] for layer in plan["layers"]] == ["built at build time"] * 2
    bench.spec(files=[{"source": "dist/", "target": "/var/task"}])
    outcome = bench.run("plan")
    assert (outcome.code, outcome.error) == (
        2,
        [
            "error: dist/: No such file or directory",
            "  at runtime.yaml:9:3",
            f"  hint: paths are relative to {bench.folder}; correct it, or set `root`",
        ],
    )


def test_one_platform_can_be_planned(bench):
    bench.spec()
    assert [plan["architecture"] for plan in bench.run("plan", "--platform", "arm64", "--json").document] == ["arm64"]
    bench.spec(architectures=["arm64"])
    outcome = bench.run("plan", "--platform", "x86_64")
    assert (outcome.code, outcome.error) == (
        2,
        [
            "error: the spec is not for linux/amd64",
            "  hint: add x86_64 to `architectures`, or leave --platform out",
        ],
    )
