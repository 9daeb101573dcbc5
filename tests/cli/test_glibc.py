"""A program or a library that was linked against a newer glibc than the operating system has."""

from __future__ import annotations

import io
import tarfile

import pytest

from tests.support.bases import Node, StandIn
from tests.support.bench import Bench, put
from tests.support.programs import ARM64, X86_64, elf, wanting

MACHINES = {"x86_64": X86_64, "arm64": ARM64}
NEWER, OLDER = ("fmod", "GLIBC_2.38"), ("fmod", "GLIBC_2.34")
HINT = (
    "  hint: link it statically (Go: CGO_ENABLED=0), compile it against glibc 2.34 (`zig cc -target "
    "x86_64-linux-gnu.2.34`, `cargo zigbuild --target x86_64-unknown-linux-gnu.2.34`), or build it on that system or "
    "an older one"
)


def test_a_bootstrap_that_cannot_start_fails_the_build(bench: Bench):
    bench.spec(
        bootstrap={"path": "build/{architecture}/app"},
        build="printf . >>calls; mkdir -p build; cp -r made/. build/",
    )
    for name, machine in MACHINES.items():
        bench.write(f"made/{name}/app", wanting(machine, NEWER), 0o755)
    for _ in range(2):  # also when the layers are in the cache
        outcome = bench.run("build")
        assert outcome.code == 1
        first, *_, hint, _, _ = outcome.err[outcome.err.index("runtime.yaml:") :].splitlines()
        assert first == (
            "runtime.yaml:5:15: error[IK0401]: '/var/runtime/bootstrap' for x86_64 and arm64 needs glibc 2.38 for "
            "`fmod`, and Amazon Linux 2023 has 2.34"
        )
        assert hint == HINT
    assert bench.run("push", "--to", bench.repository()).code == 1
    assert not bench.registry.repository("team/app").tags
    for name, machine in MACHINES.items():
        bench.write(f"made/{name}/app", wanting(machine, OLDER), 0o755)
    assert "IK0401" not in bench.run("build").ok().err


def test_a_library_of_the_files_is_a_warning_for_its_architecture(bench: Bench):
    for name, machine in MACHINES.items():
        bench.write(f"lib/{name}/libown.so", wanting(machine, NEWER if name == "arm64" else OLDER))
        bench.write(f"lib/{name}/plain.txt", b"\x7fELF")
    bench.spec(files=[{"source": "lib/{architecture}", "target": "/opt/lib"}])
    for _ in range(2):
        err = bench.run("build").ok().err
        assert err.count("IK0401") == 1
        assert (
            "warning[IK0401]: '/opt/lib/libown.so' for arm64 needs glibc 2.38 for `fmod`, and Amazon Linux 2023" in err
        )
        assert "`zig cc -target aarch64-linux-gnu.2.34`" in err
    assert bench.run("build", "--strict").code == 1
    older = bench.run("build", "--set", "os=al2", "--platform", "x86_64").ok().err
    assert "'/opt/lib/libown.so' for x86_64 needs glibc 2.34 for `fmod`, and Amazon Linux 2 has 2.26" in older


def test_what_starts_out_of_an_archive_is_an_error_and_its_neighbours_are_not(bench: Bench):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name in ("app/bin/run", "app/lib/one.so", "app/lib/two.so"):
            data = wanting(X86_64, NEWER)
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    bench.write("app.tar.gz", target.getvalue())
    bench.spec(
        architectures=["x86_64"],
        bootstrap={"per_event": ["/opt/app/bin/run"]},
        archives=[{"source": "app.tar.gz", "target": "/opt"}],
    )
    outcome = bench.run("build")
    assert outcome.code == 1
    found = [line.split(": ", 1)[1][:60] for line in outcome.err.splitlines() if "IK0401" in line]
    assert found == [
        "error[IK0401]: '/opt/app/bin/run' for x86_64 needs glibc 2.3",
        "warning[IK0401]: '/opt/app/lib/one.so' for x86_64 needs glib",
        "warning[IK0401]: '/opt/app/lib/two.so' for x86_64 needs glib",
    ]
    bench.spec(
        architectures=["x86_64"],
        base=f"{bench.registry.host}/own/base:1",
        bootstrap={"per_event": ["/opt/app/bin/run"]},
        archives=[{"source": "app.tar.gz", "target": "/opt"}],
    )
    put(bench.registry, StandIn.make(on_build=False), "own/base", "1")
    assert bench.run("build").ok().err.count("warning[IK0401]") == 3, "another base may have another glibc"


def test_out_of_an_image_too_and_many_are_told_together(bench: Bench):
    nodes = {f"opt/lib/lib{number:02}.so": Node(wanting(X86_64, NEWER)) for number in range(14)}
    put(bench.registry, StandIn.make(also={"amd64": nodes}, architectures=("amd64",), on_build=False), "tools", "1")
    image = f"{bench.registry.host}/tools:1"
    bench.spec(architectures=["x86_64"], files=[{"image": image, "source": "/opt", "target": "/opt"}])
    err = bench.run("build").ok().err
    assert err.count("warning[IK0401]: '/opt/lib/lib") == 10
    assert "warning[IK0401]: 4 more files need a newer glibc than the operating system has" in err


@pytest.mark.parametrize("os_", ["al2023", "scratch"])
def test_who_brings_a_glibc_has_reasons_and_an_empty_image_has_none(bench: Bench, os_: str):
    bench.write("lib/libown.so", wanting(X86_64, NEWER))
    if os_ == "al2023":
        bench.write("lib/libc.so.6", wanting(X86_64, NEWER))
    else:
        bench.write("bootstrap", elf(X86_64), 0o755)
    bench.spec(os=os_, architectures=["x86_64"], files=[{"source": "lib", "target": "/opt/lib"}])
    assert "IK0401" not in bench.run("build").ok().err
