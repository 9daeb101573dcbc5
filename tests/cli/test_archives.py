"""Archives by URL: fetched through mirrors, locked, verified, unpacked below their target."""

from __future__ import annotations

import hashlib
import io
import tarfile

import pytest

from tests.support import bench as support
from tests.support.bench import Bench

URL = "https://downloads.example.com/v{version}/tool-{rpm_arch}.tar.gz"


def archive(architecture: str) -> bytes:
    """An archive with a folder around a program."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, mode, data in (("bin/tool", 0o4750, architecture.encode()), ("README", 0o600, b"read me")):
            member = tarfile.TarInfo(f"tool-1.2/{name}")
            member.size, member.mode, member.mtime, member.uid = len(data), mode, 1_500_000_000, 1000
            tar.addfile(member, io.BytesIO(data))
    return target.getvalue()


@pytest.fixture
def served(bench: Bench) -> dict[str, bytes]:
    """The archives, at a host that is read from a mirror with a path of its own."""
    files = {name: archive(name) for name in ("x86_64", "aarch64")}
    for name, data in files.items():
        bench.registry.files[f"/mirror/v1.2/tool-{name}.tar.gz"] = data
    mirrors = f"{support.PUBLIC}={bench.registry.host},downloads.example.com={bench.registry.host}/mirror"
    bench.patch.setenv("IMAGEKIT_MIRROR", mirrors)
    return files


def spec(bench: Bench, **changes: object) -> None:
    bench.spec(version="1.2", archives=[{"source": URL, "target": "/opt/tool", "strip": 1, **changes}])


def test_an_archive_is_locked_by_its_own_url_and_unpacked(bench, served):
    spec(bench)
    images = bench.pushed()
    for name, rpm in (("x86_64", "x86_64"), ("arm64", "aarch64")):
        url = URL.format(version="1.2", rpm_arch=rpm)
        sha256 = hashlib.sha256(served[rpm]).hexdigest()
        assert bench.locked["platforms"][name]["archives"] == {url: {"sha256": sha256, "size": len(served[rpm])}}
        entries = images[name].layer(-2)
        found = {path: (entry.mode, entry.uid, entry.mtime) for path, entry in entries.items() if not entry.isdir()}
        assert found == {
            "opt/tool/bin/tool": (0o755, 0, 1_500_000_000),
            "opt/tool/README": (0o644, 0, 1_500_000_000),
        }
        assert images[name].read(-2, "opt/tool/bin/tool") == rpm.encode()
    assert bench.registry.host not in bench.lock.read_text()


def test_an_archive_is_fetched_once_and_then_comes_from_the_cache(bench, served):
    spec(bench)
    bench.run("build").ok()
    assert len(bench.registry.seen("GET /mirror/")) == 2
    bench.registry.requests.clear()
    bench.write("bootstrap", "#!/bin/sh\nexit 1\n")
    bench.run("build").ok()
    bench.run("build", "--offline", "--locked").ok()
    assert bench.registry.seen() == []


def test_a_checksum_in_the_spec_is_held_against_the_archive(bench, served):
    sums = {"x86_64": hashlib.sha256(served["x86_64"]).hexdigest(), "arm64": "0" * 64}
    spec(bench, sha256=sums)
    outcome = bench.run("build")
    assert outcome.code == 3
    assert outcome.error[0].startswith(
        "error: https://downloads.example.com/v1.2/tool-aarch64.tar.gz: "
        f"http://{bench.registry.host}/mirror/v1.2/tool-aarch64.tar.gz has another checksum: expected sha256:0000"
    )
    sums["arm64"] = hashlib.sha256(served["aarch64"]).hexdigest()
    spec(bench, sha256=sums)
    bench.run("build").ok()
    spec(bench, sha256={**sums, "arm64": "0" * 64})
    outcome = bench.run("build", "--locked")
    assert outcome.code == 1
    assert "arm64: the archive https://downloads.example.com/v1.2/tool-aarch64.tar.gz has another sha256 in the" in (
        outcome.err
    )


def test_only_the_platform_that_an_archive_is_for_gets_it(bench, served):
    spec(bench, only=["arm64"])
    images = bench.pushed()
    assert len(images["arm64"].manifest["layers"]) == len(images["x86_64"].manifest["layers"]) + 1
    assert "archives" not in bench.locked["platforms"]["x86_64"]


def test_adding_an_archive_keeps_what_was_locked(bench, served):
    bench.spec(version="1.2")
    bench.run("lock").ok()
    before = bench.locked["platforms"]
    support.put(bench.registry, support.base("docker"), support.PROVIDED, "al2023")
    spec(bench)
    bench.run("lock").ok()
    after = bench.locked["platforms"]
    assert {name: platform["base"] for name, platform in after.items()} == {
        name: platform["base"] for name, platform in before.items()
    }
    assert all(len(platform["archives"]) == 1 for platform in after.values())
