"""The spec of one platform: nothing in it depends on the architecture any more."""

import pytest

from imagekit.architecture import ARM64, X86_64
from imagekit.errors import InvalidSpec
from imagekit.spec.flatten import for_platform
from imagekit.spec.model import FromDisk, Push
from imagekit.spec.platform import PlatformArchive, PlatformFromImage, PlatformProgram

TEXT = """\
name: app
language: scripted
version: "1.2"
os: linux1
handler: a.b
base: {x86_64: "oci:x", arm64: "corp/base:{version}"}
bootstrap: {path: "build/{architecture}/{name}"}
build: [{run: "both {x", inputs: [a]}, {run: intel, only: [x86_64]}, {run: arm, only: [arm64]}]
archives:
- {source: "https://example.com/{version}-{tool_arch}-{rpm_arch}-{oci_arch}", target: "/opt/{version}", strip: 1}
- {source: {x86_64: "https://a/b"}, sha256: {x86_64: "%s"}, target: /a, only: [x86_64]}
files:
- {source: "src/{architecture}", target: /var/task, exclude: ["{tool_arch}.md"], mode: "0644"}
- {image: {x86_64: "corp/x:1", arm64: "corp/a:1"}, source: "/{name}", target: /opt/}
environment: {PATH: "/opt:{base.PATH}", J: "{{}}"}
labels: {a: "{b"}
push: {to: [corp/app], tags: ["{version}", "v{version}", "1.2"]}
""" % ("0" * 64)


def test_one_platform_of_a_spec(spec_of):
    flat = for_platform(spec_of(TEXT), ARM64, {"tool_arch": "aarch"})
    assert (flat.architecture, flat.base, flat.handler, flat.root) == (ARM64, "corp/base:1.2", "a.b", "/home/app")
    assert flat.bootstrap == PlatformProgram(path="build/arm64/app")
    assert [(step.run, step.only) for step in flat.build] == [("both {x", ()), ("arm", ())]
    assert flat.archives == (
        PlatformArchive(source="https://example.com/1.2-aarch-aarch64-arm64", target="/opt/1.2", strip=1),
    )
    assert flat.files == (
        FromDisk(source="src/arm64", target="/var/task", exclude=("aarch.md",), mode=0o644),
        PlatformFromImage(image="corp/a:1", source="/app", target="/opt/"),
    )
    assert flat.environment == {"PATH": "/opt:{base.PATH}", "J": "{{}}"}
    assert flat.labels == {"a": "{b"}
    assert flat.push == Push(to=("corp/app",), tags=("1.2", "v1.2"))


def test_a_bootstrap_of_another_image_is_among_the_files(spec_of):
    image = '{x86_64: "corp/x:{version}", arm64: "corp/a:{version}"}'
    brought = f"bootstrap: {{image: {image}, paths: ['/opt/{{name}}', /var/runtime/bootstrap]}}\n"
    flat = for_platform(
        spec_of(TEXT.replace('bootstrap: {path: "build/{architecture}/{name}"}\n', brought)),
        ARM64,
        {"tool_arch": "aarch"},
    )
    assert flat.bootstrap is None
    assert flat.files[:2] == (
        PlatformFromImage(image="corp/a:1.2", source="/opt/app", target="/opt/app"),
        PlatformFromImage(
            image="corp/a:1.2", source="/var/runtime/bootstrap", target="/var/runtime/bootstrap", mode=0o755
        ),
    )


def test_the_other_platform_has_what_is_only_for_it(spec_of):
    flat = for_platform(spec_of(TEXT), X86_64, {"tool_arch": "x64"})
    assert flat.base == "oci:x"
    assert [step.run for step in flat.build] == ["both {x", "intel"]
    assert flat.archives[1] == PlatformArchive(source="https://a/b", target="/a", sha256="0" * 64)


def test_what_was_left_out_is_empty(spec_of):
    flat = for_platform(spec_of("name: a\nlanguage: compiled\nos: linux1\n"), ARM64, {})
    assert (flat.base, flat.bootstrap, flat.handler, flat.version) == (None, None, None, None)
    assert (flat.build, flat.archives, flat.files) == ((), (), ())


def test_all_that_has_no_value_or_no_form_is_found_at_its_item(spec_of):
    text = (
        "name: a\nlanguage: scripted\nversion: 1+2\nos: linux1\nhandler: a\narchitectures: [x86_64]\n"
        "archives:\n- {source: {x86_64: 'https://a'}, target: '{tool_arch}'}\n- {source: '{tool_arch}', target: /a}\n"
        "files: [{source: '{tool_arch}/x', target: /a}]\npush: {tags: ['{version}']}\n"
    )
    with pytest.raises(InvalidSpec):
        spec_of(text)
    spec = spec_of(text.replace("1+2", "1"))
    with pytest.raises(InvalidSpec) as caught:
        for_platform(spec, ARM64, {"tool_arch": "https://u:SECRET@../.."})
    found = [f"{one.place} {one.code}".removeprefix("runtime.yaml:") for one in caught.value.findings]
    assert found == ["8:3 IK0102", "8:3 IK0104", "9:3 IK0109"]
    assert "SECRET" not in "".join(map(str, caught.value.findings))
    with pytest.raises(InvalidSpec) as caught:
        for_platform(spec, X86_64, {"tool_arch": ".."})
    assert "runtime.yaml:10:9 IK0104" in [f"{one.place} {one.code}" for one in caught.value.findings]


def test_a_placeholder_without_a_value_is_found(spec_of):
    with pytest.raises(InvalidSpec) as caught:
        for_platform(spec_of(TEXT), ARM64, {})
    assert {finding.code for finding in caught.value.findings} == {"IK0105"}
    assert len(caught.value.findings) == 2
