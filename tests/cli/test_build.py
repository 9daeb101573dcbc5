"""`imagekit build`: the form of the image, and what of the disk gets into it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import bases
from tests.support import bench as support
from tests.support.bench import Bench, Picture
from tests.support.programs import X86_64, elf

MTIME = 315_532_800
OCI = bases.TYPES["oci"]
#: Runs a command line ten seconds later, when what was just written is old enough for its times to be trusted, and
#: prints the paths of the files that it opened, one a line, on stderr.
WATCHED = """
import sys, time
now, opened = time.time, []
time.time = lambda: now() + 10
sys.addaudithook(lambda event, found: opened.append(str(found[0])) if event == "open" else None)
from imagekit.cli import main
try:
    main(sys.argv[1:])
finally:
    print("\\n".join(opened), file=sys.stderr)
"""
#: Appends a byte to a file the second time that it is opened: after it was hashed, while the layer is written.
DISTURBED = """
import os, sys
path, seen = os.path.abspath(sys.argv[1]), []
def disturb(event, found):
    if event == "open" and str(found[0]) == path and found[1] != "ab":
        seen.append(path)
        if len(seen) == 2:
            with open(path, "ab") as file:
                file.write(b"!")
sys.addaudithook(disturb)
from imagekit.cli import main
main(sys.argv[2:])
"""


def image(bench: Bench, *arguments: str) -> Picture:
    """The image for x86_64."""
    return bench.pushed("--platform", "x86_64", *arguments)["x86_64"]


def names(picture: Picture, number: int = -1) -> list[str]:
    """The names of a layer's files and symlinks, in the order in which they stand there."""
    return [name for name, entry in picture.layer(number).items() if not entry.isdir()]


def script(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python program in a process of its own."""
    return subprocess.run([sys.executable, "-c", text, *arguments], capture_output=True, text=True, check=False)


# The form of the image


@pytest.mark.parametrize(("os_", "family"), [("al2023", "oci"), ("al2", "docker")])
def test_the_image_starts_as_its_base_and_never_inherits_a_command(bench, os_, family):
    bench.spec(os=os_, handler="app.handler", environment={"MODE": "on", "PATH": "/opt/x:{base.PATH}"})
    stand_in = support.base(family)
    for name, picture in bench.pushed().items():
        config = picture.config["config"]
        assert config["Entrypoint"] == ["/lambda-entrypoint.sh"]
        assert config["WorkingDir"] == "/var/task"
        assert config["Cmd"] == ["app.handler"]
        inherited = [text for text in bases.ENVIRONMENT if not text.startswith("PATH=")]
        assert [text for text in config["Env"] if not text.startswith(("PATH=", "MODE="))] == inherited
        assert {"PATH=/opt/x:/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin", "MODE=on"} < set(config["Env"])
        assert set(config) == {"Cmd", "Entrypoint", "Env", "Labels", "WorkingDir"}, "no OnBuild"
        assert set(picture.config) == {"architecture", "config", "created", "history", "os", "rootfs"}
        assert picture.config["architecture"] == {"x86_64": "amd64"}.get(name, name)
        base = json.loads(list(stand_in.manifests.values())[name == "arm64"])
        assert [layer["digest"] for layer in picture.manifest["layers"][:4]] == [
            layer["digest"] for layer in base["layers"]
        ]


@pytest.mark.parametrize("os_", ["al2023", "al2"])
def test_the_output_is_oci_whatever_the_base_is(bench, os_):
    bench.spec(os=os_)
    pictures = bench.pushed()
    index = bench.index()
    assert index["mediaType"] == OCI[0]
    assert [(entry["mediaType"], entry["platform"]) for entry in index["manifests"]] == [
        (OCI[1], {"architecture": "amd64", "os": "linux"}),
        (OCI[1], {"architecture": "arm64", "os": "linux"}),
    ]
    assert [entry["digest"] for entry in index["manifests"]] == [item.digest for item in pictures.values()]
    for picture in pictures.values():
        assert picture.manifest["mediaType"] == OCI[1]
        assert picture.manifest["config"]["mediaType"] == OCI[2]
        assert {layer["mediaType"] for layer in picture.manifest["layers"]} == {OCI[3]}


@pytest.mark.parametrize("os_", ["al2023", "al2"])
def test_history_and_diff_ids_tell_of_every_layer(bench, os_):
    bench.spec(os=os_, files=[{"source": "bootstrap", "target": "/opt/copy"}])
    picture = image(bench)
    history = picture.config["history"]
    assert len([item for item in history if not item.get("empty_layer")]) == len(picture.manifest["layers"]) == 6
    assert len([item for item in history if item.get("empty_layer")]) == (2 if os_ == "al2" else 0)
    assert [item["created_by"] for item in history[-2:]] == [
        "imagekit files: bootstrap",
        "imagekit bootstrap: bootstrap",
    ]
    for layer, diff_id in zip(picture.manifest["layers"], picture.config["rootfs"]["diff_ids"], strict=True):
        with subprocess.Popen(["gunzip"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as gunzip:
            assert bases.digest(gunzip.communicate(picture.blob(layer["digest"]))[0]) == diff_id


def test_a_base_without_a_history_gets_one(bench):
    def forget(manifest: dict[str, Any], config: dict[str, Any]) -> None:
        del config["history"]

    support.put(bench.registry, support.variant(support.base(), forget), support.PROVIDED, "al2023")
    bench.spec()
    history = image(bench).config["history"]
    assert [item["created_by"] for item in history] == ["layer of the base image"] * 4 + [
        "imagekit bootstrap: bootstrap"
    ]


def test_labels_and_annotations_name_the_image_and_its_base(bench):
    bench.spec(version="1.2.3", labels={"team": "payments", "stage": "x"})
    picture = image(bench, "--label", "stage=prod", "--label", "org.opencontainers.image.revision=abc")
    index = support.put(bench.registry, support.base(), support.PROVIDED, "al2023")
    expected = {
        "org.opencontainers.image.title": "app",
        "org.opencontainers.image.version": "1.2.3",
        "org.opencontainers.image.base.name": "public.ecr.aws/lambda/provided:al2023",
        "org.opencontainers.image.base.digest": index,
        "org.opencontainers.image.revision": "abc",
        "team": "payments",
        "stage": "prod",
    }
    assert picture.config["config"]["Labels"] == {"maintainer": "AWS", **expected}
    created = bench.locked["created"]
    assert picture.manifest["annotations"] == {**expected, "org.opencontainers.image.created": created}
    assert picture.config["created"] == created
    bench.pushed()
    assert bench.index()["annotations"]["org.opencontainers.image.title"] == "app"


def test_one_architecture_is_a_plain_manifest(bench):
    bench.spec(architectures=["arm64"])
    pictures = bench.pushed()
    assert list(pictures) == ["arm64"]
    assert bench.index() == pictures["arm64"].manifest


def test_a_runtime_has_a_command_too(bench):
    bench.spec(kind="runtime")
    assert image(bench).config["config"]["Cmd"] == ["bootstrap"]


def test_scratch_holds_what_a_static_program_expects(bench):
    bench.write("bootstrap", elf(X86_64))
    bench.spec(os="scratch", architectures=["x86_64"])
    picture = image(bench)
    assert picture.config["config"] == {
        "Cmd": ["bootstrap"],
        "Entrypoint": ["/var/runtime/bootstrap"],
        "Env": [
            "PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
            "LAMBDA_TASK_ROOT=/var/task",
            "LAMBDA_RUNTIME_DIR=/var/runtime",
        ],
        "Labels": {"org.opencontainers.image.title": "app"},
        "WorkingDir": "/var/task",
    }
    assert len(picture.manifest["layers"]) == 2
    system = picture.layer(0)
    assert system["tmp"].mode == 0o1777
    assert {"etc/passwd", "etc/group", "var/task", "etc/ssl/certs/ca-certificates.crt"} <= set(system)
    assert picture.read(0, "etc/pki/tls/certs/ca-bundle.crt").count(b"BEGIN CERTIFICATE") > 50
    assert names(picture) == ["var/runtime/bootstrap"]
    assert "base" not in bench.locked["platforms"]["x86_64"]


def test_on_scratch_other_layers_leave_alone_what_imagekit_put_there(bench):
    bench.write("bootstrap", elf(X86_64))
    bench.write("x", "x")
    scratch = {"os": "scratch", "architectures": ["x86_64"]}
    bench.spec(**scratch, files=[{"source": "x", "target": "/tmp/x"}, {"source": "x", "target": "/etc/group"}])
    picture = image(bench)
    assert (picture.layer(1)["tmp"].mode, picture.layer(1)["tmp"].mtime) == (0o1777, picture.layer(0)["tmp"].mtime)
    assert picture.read(1, "etc/group") == b"x"
    for target, there in (("/etc", "a directory"), ("/tmp", "a directory"), ("/etc/passwd/x", "a file of the base")):
        bench.spec(**scratch, files=[{"source": "x", "target": target}])
        outcome = bench.run("build")
        assert outcome.code == 3
        assert f"and there is {there}" in outcome.error[0]


def test_an_image_with_a_base_does_not_start_empty(bench):
    bench.write("bootstrap", elf(X86_64))
    bench.spec(os="scratch", base=f"{support.PUBLIC}/{support.PROVIDED}:al2023", architectures=["x86_64"])
    assert names(image(bench)) == ["var/runtime/bootstrap"]
    assert len(image(bench).manifest["layers"]) == 5


def test_a_manifest_that_lambda_would_refuse_is_not_made(bench):
    bench.spec(labels={"long": "x" * 26_000})
    outcome = bench.run("build")
    assert outcome.code == 3
    assert outcome.error[0].startswith("error: the manifest for x86_64 has 2")
    assert outcome.error[0].endswith(" bytes; Lambda takes fewer than 25400")
    assert not (bench.folder / ".imagekit/app").exists()


def test_a_variable_that_the_base_does_not_set_is_named_with_its_line(bench):
    bench.spec(environment={"HOME": "{base.HOMES}"})
    outcome = bench.run("build")
    assert outcome.code == 2
    assert outcome.err.splitlines()[1].startswith("runtime.yaml:9:11: error[IK0105]: unknown placeholder {base.HOMES}")


# What gets in


def test_a_folder_puts_its_contents_into_the_target_a_file_becomes_it_or_goes_into_it(bench):
    for path in ("src/a.txt", "src/deep/b.txt", "one.txt"):
        bench.write(path, path)
    bench.spec(
        files=[
            {"source": "src", "target": "/var/task"},
            {"source": "src/", "target": "/opt/two/"},
            {"source": "one.txt", "target": "/opt/three"},
            {"source": "one.txt", "target": "/opt/four/"},
        ]
    )
    picture = image(bench)
    assert sorted(names(picture, -2)) == [
        *("opt/four/one.txt", "opt/three", "opt/two/a.txt", "opt/two/deep/b.txt"),
        *("var/task/a.txt", "var/task/deep/b.txt"),
    ]
    assert picture.read(-2, "var/task/deep/b.txt") == b"src/deep/b.txt"
    assert names(picture) == ["var/runtime/bootstrap"], "what changes most is last"


def test_a_folder_with_one_file_is_not_that_file(bench):
    bench.write("src/a.txt", "a")
    bench.spec(files=[{"source": "src", "target": "/opt/x"}])
    assert names(image(bench), -2) == ["opt/x/a.txt"]
    bench.spec(files=[{"source": "src/a.txt", "target": "/opt/x"}])
    assert names(image(bench), -2) == ["opt/x"]
    bench.spec(files=[{"source": "src", "target": "/opt/x"}, {"source": "src/a.txt", "target": "/opt/y"}])
    assert names(image(bench), -2) == ["opt/x/a.txt", "opt/y"]


def test_modes_are_two_owners_are_root_and_times_are_constant(bench):
    bench.write("src/secret", "", 0o600)
    bench.write("src/run", "", 0o700)
    bench.write("src/odd", "", 0o4751)
    bench.write("bootstrap", support.SCRIPT, 0o600)
    bench.spec(
        files=[
            {"source": "src/", "target": "/var/task"},
            {"source": "src/secret", "target": "/opt/extensions/", "mode": "0755"},
        ]
    )
    picture = image(bench)
    entries = picture.layer(-2) | picture.layer(-1)
    found = {name: entry.mode for name, entry in entries.items() if not entry.isdir()}
    assert found == {
        "var/task/secret": 0o644,
        "var/task/run": 0o755,
        "var/task/odd": 0o755,
        "opt/extensions/secret": 0o755,
        "var/runtime/bootstrap": 0o755,
    }
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, MTIME)}


def test_parents_repeat_the_base_and_targets_follow_its_symlinks(bench):
    bench.write("lib.so", "x")
    bench.spec(files=[{"source": "lib.so", "target": "/lib64/lib.so"}, {"source": "lib.so", "target": "/tmp/lib.so"}])
    entries = image(bench).layer(-2)
    assert list(entries) == ["usr", "usr/lib64", "usr/lib64/lib.so", "tmp", "tmp/lib.so"]
    assert [entries[name].mode for name in ("usr", "usr/lib64", "tmp")] == [0o755, 0o555, 0o1777]


def test_another_base_is_read_once_for_what_its_folders_are(bench):
    bench.write("lib.so", "x")
    bench.spec(
        base=f"{bench.registry.host}/lambda/provided:al2", files=[{"source": "lib.so", "target": "/var/run/lib.so"}]
    )
    assert list(image(bench).layer(-2)) == ["run", "run/lib.so"]
    bench.registry.requests.clear()
    bench.write("lib.so", "y")
    bench.run("build", "--platform", "x86_64").ok()
    assert bench.registry.seen() == []


def test_what_is_left_out(bench):
    for path in ("a.js", "a.test.js", "docs/x.md", "keep/b.js", ".git/config", ".imagekit/old", "sub/.git/HEAD"):
        bench.write(path, path)
    bench.write(".imagekitignore", "docs/\n/secret*\n")
    bench.write("secret.txt")
    bench.write("common.yaml", "labels: {a: b}\n")
    bench.spec(extends="common.yaml", files=[{"source": ".", "target": "/var/task", "exclude": ["*.test.js"]}])
    picture = image(bench)
    assert picture.config["config"]["Labels"]["a"] == "b"
    assert names(picture, -2) == ["var/task/a.js", "var/task/bootstrap", "var/task/keep/b.js"]
    bench.spec(files=[{"source": ".", "target": "/var/task", "include": ["*.js"]}])
    assert names(image(bench), -2) == ["var/task/a.js", "var/task/a.test.js", "var/task/keep/b.js"]


@pytest.mark.parametrize("source", ["runtime.yaml", "runtime.lock", ".git", ".imagekit/log", ".git/config"])
def test_what_never_goes_in_is_refused_when_it_is_named(bench, source):
    bench.write(".git/config")
    bench.write(".imagekit/log/x")
    bench.spec(files=[{"source": source, "target": "/var/task/x"}])
    outcome = bench.run("build")
    assert (outcome.code, outcome.error) == (
        2,
        [
            f"error: {source} never goes into an image",
            "  at runtime.yaml:9:3",
            "  hint: the spec, its lock, .git and .imagekit stay out; name something else, or a copy",
        ],
    )


def test_patterns_that_match_nothing_are_refused_and_empty_folders_are_nothing(bench):
    (bench.folder / "empty").mkdir()
    bench.spec(files=[{"source": "empty", "target": "/opt"}])
    assert len(image(bench).manifest["layers"]) == 5
    bench.spec(files=[{"source": "empty", "target": "/opt", "include": ["*.js"]}])
    outcome = bench.run("build")
    assert outcome.code == 2
    assert outcome.error[0] == "error: `include` matches no file in empty"


def test_symlinks_inside_stay_and_those_that_lead_out_become_what_they_lead_to(bench):
    bench.write("src/real.txt", "real")
    bench.write("shared/x.txt", "shared")
    (bench.folder / "src/inside").symlink_to("real.txt")
    (bench.folder / "src/out").symlink_to("../shared/x.txt")
    bench.spec(files=[{"source": "src", "target": "/var/task"}])
    picture = image(bench)
    assert picture.layer(-2)["var/task/inside"].linkname == "real.txt"
    assert picture.read(-2, "var/task/out") == b"shared"


def test_dependency_folders_get_a_layer_below_the_rest(bench):
    bench.write("src/node_modules/lib/index.js", "lib")
    bench.write("src/app.js", "app")
    bench.spec(files=[{"source": "src", "target": "/var/task"}])
    first = image(bench)
    assert (names(first, -3), names(first, -2)) == (["var/task/node_modules/lib/index.js"], ["var/task/app.js"])
    bench.write("src/app.js", "changed")
    second = image(bench)
    assert first.manifest["layers"][-3] == second.manifest["layers"][-3]
    assert first.manifest["layers"][-2] != second.manifest["layers"][-2]
    bench.spec(
        files=[
            {"source": "src", "target": "/var/task", "exclude": ["node_modules"]},
            {"source": "src/node_modules", "target": "/opt/node_modules"},
        ]
    )
    third = image(bench)
    assert (names(third, -3), names(third, -2)) == (["opt/node_modules/lib/index.js"], ["var/task/app.js"])


def test_one_path_twice_must_be_the_same_twice(bench):
    bench.write("a", "one")
    bench.write("b", "two")
    bench.spec(files=[{"source": "a", "target": "/opt/x"}, {"source": "./a", "target": "/opt/x"}])
    assert names(image(bench), -2) == ["opt/x"]
    bench.spec(files=[{"source": "a", "target": "/opt/x"}, {"source": "b", "target": "/opt/x"}])
    outcome = bench.run("build")
    assert outcome.code == 3
    assert outcome.error[0] == (
        "error: the path '/opt/x' comes twice into one layer, with different content, mode or owner"
    )


def test_root_is_what_local_paths_are_relative_to(bench):
    bench.write("shared/a.txt", "shared")
    bench.write("apps/one/bootstrap", support.SCRIPT)
    bench.spec(
        "apps/one/runtime.yaml",
        root="../..",
        bootstrap={"path": "apps/one/bootstrap"},
        files=[{"source": "shared", "target": "/opt"}],
    )
    assert names(image(bench, "apps/one"), -2) == ["opt/a.txt"]
    assert (bench.folder / "apps/one/.imagekit/app/index.json").exists()


# Bits


def test_the_same_lock_and_files_give_the_same_bits_anywhere(bench, tmp_path):
    bench.write("src/a.txt", "a", 0o644)
    bench.write("src/b", "b", 0o755)
    bench.spec(files=[{"source": "src", "target": "/var/task"}])
    first = bench.run("build", "--json").ok().document["digests"]
    other = tmp_path / "elsewhere" / "deep"
    other.mkdir(parents=True)
    before = os.umask(0o077)
    for path in sorted(bench.folder.rglob("*")):
        name = path.relative_to(bench.folder)
        if name.parts[0] != ".imagekit":
            copy = other / name
            copy.mkdir() if path.is_dir() else copy.write_bytes(path.read_bytes())
            copy.chmod(0o700 if path.is_dir() or path.stat().st_mode & 0o100 else 0o600)
            os.utime(copy, (1, 1))
    for name, value in {"LC_ALL": "C", "TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "1", "COLUMNS": "7"}.items():
        bench.patch.setenv(name, value)
    bench.patch.setenv("IMAGEKIT_CACHE_DIR", str(tmp_path / "another cache"))
    bench.patch.chdir(tmp_path)
    second = bench.run("build", other, "--json").ok().document["digests"]
    os.umask(before)
    assert second == first


def test_a_tiny_image_keeps_its_digest(bench):
    """A change of this digest is a change of every image that anybody has: it wants a new layer format or codec."""
    support.put(bench.registry, support.tiny(), support.PROVIDED, "al2023")
    bench.write("src/hello.txt", "hello\n")
    bench.spec(files=[{"source": "src", "target": "/var/task"}], handler="app.handler")
    bench.patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    outcome = bench.run("build", "--print", "index").ok()
    assert outcome.lines == [
        "oci:.imagekit/app@sha256:844125975b49318156d6f1fec53beb222cabd1f3cc42ee1aa15cd5b2a612f8e3"
    ]


def test_a_layer_that_is_the_same_for_all_platforms_is_made_once(bench):
    bench.spec()
    outcome = bench.run("build").ok()
    assert outcome.err.count(" bootstrap: ") == 1
    pictures = bench.pushed()
    assert pictures["x86_64"].manifest["layers"][-1] == pictures["arm64"].manifest["layers"][-1]


# Again


def test_a_build_without_a_change_reads_no_content_and_asks_nobody(bench):
    bench.write("src/a.txt", "a" * 100)
    bench.write("src/node_modules/x.js", "x")
    bench.spec(files=[{"source": "src", "target": "/var/task"}])
    first = script(WATCHED, "build")
    contents = {str(bench.folder / name) for name in ("src/a.txt", "src/node_modules/x.js", "bootstrap")}
    assert contents < set(first.stderr.splitlines())
    bench.registry.requests.clear()
    second = script(WATCHED, "build")
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert contents.isdisjoint(map(os.path.abspath, second.stderr.splitlines()))
    assert bench.registry.seen() == []


def test_a_changed_byte_is_noticed_whatever_the_times_say(bench):
    path = bench.write("src/a.txt", "one")
    bench.spec(files=[{"source": "src", "target": "/var/task"}])
    first = image(bench)
    facts = path.stat()
    path.write_text("two")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    second = image(bench)
    assert second.read(-2, "var/task/a.txt") == b"two"
    assert first.manifest["layers"][-2] != second.manifest["layers"][-2]


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_file_that_changes_while_it_is_read_is_noticed_and_nothing_is_kept(bench, size):
    bench.write("src/a.bin", b"x" * size)
    bench.spec(files=[{"source": "src", "target": "/var/task"}])
    disturbed = script(DISTURBED, "src/a.bin", "build")
    assert disturbed.returncode == 3
    assert "error: the content of '/var/task/a.bin' changed while it was read" in disturbed.stderr
    assert not (bench.folder / ".imagekit/app").exists()
    assert image(bench).layer(-2)["var/task/a.bin"].size == size + 1


# Where it goes


def test_build_prints_the_references_of_what_it_keeps(bench):
    bench.spec()
    outcome = bench.run("build").ok()
    digests = bench.run("build", "--json").ok().document["digests"]
    assert list(digests) == ["index", "x86_64", "arm64"]
    assert outcome.lines == [f"oci:.imagekit/app@{digest}" for digest in digests.values()]
    for name, digest in digests.items():
        assert bench.run("build", "--print", name).ok().lines == [f"oci:.imagekit/app@{digest}"]
    for line in outcome.lines:
        bench.run("inspect", line).ok()


def test_what_is_kept_is_sparse_and_an_output_is_complete(bench):
    bench.spec()
    bench.run("build", "--output", "oci:out", "-t", "v1").ok()
    kept = {path.name for path in (bench.folder / ".imagekit/app/blobs/sha256").iterdir()}
    whole = {path.name for path in (bench.folder / "out/blobs/sha256").iterdir()}
    base = {digest.removeprefix("sha256:") for digest in support.base().blobs} & whole
    assert len(base) == 5, "three layers that both share, and one of each"
    assert kept == whole - base
    index = json.loads((bench.folder / "out/index.json").read_text())
    assert index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] == "v1"


def test_a_build_from_an_image_layout_needs_no_registry_and_no_folder(bench):
    support.put(bench.registry, support.base(), "corp/base", "1")
    bench.spec(base=f"{bench.registry.host}/corp/base:1", os="al2")
    bench.run("build", "--output", "oci:images/base").ok()
    bench.spec("apps/one/runtime.yaml", root="../..", base="oci:images/base", name="two")
    bench.registry.requests.clear()
    bench.patch.chdir(bench.folder.parent)
    bench.run("build", "app/apps/one", "--output", "oci:app/second").ok()
    assert bench.registry.seen() == []
    whole = bench.run("inspect", "oci:app/second", "--json").ok().document["platforms"]
    assert [len(platform["layers"]) for platform in whole] == [6, 6]
    bench.run("push", "app/apps/one", "--no-build", "--to", bench.repository("team/two")).ok()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "x/y"], "--to without --push"),
        (["--push"], "there is nowhere to push to"),
        (["--push", "--to", "x.com/y:1"], "--to x.com/y:1: more than a repository"),
        (["--push", "--to", "x.com/Y"], "not an image reference: 'x.com/Y' ('Y' does not fit)"),
        (["--push", "--to", "user:hunter2@x.com/y"], "not an image reference: '…@x.com/y' has user info, or"),
        (
            ["--push", "--to", "127.0.0.1:99999/x"],
            "not an image reference: '127.0.0.1:99999/x' (there is no port 99999)",
        ),
        (["-t", "-x"], "not a tag: '-x'"),
        (["-t", "a" * 122], "not a tag: 'aaaaaaa"),
        (["--platform", "arm64", "--print", "x86_64"], "--print x86_64: the image is for arm64"),
        (["--output", "tar:x"], "--output tar:x: not a place to write an image"),
        (["--output", "docker-archive:x"], "a docker-archive holds one platform"),
        (["--load"], "a Docker engine takes one platform"),
        (["--platform", "mips"], ""),
        (["--label", "x"], "--label takes KEY=VALUE, not 'x'"),
        (["--label", "a b=x"], "--label: 'a b' is no name of a label"),
        (["--locked", "--frozen"], "--locked and --frozen exclude each other"),
        (["--set", "os"], ""),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(bench, arguments, message):
    bench.spec()
    outcome = bench.run("build", *arguments)
    assert outcome.code == 2
    assert outcome.error[0].startswith(f"error: {message}")
    assert "  hint: " in outcome.err
    assert bench.registry.seen() == []
    assert {path.name for path in bench.folder.iterdir()} == {"bootstrap", "runtime.yaml"}


def test_two_builds_at_once_leave_one_whole_image(bench, tmp_path: Path):
    bench.write("src/a.txt", "a")
    bench.spec(files=[{"source": "src", "target": "/var/task"}])
    command = [sys.executable, "-m", "imagekit", "build"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    ended = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    bench.run("push", "--no-build", "--to", bench.repository()).ok()
    assert (
        bench.run("build").ok().lines[0] == f"oci:.imagekit/app@{bench.registry.repository('team/app').tags['latest']}"
    )
