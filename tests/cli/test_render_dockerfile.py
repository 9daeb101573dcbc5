"""`imagekit render --format dockerfile`: a Dockerfile with its context, and a bake file."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.support import bench as support
from tests.support.bases import StandIn
from tests.support.bench import Bench
from tests.support.packages import system
from tests.support.packages.bench import TRUSTED

RENDER = ("render", "--format", "dockerfile")


@pytest.fixture
def shop(bench: Bench) -> Bench:
    """A bench whose base carries nothing out when somebody builds on it, as AWS's."""
    support.put(bench.registry, StandIn.make(on_build=False), support.PROVIDED, "al2023")
    bench.write("src/app.js", "app")
    bench.spec(
        files=[{"source": "src", "target": "/var/task"}],
        handler="app.handler",
        labels={"team": 'a "b" $HOME \\'},
        environment={"GREETING": "{base.LANG} $x"},
        push={"to": ["registry.example/team/app"], "tags": ["v1"]},
    )
    return bench


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def instructions(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def entries(data: bytes) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as tar:
        return {member.name: (member, (tar.extractfile(member) or io.BytesIO()).read()) for member in tar}


def test_a_stage_a_platform_from_the_base_by_digest(shop: Bench) -> None:
    shop.run(*RENDER, "--output", "out").ok()
    lines = instructions((shop.folder / "out/Dockerfile").read_text())
    locked = shop.locked["platforms"]
    for name, oci in (("x86_64", "amd64"), ("arm64", "arm64")):
        manifest = locked[name]["base"]["manifest"]
        assert f"FROM --platform=linux/{oci} public.ecr.aws/lambda/provided@{manifest} AS {oci}" in lines
    assert lines[-1] == "FROM ${TARGETARCH:-amd64}"
    assert lines.count('ENV GREETING="en_US.UTF-8 \\$x"') == 2
    assert lines.count('LABEL "team"="a \\"b\\" \\$HOME \\\\"') == 2
    assert lines.count('CMD ["app.handler"]') == 2
    assert not [line for line in lines if line.startswith(("ENTRYPOINT", "WORKDIR", "RUN", "COPY"))]  # the base's own


def test_the_archives_are_the_layers_of_the_image(shop: Bench) -> None:
    shop.run(*RENDER, "--output", "out").ok()
    named = {line.split()[1] for line in instructions((shop.folder / "out/Dockerfile").read_text()) if "ADD" in line}
    files = contents(shop.folder / "out")
    assert set(files) == {"Dockerfile", "docker-bake.json", *named}
    pictures = shop.pushed("--frozen")
    built = {picture.blob(layer["digest"]) for picture in pictures.values() for layer in picture.manifest["layers"]}
    assert {files[name] for name in named} <= built


def test_the_same_lock_gives_the_same_context_in_a_folder_and_as_a_tar(shop: Bench) -> None:
    shop.run(*RENDER, "--output", "one").ok()
    shop.patch.setenv("IMAGEKIT_CACHE_DIR", str(shop.folder.parent / "another"))
    shop.run(*RENDER, "--output", "other", "--frozen").ok()
    shop.run(*RENDER, "--output", "it.tar").ok()
    shop.run(*RENDER, "--output", "again.tar").ok()
    one = contents(shop.folder / "one")
    assert contents(shop.folder / "other") == one
    assert (shop.folder / "it.tar").read_bytes() == (shop.folder / "again.tar").read_bytes()
    with tarfile.open(shop.folder / "it.tar") as tar:
        assert {member.name: tar.extractfile(member).read() for member in tar if member.isfile()} == one  # type: ignore[union-attr]


def test_without_a_place_the_dockerfile_is_printed(shop: Bench) -> None:
    printed = shop.run(*RENDER).ok()
    shop.run(*RENDER, "--output", "out").ok()
    assert printed.out == (shop.folder / "out/Dockerfile").read_text()
    assert "--output" in printed.err


def test_neither_mirrors_nor_the_environment_get_into_it(shop: Bench) -> None:
    shop.patch.setenv("NPM_TOKEN", "hunter2-token")
    shop.spec(
        build={"run": 'echo "$NPM_TOKEN" > /dev/null; cp bootstrap made', "environment": {"STEP": "of-the-step"}},
        bootstrap={"path": "made"},
    )
    shop.write("bootstrap", support.SCRIPT, 0o755)
    shop.run(*RENDER, "--output", "out").ok()
    for data in contents(shop.folder / "out").values():
        plain = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        for secret in (b"hunter2-token", b"of-the-step", shop.registry.host.encode()):
            assert secret not in plain


def test_the_bake_file_has_platforms_tags_and_a_cache(shop: Bench) -> None:
    shop.run(*RENDER, "--output", "out").ok()
    made = json.loads((shop.folder / "out/docker-bake.json").read_text())
    assert made["group"]["default"]["targets"] == ["x86_64", "arm64", "index"]
    targets = made["target"]
    assert targets["arm64"]["platforms"] == ["linux/arm64"]
    assert targets["arm64"]["tags"] == ["registry.example/team/app:v1-arm64"]
    assert targets["index"]["platforms"] == ["linux/amd64", "linux/arm64"]
    assert targets["index"]["tags"] == ["registry.example/team/app:v1"]
    assert targets["_common"]["attest"] == ["type=provenance,disabled=true", "type=sbom,disabled=true"]
    assert {"cache-from", "cache-to"} <= targets["_common"].keys()
    shop.run(*RENDER, "--output", "one", "--platform", "arm64", "--to", "a.example/b", "--tag", "x", "--tag", "y").ok()
    made = json.loads((shop.folder / "one/docker-bake.json").read_text())
    assert made["target"]["arm64"]["tags"] == ["a.example/b:x", "a.example/b:y"]
    assert made["group"]["default"]["targets"] == ["arm64"]
    assert instructions((shop.folder / "one/Dockerfile").read_text())[-1].startswith("CMD")


def test_an_empty_base_is_scratch_with_all_that_it_needs(shop: Bench) -> None:
    program = b"\x7fELF" + b"\x02\x01\x01" + bytes(9) + b"\x02\x00\x3e\x00" + bytes(200)
    shop.write("bootstrap", program, 0o755)
    shop.spec(os="scratch", architectures=["x86_64"])
    outcome = shop.run(*RENDER, "--output", "out").ok()
    lines = instructions((shop.folder / "out/Dockerfile").read_text())
    assert lines[0] == "FROM --platform=linux/amd64 scratch AS amd64"
    assert "WORKDIR /var/task" in lines
    assert 'ENTRYPOINT ["/var/runtime/bootstrap"]' in lines
    assert outcome.out == ""


def test_what_packages_take_away_is_removed_by_a_command(amazon: Bench) -> None:
    quiet = support.variant(system.base(), lambda _, config: config["config"].pop("OnBuild"))
    support.put(amazon.registry, quiet, support.PROVIDED, "al2023")
    amazon.spec(packages=["jq"], remove=["curl-minimal"], repositories=TRUSTED, architectures=["x86_64"])
    outcome = amazon.run(*RENDER, "--output", "out")
    assert outcome.code == 0, outcome.err
    text = (amazon.folder / "out/Dockerfile").read_text()
    (archive,) = (line.split()[1] for line in text.splitlines() if line.startswith("ADD layers/packages-"))
    picture = amazon.pushed("--frozen")["x86_64"]
    (layer,) = (
        number
        for number in range(len(picture.manifest["layers"]))
        if any("/.wh." in name for name in picture.layer(number))
    )
    there, gone = {}, []
    with picture.tar(layer) as tar:
        for member in tar:
            folder, _, name = member.name.rpartition("/")
            if name.startswith(".wh."):
                gone.append(f"/{folder}/{name.removeprefix('.wh.')}")
            else:
                there[member.name] = (member.mode, member.uid, member.mtime, member.pax_headers, member.size)
    found = entries((amazon.folder / "out" / archive).read_bytes())
    assert {
        name: (one.mode, one.uid, one.mtime, one.pax_headers, one.size) for name, (one, _) in found.items()
    } == there
    command = text[text.index("RUN [") :]
    assert json.loads(command[4 : command.index("]") + 1].replace("\\\n", "")) == ["rm", "-rf", "--", *gone]
    assert text.index("RUN [") < text.index(f"ADD {archive}")


def test_writing_again_replaces_what_was_written_and_nothing_else(shop: Bench) -> None:
    shop.run(*RENDER, "--output", "out").ok()
    before = contents(shop.folder / "out")
    shop.write("src/app.js", "another app")
    shop.run(*RENDER, "--output", "out").ok()
    after = contents(shop.folder / "out")
    assert len(after) == len(before)
    assert after != before
    shop.write("out/notes.txt", "mine")
    refused = shop.run(*RENDER, "--output", "out")
    assert refused.code == 2
    assert contents(shop.folder / "out") == {**after, "notes.txt": b"mine"}


@pytest.mark.parametrize("holds", ["Dockerfile", "main.go"])
def test_a_folder_of_somebody_elses_is_left_alone(shop: Bench, holds: str) -> None:
    shop.write(f"mine/{holds}", "FROM scratch\n")
    refused = shop.run(*RENDER, "--output", "mine")
    assert refused.code == 2
    assert "nothing there is overwritten" in refused.err
    assert contents(shop.folder / "mine") == {holds: b"FROM scratch\n"}


def test_an_archive_goes_over_no_other_file(shop: Bench) -> None:
    shop.write("notes.tar", "no archive")
    assert shop.run(*RENDER, "--output", "notes.tar").code == 2
    assert (shop.folder / "notes.tar").read_text() == "no archive"


def test_a_base_that_builders_would_carry_something_out_on_is_refused(bench: Bench) -> None:
    bench.spec()
    refused = bench.run(*RENDER, "--output", "out")
    assert refused.code == 2
    assert "ONBUILD" in refused.err
    assert not (bench.folder / "out").exists()


def test_a_base_in_a_folder_is_refused_with_what_to_do(shop: Bench) -> None:
    shop.run("build", "--output", "oci:bases").ok()
    shop.spec(base="oci:bases")
    refused = shop.run(*RENDER)
    assert refused.code == 2
    assert "push it to a registry" in refused.err


@pytest.mark.parametrize("option", [["--output", "x"], ["--tag", "x"], ["--to", "a/b"]])
def test_what_is_for_a_dockerfile_only_is_refused_elsewhere(shop: Bench, option: list[str]) -> None:
    assert shop.run("render", *option).code == 2
