"""The host steps of `imagekit build`: what they see, when they run, how they fail."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imagekit.architecture import from_text
from tests.support.bench import Bench
from tests.support.programs import ARM64, X86_64, elf

HERE = from_text(platform.machine())
OTHER = "arm64" if HERE.name == "x86_64" else "x86_64"


def counting(bench: Bench, **step: object) -> None:
    """A step that makes the bootstrap and leaves a line in `runs`."""
    run = 'echo "$IMAGEKIT_ARCHITECTURE" >> ../runs; cp bootstrap.sh "$IMAGEKIT_OUTPUT"'
    bench.write("bootstrap.sh", "#!/bin/sh\n")
    bench.spec(bootstrap={"path": "build/{architecture}/bootstrap"}, build=[{"run": run, **step}])


def runs(bench: Bench) -> list[str]:
    """For which architectures the step has run so far; forgotten by this."""
    file = bench.folder.parent / "runs"
    found = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def test_a_step_runs_for_each_platform_and_sees_what_it_needs(bench):
    words = "$IMAGEKIT_ARCHITECTURE $IMAGEKIT_OCI_ARCH $IMAGEKIT_RPM_ARCH $OWN $USER_SAYS $IMAGEKIT_MIRROR."
    bench.patch.setenv("USER_SAYS", "hello")
    bench.spec(
        bootstrap={"path": "build/{architecture}/bootstrap"},
        build={
            "run": f'echo "#!/bin/sh\n{words} $IMAGEKIT_OUTPUT" > "$IMAGEKIT_OUTPUT"',
            "environment": {"OWN": "own"},
        },
    )
    images = bench.pushed()
    for name, text in (("x86_64", "x86_64 amd64 x86_64"), ("arm64", "arm64 arm64 aarch64")):
        output = bench.folder / "build" / name / "bootstrap"
        assert images[name].read(-1, "var/runtime/bootstrap").decode() == f"#!/bin/sh\n{text} own hello . {output}\n"


def test_only_one_platform_runs_only_its_step(bench):
    counting(bench)
    bench.run("build", "--platform", "arm64").ok()
    assert runs(bench) == ["arm64"]


def test_steps_run_in_order_and_only_names_platforms(bench):
    bench.spec(
        build=[
            {"run": "echo '#!/bin/sh' > bootstrap"},
            {"run": "echo both >> bootstrap"},
            {"run": "echo arm >> bootstrap.arm", "only": ["arm64"]},
        ]
    )
    bench.run("build", "--platform", "x86_64").ok()
    assert (bench.folder / "bootstrap").read_text() == "#!/bin/sh\nboth\n"
    assert not (bench.folder / "bootstrap.arm").exists()


def test_a_step_runs_in_its_directory_below_root(bench):
    bench.write("cmd/app/here")
    bench.spec(build={"run": 'test -f here && echo "#!/bin/sh" > "$IMAGEKIT_OUTPUT"', "directory": "cmd/app"})
    bench.run("build").ok()
    bench.spec(build={"run": "true", "directory": "cmd/app/here"})
    outcome = bench.run("build")
    assert (outcome.code, outcome.error) == (
        2,
        [
            "error: cmd/app/here is not a folder",
            "  at runtime.yaml:8:11",
            "  hint: `directory` is where the step runs",
        ],
    )


def test_a_step_without_inputs_always_runs(bench):
    counting(bench)
    for _ in range(2):
        bench.run("build").ok()
        assert runs(bench) == ["x86_64", "arm64"]


def test_a_step_with_inputs_runs_when_they_or_it_or_its_output_changed(bench):
    counting(bench, inputs=["src/**", "bootstrap.sh"])
    bench.write("src/a.txt", "one")
    bench.run("build").ok()
    assert runs(bench) == ["x86_64", "arm64"]
    assert "x86_64 step 1: echo" in bench.run("build").ok().err
    assert runs(bench) == []
    bench.write("other.txt", "not an input")
    bench.run("build").ok()
    assert runs(bench) == []
    bench.write("src/a.txt", "two")
    bench.run("build").ok()
    assert runs(bench) == ["x86_64", "arm64"]
    (bench.folder / "build/arm64/bootstrap").unlink()
    bench.run("build").ok()
    assert runs(bench) == ["arm64"]
    counting(bench, inputs=["src/**", "bootstrap.sh"], environment={"NEW": "1"})
    bench.run("build").ok()
    assert runs(bench) == ["x86_64", "arm64"]


def test_a_step_that_a_later_one_goes_on_from_is_skipped_too(bench):
    run = 'echo "$IMAGEKIT_ARCHITECTURE" >> ../runs; '
    bench.write("a", "1")
    bench.spec(
        bootstrap={"path": "build/{architecture}/bootstrap"},
        build=[
            {"run": run + "touch prepared", "inputs": ["a"]},
            {"run": run + 'echo "#!/bin/sh" > "$IMAGEKIT_OUTPUT"', "inputs": ["a"]},
        ],
    )
    bench.run("build", "--platform", "arm64").ok()
    assert runs(bench) == ["arm64", "arm64"]
    bench.run("build", "--platform", "arm64").ok()
    assert runs(bench) == []


def test_a_step_whose_output_is_among_the_files_runs_when_that_is_gone(bench):
    run = 'echo "$IMAGEKIT_ARCHITECTURE" >>runs; mkdir -p out/lib; cp a "out/$IMAGEKIT_ARCHITECTURE"; cp a out/lib/b'
    bench.write("a", "1")
    files = [{"source": "out/{architecture}", "target": "/opt/a"}, {"source": "out/lib", "target": "/opt/lib"}]
    bench.spec(bootstrap={"command": ["/opt/a"]}, build={"run": run, "inputs": ["a"]}, files=files)
    done = []
    for gone in ("", "", "out/arm64", "", "out/lib", ""):
        if gone == "out/lib":
            shutil.rmtree(bench.folder / gone)
        elif gone:
            (bench.folder / gone).unlink()
        bench.run("build").ok()
        done.append((bench.folder / "runs").read_text().split() if (bench.folder / "runs").exists() else [])
        (bench.folder / "runs").unlink(missing_ok=True)
    assert done == [["x86_64", "arm64"], [], ["arm64"], [], ["x86_64"], []]


def test_inputs_that_match_nothing_are_refused(bench):
    counting(bench, inputs=["scr/**"])
    outcome = bench.run("build")
    assert outcome.code == 2
    assert outcome.error[0] == "error: `inputs` match no file in ."
    assert runs(bench) == []


def test_a_failing_step_shows_the_end_of_its_output_and_where_all_of_it_is(bench):
    bench.spec(build=["echo fine", "echo boom >&2; exit 7"])
    outcome = bench.run("build")
    assert outcome.code == 3
    assert outcome.error == [
        "error: x86_64 step 2: the step 'echo boom >&2; exit 7' failed with exit code 7",
        "  | boom",
        "  at runtime.yaml:10:3",
        "  hint: its whole output is in .imagekit/log/x86_64-2.log",
    ]
    assert (bench.folder / ".imagekit/log/x86_64-2.log").read_text() == "boom\n"
    assert (bench.folder / ".imagekit/.gitignore").read_text() == "*\n"
    assert not (bench.folder / ".imagekit/app").exists()


def test_a_step_that_leaves_no_file_is_named(bench):
    bench.spec(bootstrap={"path": "out/{architecture}/app"}, build="true")
    outcome = bench.run("build", "--platform", "arm64")
    assert (outcome.code, outcome.error) == (
        3,
        [
            "error: the build for arm64 ended well but left no out/arm64/app",
            "  at runtime.yaml:5:15",
            '  hint: write the program to "$IMAGEKIT_OUTPUT", or correct `bootstrap: {path: …}`',
        ],
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (elf(ARM64), "is a program for arm64, not for x86_64"),
        (b"#!/bin/sh\r\nexit 0\r\n", "has Windows line endings: the kernel would look for an interpreter that ends in"),
        (b"PK\x03\x04", "is neither an ELF program nor a script with `#!`"),
    ],
)
def test_what_lambda_could_not_start_is_refused_with_advice(bench, data, message):
    bench.write("made", data)
    bench.spec(build='cp made "$IMAGEKIT_OUTPUT"', bootstrap={"path": "out/app"})
    for _ in range(2):
        outcome = bench.run("build", "--platform", "x86_64")
        assert outcome.code == 3
        assert f"error: out/app {message}" in outcome.err
        assert outcome.error[1] == "  at runtime.yaml:5:15"
        assert outcome.error[2].startswith("  hint: ")
        assert ("have the step compile for the image" in outcome.error[2]) == (b"ELF" in data)
    (bench.folder / "bootstrap").write_bytes(data)
    bench.spec()
    assert bench.run("build", "--platform", "x86_64").code == 2, "a file that was named, not built"


def test_scratch_takes_static_programs_only(bench):
    for data, words in ((b"#!/bin/sh\n", "is a script"), (elf(X86_64, "/lib/ld.so"), "is linked dynamically")):
        bench.write("bootstrap", data)
        bench.spec(os="scratch", architectures=["x86_64"])
        assert words in bench.run("build").err
    bench.write("bootstrap", elf(X86_64))
    bench.run("build").ok()


def test_a_language_brings_its_build_and_its_output(bench):
    for name, machine in (("amd64", X86_64), ("arm64", ARM64)):
        bench.write(f"{name}.elf", elf(machine))
    bench.write(
        "bin/go", '#!/bin/sh\ntest "$GOOS$CGO_ENABLED" = linux0 && cp "$GOARCH.elf" "$IMAGEKIT_OUTPUT"\n', 0o755
    )
    bench.patch.setenv("PATH", f"{bench.folder}/bin:/usr/bin:/bin")
    bench.spec(language="go", bootstrap=None)
    images = bench.pushed()
    assert images["arm64"].read(-1, "var/runtime/bootstrap") == elf(ARM64)
    assert images["x86_64"].config["config"]["Cmd"] == ["bootstrap"]


def test_a_missing_toolchain_is_said_before_anything_runs(bench):
    bench.patch.setenv("PATH", "/nowhere")
    bench.spec(language="go", bootstrap=None)
    outcome = bench.run("build")
    assert (outcome.code, outcome.error) == (
        5,
        [
            "error: there is no `go` on this machine: Go needs it to build for x86_64",
            "  at runtime.yaml:3:14",
            "  hint: install Go, from https://go.dev/doc/install or your system's packages",
        ],
    )
    assert not (bench.folder / "build").exists()


def test_a_toolchain_that_is_not_ready_for_one_platform_stops_before_the_other_is_built(bench):
    bench.write("bin/cargo", "#!/bin/sh\ntouch ran\n", 0o755)
    bench.write("lib/x86_64-unknown-linux-musl/keep")
    bench.write("bin/rustc", '#!/bin/sh\necho "lib/$CARGO_BUILD_TARGET"\n', 0o755)
    bench.patch.setenv("PATH", f"{bench.folder}/bin:/usr/bin:/bin")
    bench.spec("deep/runtime.yaml", language="rust", bootstrap=None, root="..")
    outcome = bench.run("build", "deep")
    assert (outcome.code, outcome.error) == (
        5,
        [
            "error: `rustc` is not ready: Rust needs it to build for arm64",
            "  at deep/runtime.yaml:3:14",
            "  hint: add the target with `rustup target add aarch64-unknown-linux-musl`",
        ],
    )
    assert not (bench.folder / "ran").exists()


def test_a_toolchain_of_another_version_says_which_it_is(bench):
    bench.write("bin/bundle", "#!/bin/sh\n", 0o755)
    bench.write("bin/ruby", "#!/bin/sh\necho warned >&2\nprintf 'this is \\033[1mRuby 3.1.2\\n' >&2\nexit 1\n", 0o755)
    bench.patch.setenv("PATH", f"{bench.folder}/bin:/usr/bin:/bin")
    bench.write("Gemfile.lock", "GEM\n")
    bench.spec(language="ruby", version="3.2", handler="app.handle", bootstrap=None)
    outcome = bench.run("build")
    assert (outcome.code, outcome.error[0]) == (
        5,
        "error: `bundle` is not ready (this is Ruby 3.1.2): Ruby needs it to build for x86_64",
    )


def test_a_language_that_does_not_cross_compile_says_where_to_build(bench):
    bench.spec(language="swift", bootstrap=None, architectures=[OTHER])
    outcome = bench.run("build")
    assert outcome.code == 5
    message = f"error: Swift cannot be compiled for {OTHER} on this {platform.machine()} machine"
    assert outcome.error[0] == message
    assert (
        f"`--platform linux/{from_text(OTHER).oci}`, or bring the executable ready with `bootstrap: {{path: …}}`"
        in (outcome.err)
    )


def test_a_program_that_is_ready_needs_no_toolchain(bench):
    bench.patch.setenv("PATH", "/nowhere")
    bench.spec(language="swift")
    bench.run("build").ok()


def test_an_output_outside_root_or_below_a_file_is_refused(bench):
    (bench.folder / "build").symlink_to("../elsewhere")
    bench.spec(bootstrap={"path": "build/app"}, build="true")
    outcome = bench.run("build")
    assert outcome.code == 2
    assert f"build/app leads to {bench.folder.parent}/elsewhere/app, outside {bench.folder}" in outcome.err
    (bench.folder / "build").unlink()
    bench.write("build")
    outcome = bench.run("build")
    assert outcome.code == 2
    assert "cannot be made:" in outcome.err
    assert "is no folder" in outcome.err


def test_plan_shows_what_is_yet_to_be_built_and_runs_nothing(bench):
    counting(bench)
    outcome = bench.run("plan").ok()
    assert "build/arm64/bootstrap → /var/runtime/bootstrap  built at build time" in outcome.out
    assert "not cached: a host step has yet to make its input" in outcome.out
    assert runs(bench) == []
    assert not (bench.folder / "build").exists()
    assert not bench.lock.exists()


@pytest.mark.parametrize("build", [None, "touch ../ran"])
@pytest.mark.parametrize("dangling", [False, True])
def test_what_is_in_the_way_of_imagekits_own_folder_is_told_before_a_step_runs(bench, build, dangling):
    bench.spec(build=build)
    if dangling:
        (bench.folder / ".imagekit").symlink_to("gone")
    else:
        bench.write(".imagekit")
    outcome = bench.run("build")
    assert (outcome.code, outcome.error) == (
        2,
        [
            "error: .imagekit is no folder, and imagekit keeps there what it makes",
            "  hint: remove it, or rename it",
        ],
    )
    assert not (bench.folder.parent / "ran").exists()


def test_a_file_in_the_place_of_the_logs_is_told(bench):
    bench.spec(build="touch ../ran")
    bench.write(".imagekit/log")
    outcome = bench.run("build")
    assert (outcome.code, outcome.error[0].startswith("error: the log .imagekit/log/")) == (2, True)
    assert not (bench.folder.parent / "ran").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_an_interrupt_leaves_nothing_half_written_and_nothing_running(bench, tmp_path: Path, number: int):
    bench.spec(build="echo $$ > ../starting; mv ../starting ../started; exec sleep 60")
    # Whoever runs the tests may have it ignored (a shell's `&`), and programs inherit that.
    before = signal.signal(number, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$0" -m imagekit build', sys.executable],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    finally:
        signal.signal(number, before)
    while not (tmp_path / "started").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    with pytest.raises(ProcessLookupError):
        os.killpg(int((tmp_path / "started").read_text()), 0)
    assert process.returncode == 130
    assert out == b""
    assert err.decode().splitlines()[-2:] == [
        "error: interrupted",
        "  hint: nothing half-written was left behind; run the command again to go on",
    ]
    left = {".imagekit", "bootstrap", "runtime.lock", "runtime.yaml"}
    assert {path.name for path in bench.folder.iterdir()} == left
    assert not (bench.folder / ".imagekit/app").exists()
