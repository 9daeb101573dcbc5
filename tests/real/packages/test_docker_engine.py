"""The engine `docker`: a real dnf in real containers of a base gives, path by path, what `native` gives without any."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.bench import PROVIDED, PUBLIC, put
from tests.support.commands import IMAGEKIT, Ran, imagekit
from tests.support.engine import Engine, podman_service
from tests.support.packages import managed, trees
from tests.support.packages.shop import ARCHITECTURES, Shop
from tests.support.packages.system import OCI_ARCHES
from tests.support.packages.trees import Held
from tests.support.packages.world import World
from tests.support.registry import Registry

pytestmark = pytest.mark.real

#: What specs say of packages. On the second architecture each program is emulated, so that a few have to do there.
REQUESTS: tuple[Mapping[str, Any], ...] = (
    {"packages": ["jq"]},
    {"packages": ["edge-users"]},
    {"packages": ["edge-modes"]},
    {"packages": ["edge-names"]},
    {"packages": ["edge-config"]},
    {"packages": ["edge-links"]},
    {"packages": ["edge-ldconfig"]},
    {"packages": ["edge-trigger"]},
    {"packages": ["edge-systemd"]},
    {"packages": ["edge-rich"]},
    {"packages": ["php-cli", "php-intl"]},
    {"packages": ["php-sqlite3"], "slim": True},
    {"packages": ["curl"], "remove": ["curl-minimal"]},
    {"packages": ["curl", "edge-path"], "upgrade": "all", "remove": ["libsepol2"]},
    {"upgrade": "all"},
    {"upgrade": ["edge-upgraded"]},
    {"remove": ["edge-upgraded"]},
    {"packages": ["less"], "slim": True},
    {"packages": ["jq"], "weak_dependencies": True},
    {"packages": ["sqlite3"]},
    {"packages": ["lua5.4"]},
    {"packages": ["vim-tiny"]},
    {"packages": ["nano", "file"]},
)
EMULATED = ({"packages": ["jq", "edge-users", "edge-modes"]}, {"packages": ["curl"], "remove": ["curl-minimal"]})
#: What the base has not, so that `native` does not make it anew.
_ONCE = frozenset({"etc/ld.so.cache"})


class Counter(Shop):
    """A folder for a spec, with an engine."""

    def __init__(self, folder: Path, registry: Registry, world: World, cache: Path, engine: Engine) -> None:
        super().__init__(folder, registry, world, cache)
        self.engine = engine

    @property
    def settings(self) -> dict[str, str]:
        return {**super().settings, **self.engine.settings}

    def image(self, arch: str = "x86_64", **keys: Any) -> dict[str, Held]:
        """Every path of the image of a spec, less what imagekit itself puts into it."""
        self.spec(architectures=[ARCHITECTURES[arch]], **keys)
        layout = self.folder / "layout"
        self.well("build", "--output", f"oci:{layout}")
        layers = trees.layers_of(layout, OCI_ARCHES[arch])
        shutil.rmtree(layout)
        return {path: held for path, held in trees.merged(layers).items() if path not in _ONCE}

    def fails(self, code: int, **keys: Any) -> str:
        """What is said of a spec that cannot be built; nothing of it is left in the engine."""
        self.spec(**{"architectures": ["x86_64"], "engine": "docker", **keys})
        ended = self.run("build")
        assert ended.code == code, ended
        assert not self.containers()
        return ended.err

    def away(self, *words: str) -> Ran:
        """Run imagekit where no engine is."""
        settings = {**self.settings, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
        return imagekit(*words, folder=self.folder, settings=settings)

    def containers(self) -> list[str]:
        return self.engine.docker("ps", "--all", "--quiet").lines

    def command(self, *words: str) -> subprocess.Popen[bytes]:
        """imagekit in a process of its own, in a group of its own."""
        return subprocess.Popen(
            [*IMAGEKIT, *words],
            cwd=self.folder,
            env={**os.environ, **self.settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[Registry]:
    """Bases that have a dnf, and packages."""
    with Registry() as registry:
        registry.files.update(world.files)
        put(registry, managed.base(world), PROVIDED, "al2023")
        put(registry, managed.base(world, name="yum", arches=["x86_64"]), PROVIDED, "old")
        yield registry


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine-cache")


@pytest.fixture
def counter(tmp_path: Path, served: Registry, world: World, cache: Path, docker: Engine) -> Counter:
    return Counter(tmp_path / "app", served, world, cache, docker)


def differences(ours: Mapping[str, Held], theirs: Mapping[str, Held]) -> dict[str, tuple[object, object]]:
    names = sorted({*ours, *theirs})
    return {path: (ours.get(path), theirs.get(path)) for path in names if ours.get(path) != theirs.get(path)}


@pytest.mark.parametrize(
    ("arch", "keys"),
    [*(("x86_64", keys) for keys in REQUESTS), *(("aarch64", keys) for keys in EMULATED)],
    ids=lambda value: value if isinstance(value, str) else re.sub(r"[^a-z0-9.]+", "-", str(value)).strip("-"),
)
def test_both_engines_give_the_same_tree(counter: Counter, arch: str, keys: Mapping[str, Any]) -> None:
    native = counter.image(arch, **keys)
    lock = counter.locked(arch)
    container = counter.image(arch, engine="docker", **keys)
    assert counter.locked(arch) == lock
    found = differences(native, container)
    if "edge-users" in keys.get("packages", ()):
        # The mark of there being no password is useradd's own.
        assert found.keys() == {"etc/shadow", "etc/gshadow"}
    else:
        assert not found


def test_podman_gives_the_same_tree(tmp_path: Path, served: Registry, world: World, cache: Path) -> None:
    keys = {"packages": ["jq", "edge-links"]}
    with podman_service() as engine:
        counter = Counter(tmp_path / "app", served, world, cache, engine)
        assert not differences(counter.image(**keys), counter.image(engine="docker", **keys))
        image = counter.image(engine="docker", run=["echo x >/opt/x; sleep 1000 &"], **keys)
        assert "opt/x" in image
        assert not counter.containers()


@pytest.mark.parametrize(
    "keys",
    [
        {"packages": ["curl", "edge-path"], "upgrade": "all", "remove": ["libsepol2"]},
        {"packages": ["curl"], "remove": ["curl-minimal"]},
    ],
    ids=["changed", "exchanged"],
)
def test_a_manager_that_lets_nothing_take_the_place_of_what_is_there(counter: Counter, keys: Mapping[str, Any]) -> None:
    """As yum and microdnf: what has to make room goes before what comes."""
    old = f"{PUBLIC}/{PROVIDED}:old"
    assert not differences(counter.image(base=old, **keys), counter.image(base=old, engine="docker", **keys))


def test_what_is_built_already_needs_no_engine(counter: Counter) -> None:
    counter.spec(packages=["jq"], engine="docker", architectures=["x86_64"], run=["echo once >/opt/once"])
    assert counter.well("build").out == counter.away("build").out != ""


def test_lock_and_plan_say_that_nobody_can_promise_the_same_bits(counter: Counter) -> None:
    counter.spec(packages=["jq"], run=["true"], architectures=["x86_64"])
    counter.well("lock", "--engine", "docker")
    document = json.loads((counter.folder / "runtime.lock").read_text())
    assert document["platforms"]["x86_64"]["engine"] == {"name": "docker", "reproducible": False}
    (plan,) = json.loads(counter.well("plan", "--engine", "docker", "--json").out)
    (part,) = plan["layers"][0]["parts"]
    assert (part["engine"], part["reproducible"], part["run"]) == ("docker", False, ["true"])


def test_commands_change_the_base_after_its_packages(counter: Counter) -> None:
    commands = [
        "jq --version >/opt/version; echo $IMAGEKIT_ARCHITECTURE $IMAGEKIT_RPM_ARCH >/opt/names",
        "rm -r /usr/share/edge; mkdir -p /var/log/app; echo x >/var/log/app/log; ln /opt/names /opt/same",
        "touch -d @86400 /opt/early",
    ]
    image = counter.image(engine="docker", packages=["jq"], run=commands)
    assert "usr/share/edge" not in image
    assert "var/log/app" in image
    assert "var/log/app/log" not in image
    assert image["opt/same"].content == image["opt/names"].content
    assert image["opt/names"].mtime == image["opt/version"].mtime == 315_532_800
    assert image["opt/early"].mtime == 86_400
    assert not [path for path in image if path.startswith((".imagekit", "var/cache/dnf/", "var/lib/dnf/"))]
    assert not counter.containers()


def test_only_its_files_outlive_a_command(counter: Counter) -> None:
    counter.spec(engine="docker", architectures=["x86_64"], run=["sleep 1000 & touch /tmp/x /dev/shm/y"])
    said = counter.well("build").err
    assert "ended what it left running: sleep;" in said
    assert "left out, as nothing there outlives a start: /tmp/x" in said
    assert not counter.containers()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo one; echo two >&2; exit 3", "the command 1 of `run` failed with exit code 3\n  | one\n  | two"),
        ("no-such-program", "no-such-program: not found"),
        (
            "rpm --erase --nodeps edge-old-name",
            "did with the packages what the lock does not say: removed edge-old-name",
        ),
        ("touch /opt/.wh.x", "begins with .wh., which would remove a file of the image"),
        ('touch "$(printf "/opt/\\377")"', "is not UTF-8"),
        ("rm -r /opt; ln -s usr /opt", "the path '/opt' is a symlink, and there is a directory in its place"),
    ],
)
def test_a_command_that_cannot_be_built_from(counter: Counter, command: str, words: str) -> None:
    assert words in counter.fails(3, run=[command])


def test_devices_and_pipes_are_told(counter: Counter) -> None:
    counter.spec(engine="docker", architectures=["x86_64"], run=["mkfifo /opt/pipe; mknod /opt/device c 1 3"])
    assert "left out, as Lambda takes no devices and pipes: /opt/device, /opt/pipe" in counter.well("build").err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda one: one.name)
@pytest.mark.parametrize("when", ["dnf in a container", "command 1"])
def test_nothing_outlives_whoever_is_stopped(counter: Counter, number: signal.Signals, when: str) -> None:
    counter.spec(engine="docker", packages=["php-cli", "php-intl"], run=["sleep 300"], architectures=["x86_64"])
    counter.well("lock")
    with counter.command("build") as process:
        _wait_for_container(counter, "sleep 300" if when == "command 1" else "dnf")
        process.send_signal(number)
        process.communicate(timeout=120)
    assert process.returncode in {130, 143, -signal.SIGTERM, -signal.SIGKILL}
    _until(lambda: not counter.containers())


def _wait_for_container(counter: Counter, program: str) -> None:
    def runs() -> bool:
        return any(program in counter.engine.docker("top", name).out for name in counter.containers())

    _until(runs)


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if holds():
                return
        except AssertionError:  # a container that went between two looks
            pass
        time.sleep(0.05)
    raise AssertionError("it does not come to that")


def test_without_an_engine_it_is_told_what_to_do(counter: Counter) -> None:
    counter.spec(engine="docker", packages=["jq"], architectures=["x86_64"], run=["echo another"])
    counter.well("lock")
    ended = counter.away("build")
    assert ended.code == 5
    assert "no Docker engine can be reached" in ended.err
    assert "`engine: native` needs none" in ended.err
