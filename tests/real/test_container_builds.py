"""Build steps in containers of a real engine: what goes in and comes out, and everything that can go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bases import StandIn
from tests.support.builds import PROGRAM, Site
from tests.support.commands import imagekit_well
from tests.support.docker_registry import Bases, DockerRegistry
from tests.support.engine import Engine

pytestmark = pytest.mark.real


@pytest.fixture
def site(bases: Bases, docker: Engine, tmp_path: Path) -> Site:
    return Site.make(tmp_path, bases.settings, docker.settings)


def test_a_step_in_the_base_makes_the_program_of_each_architecture(site: Site, docker: Engine) -> None:
    site.write("src/greeting", "hello")
    site.spec(
        {"run": 'printf "#!/bin/sh\\n# $(cat src/greeting) $(uname -m) $PWD\\n" > "$IMAGEKIT_OUTPUT"; touch other'}
    )
    ran = site.built()
    for name, machine in (("x86_64", "x86_64"), ("arm64", "aarch64")):
        made = site.folder / "build" / name / "bootstrap"
        assert made.read_text() == f"#!/bin/sh\n# hello {machine} /imagekit/source\n"
    assert not (site.folder / "other").exists()
    assert docker.docker("ps", "--all", "--quiet").out == ""
    again = site.built()
    assert again.out == ran.out
    assert again.err.count("unchanged") == 2
    site.write("src/greeting", "goodbye")
    assert site.built().err.count("unchanged") == 0


def test_an_image_of_the_specs_own_is_pinned_and_may_have_packages(
    site: Site, plain: DockerRegistry, programs: dict[str, dict[str, bytes]], docker: Engine
) -> None:
    manager = b"#!/bin/sh\necho $* > /installed\n"
    tools = {name: {**files, "apt-get": manager} for name, files in programs.items()}
    StandIn.make("oci", tools).push(plain.host, "tools", "1")
    image = f"{plain.host}/tools:1"
    site.spec({"run": f"cat /installed > made; {PROGRAM}", "in": image, "packages": ["gcc", "make"]})
    site.built()
    text = (site.folder / "build/arm64/bootstrap").read_text()
    assert text == "#!/bin/sh\n# install -y --no-install-recommends gcc make\n"
    locked = json.loads((site.folder / "runtime.lock").read_text())["platforms"]
    first = {name: platform["images"][image]["manifest"] for name, platform in locked.items()}
    assert first["x86_64"] != first["arm64"]
    plan = json.loads(imagekit_well("plan", "--json", folder=site.folder, settings=site.settings).out)
    assert [one["build"] for one in plan] == [
        [{"in": image, "image": first[name], "run": f"cat /installed > made; {PROGRAM}", "packages": ["gcc", "make"]}]
        for name in ("x86_64", "arm64")
    ]
    tools = {name: {**files, "more": b"more"} for name, files in tools.items()}
    StandIn.make("oci", tools).push(plain.host, "tools", "1")
    assert site.built().err.count("unchanged") == 2, "the lock says which one"
    imagekit_well("lock", "--upgrade", folder=site.folder, settings=site.settings)
    assert site.built().err.count("unchanged") == 0


def test_folders_come_out_whole_and_nothing_else_does(site: Site) -> None:
    site.write("native/a.c", "int a;")
    site.spec(
        {
            "run": "out=build/$IMAGEKIT_ARCHITECTURE/lib; mkdir -p $out/deep; cp a.c $out/deep/a.so; "
            "ln -s deep/a.so $out/link; chmod 700 $out/deep/a.so; echo x > /etc/outside; echo x > ../beside; rm a.c",
            "directory": "native",
            "outputs": ["build/{architecture}/lib"],
        },
        bootstrap={"command": ["/bin/sh"]},
        files=[{"source": "native/build/{architecture}/lib", "target": "/opt/lib"}],
    )
    for name in ("x86_64", "arm64"):
        site.write(f"native/build/{name}/lib/old", "of an earlier build")
    site.built()
    assert (site.folder / "native/a.c").exists()
    assert not (site.folder / "beside").exists()
    for name in ("x86_64", "arm64"):
        lib = site.folder / "native/build" / name / "lib"
        assert sorted(path.name for path in lib.rglob("*")) == ["a.so", "deep", "link"]
        assert (lib / "deep/a.so").stat().st_mode & 0o777 == 0o755
    assert site.built().err.count("unchanged") == 2
    (site.folder / "native/build/arm64/lib/deep/a.so").write_text("touched")
    assert site.built().err.count("unchanged") == 1


def test_each_step_has_a_cache_of_its_own(site: Site, docker: Engine) -> None:
    count = "echo run >> $IMAGEKIT_CACHE/runs; grep -c . $IMAGEKIT_CACHE/runs > made"
    site.spec({"run": f"{count}; {PROGRAM}"})
    for number in (1, 2, 3):
        site.write("source", str(number))
        site.built("--platform", "x86_64")
        assert (site.folder / "build/x86_64/bootstrap").read_text().endswith(f"# {number}\n")
    site.built()
    assert (site.folder / "build/arm64/bootstrap").read_text().endswith("# 1\n")
    shown = docker.docker("volume", "ls", "--filter=label=dev.imagekit.cache", "--format={{.Labels}}").out
    assert "dev.imagekit.cache=app: arm64 step 1" in shown


def test_a_secret_is_seen_by_the_command_and_nowhere_else(site: Site, docker: Engine) -> None:
    secret = "correct horse battery"
    show = 'echo "it is $TOKEN and $(cat /run/secrets/TOKEN)"; ls -l /run/secrets; grep /run/secrets /proc/mounts'
    step = {"run": f"{show}; echo ${{#TOKEN}} > made; {PROGRAM}", "secrets": ["TOKEN"]}
    site.spec(step)
    unset = site.build()
    assert unset.code == 5
    assert "the secret TOKEN is not set" in unset.err
    site.built(TOKEN=secret)
    assert (site.folder / "build/arm64/bootstrap").read_text().endswith(f"# {len(secret)}\n")
    log = (site.folder / ".imagekit/log/arm64-1.log").read_text()
    assert "it is *** and ***\n" in log
    assert "\n-rw------- " in log
    assert "tmpfs /run/secrets tmpfs" in log
    everything = [path for path in site.folder.parent.rglob("*") if path.is_file()]
    assert len(everything) > 10
    assert [path for path in everything if secret.encode() in path.read_bytes()] == []
    site.spec({**step, "run": f"{show}; exit 3"})
    failed = site.build(TOKEN=secret)
    assert (failed.code, secret in failed.err) == (3, False)
    assert "it is *** and ***" in failed.err
    site.spec({**step, "run": 'echo "$TOKEN" > "$IMAGEKIT_OUTPUT"'})
    told = site.build(TOKEN=secret)
    assert told.code == 3
    assert "holds the secret TOKEN" in told.err
    assert docker.docker("ps", "--all", "--quiet").out == ""


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"run": "echo this is why; exit 7"}, "failed with exit code 7\n  | this is why"),
        ({"run": "echo waiting; sleep 1000", "timeout": 2}, "did not end within 2 s\n  | waiting"),
        ({"run": "echo $$; kill -9 $$"}, "was ended by signal 9"),
        ({"run": "echo done > elsewhere"}, "ended well but left no /imagekit/source/build/x86_64/bootstrap"),
        ({"run": "ln -s /bin/sh $IMAGEKIT_OUTPUT"}, "is a symlink"),
        ({"run": "mkfifo $IMAGEKIT_OUTPUT"}, "is a device or pipe"),
        ({"run": "true", "packages": ["gcc"]}, "has no gcc: installing failed with exit code 127\n  | the image has"),
        ({"run": "true", "inputs": ["*.none"]}, "`inputs` match no file"),
        ({"run": "true", "directory": "none"}, "none"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_told_and_leaves_nothing(
    site: Site, docker: Engine, step: dict[str, object], message: str
) -> None:
    site.write("build/x86_64/bootstrap", "of an earlier build")
    site.spec(step)
    ran = site.build("--platform", "x86_64")
    assert ran.code in (2, 3), ran.err
    assert message in ran.err
    assert "runtime.yaml:1:" in ran.err
    assert docker.docker("ps", "--all", "--quiet").out == ""
    assert (site.folder / "build/x86_64/bootstrap").read_text() == "of an earlier build"
    assert not (site.folder / ".imagekit/outputs/app/x86_64-1").exists()


def test_a_program_for_the_wrong_architecture_is_refused(site: Site, programs: dict[str, dict[str, bytes]]) -> None:
    (site.folder / "shell").write_bytes(programs["amd64"]["busybox"])
    site.spec({"run": 'cp shell "$IMAGEKIT_OUTPUT"'})
    ran = site.build("--platform", "arm64")
    assert ran.code == 3
    assert "is a program for x86_64, not for arm64" in ran.err


def test_a_daemon_that_a_command_leaves_ends_with_its_container(site: Site, docker: Engine) -> None:
    site.spec({"run": f"setsid sleep 4242 & echo left > made; {PROGRAM}"})
    site.built("--platform", "x86_64")
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert not any(b"4242" in words for words in running)


def test_a_project_may_be_reached_through_a_symlink(site: Site, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(site.folder)
    site.spec({"run": f"pwd > made; {PROGRAM}", "directory": "native"})
    site.write("native/source", "")
    site.built(str(tmp_path / "link/runtime.yaml"))
    assert site.made("arm64").endswith("# /imagekit/source/native\n")
    assert site.built(str(tmp_path / "link/runtime.yaml")).err.count("unchanged") == 2


def test_an_earlier_step_may_make_what_a_container_reads(site: Site) -> None:
    site.spec(
        {"run": "mkdir -p gen; echo $IMAGEKIT_ARCHITECTURE > gen/made", "in": "host"},
        {"run": f"cd gen; {PROGRAM}", "inputs": ["gen/made"]},
    )
    site.built()
    assert site.made("arm64").endswith("# arm64\n")


def test_without_an_engine_nothing_begins(site: Site, tmp_path: Path) -> None:
    site.spec({"run": "touch ran", "in": "host"}, {"run": PROGRAM})
    ran = site.build(DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert ran.code == 5
    assert "no Docker engine can be reached" in ran.err
    assert "`in: host`" in ran.err
    assert not (site.folder / "ran").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=str)
def test_a_build_that_is_ended_leaves_no_container(site: Site, docker: Engine, number: signal.Signals) -> None:
    site.spec({"run": "trap '' INT TERM; echo begun; while true; do sleep 1; done"})
    log = site.folder / ".imagekit/log/x86_64-1.log"
    # Whoever started the tests may ignore Ctrl-C.
    hears = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from imagekit.cli import main; "
    )
    build = subprocess.Popen(
        [sys.executable, "-c", f"{hears}sys.argv[1:] = ['build']; main()"],
        cwd=site.folder,
        env={**os.environ, **site.settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with build:
        _wait(lambda: log.exists() and "begun" in log.read_text())
        build.send_signal(number)
        build.communicate(timeout=60)
    assert build.returncode == (-number if number == signal.SIGKILL else 130)
    _wait(lambda: not docker.docker("ps", "--all", "--quiet").out)


def _wait(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.1)
