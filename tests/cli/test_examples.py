"""The examples, built by the compilers that they name, and run on the architecture that they are for."""

import json
import os
import platform
import subprocess
import sys
from importlib.util import find_spec

import pytest

from imagekit.architecture import ARCHITECTURES, by_name
from tests.support.runtime_api import invoke
from tests.support.tools import need

pytestmark = pytest.mark.real

GREETING = {"message": "Hello, Ada!"}
#: What each example needs on this machine, and what it answers to its event; those left out need a machine that
#: compiles for itself alone.
EXAMPLES = {
    "hello": ((), {"n": 1}),
    "go": (("go",), GREETING),
    "go-al2": (("go",), GREETING),
    "rust": (("cargo", "rustc"), GREETING),
    "cpp": (("cmake", "{rpm}-linux-gnu-g++"), GREETING),
}


@pytest.fixture
def real_home(monkeypatch, clean_environment):
    """Compilers keep their toolchains and caches in the home that tests hide."""
    import pwd

    home = pwd.getpwuid(os.getuid()).pw_dir
    monkeypatch.setenv("HOME", home)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("PATH", f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}")


def emulated(architecture):
    """The words before a program's path that run it here."""
    machine = platform.machine()
    return [] if machine in (architecture.name, architecture.rpm) else [need(f"qemu-{architecture.rpm}-static")]


def lacking(what):
    """Skip; in CI, where nothing is skipped silently, fail."""
    end = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    end(f"{what} is not installed")


@pytest.mark.parametrize("architecture", [one.name for one in ARCHITECTURES])
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_builds_and_answers_its_event(bench, real_home, tmp_path, name, architecture):
    tools, expected = EXAMPLES[name]
    for tool in tools:
        need(tool.format(rpm=by_name(architecture).rpm))
    if name == "hello" and find_spec("ziglang") is None:
        lacking("ziglang")
    if name == "rust" and not _has_target(by_name(architecture).rpm):
        lacking("the standard library of Rust's target")
    emulator = emulated(by_name(architecture))
    bench.run("init", name).ok()
    picture = bench.pushed("--platform", architecture)[architecture]

    program = tmp_path / "bootstrap"
    program.write_bytes(picture.read(-1, "var/runtime/bootstrap"))
    program.chmod(0o755)
    (event,) = (bench.folder / "events").iterdir()
    environment = dict(item.split("=", 1) for item in picture.config["config"].get("Env", ()))
    environment.pop("PATH", None)
    assert invoke([*emulator, str(program)], json.loads(event.read_text()), environment) == ("/response", expected)


def _has_target(rpm):
    command = ["rustc", "--print", "target-libdir", "--target", f"{rpm}-unknown-linux-musl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0 and os.path.isdir(done.stdout.strip())
