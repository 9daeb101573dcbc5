"""Programs and libraries that compilers make in containers, for both architectures, and that run where they are put."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import pytest

from tests.support.commands import good, imagekit_well
from tests.support.compilers import compiling
from tests.support.docker_registry import DockerRegistry
from tests.support.engine import Engine
from tests.support.linked import found
from tests.support.tools import need

pytestmark = pytest.mark.real

_PROGRAM = """
#include <gnu/libc-version.h>
#include <iostream>
#include <string>
#include <sys/utsname.h>
int main() {
    utsname machine;
    uname(&machine);
    std::cout << std::string("C++ on ") + machine.machine + " with glibc " + gnu_get_libc_version() << std::endl;
}
"""
_LIBRARY = """
#include <math.h>
const char *greeting(void) { return "from " ARCHITECTURE; }
double root(double of) { return sqrt(of); }
"""
_LOAD = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
library.greeting.restype = ctypes.c_char_p
library.root.restype, library.root.argtypes = ctypes.c_double, [ctypes.c_double]
print(library.greeting().decode(), library.root(81))
"""


@pytest.fixture(scope="module")
def compilers(plain: DockerRegistry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of an image that compiles."""
    compiling(tmp_path_factory.mktemp("compilers")).push(plain.host, "gcc", "12")
    return f"{plain.host}/gcc:12"


def test_a_program_is_built_in_the_base_that_it_runs_on(compilers: str, docker: Engine, tmp_path: Path) -> None:
    folder, settings = tmp_path / "app", {**docker.settings, "IMAGEKIT_CACHE_DIR": str(tmp_path / "cache")}
    folder.mkdir()
    (folder / "main.cpp").write_text(_PROGRAM)
    spec = {
        "name": "native",
        "language": "custom",
        "os": "al2023",
        "base": compilers,
        "handler": "main",
        "bootstrap": {"path": "build/{architecture}/bootstrap"},
        "build": {"in": "base", "run": 'g++ -O1 -o "$IMAGEKIT_OUTPUT" main.cpp', "inputs": ["*.cpp"]},
    }
    (folder / "runtime.yaml").write_text(json.dumps(spec))
    imagekit_well("build", folder=folder, settings=settings)
    for architecture, machine in (("x86_64", "x86_64"), ("arm64", "aarch64")):
        oci = {"x86_64": "amd64", "arm64": "arm64"}[architecture]
        imagekit_well("build", "--load", "--platform", architecture, "-t", oci, folder=folder, settings=settings)
        said = docker.output(f"--platform=linux/{oci}", "--entrypoint=/var/runtime/bootstrap", f"native:{oci}")
        assert said == f"C++ on {machine} with glibc 2.36\n"


def test_a_library_is_built_in_an_image_of_its_compiler(
    compilers: str, bases: object, aws: object, docker: Engine, tmp_path: Path
) -> None:
    folder, settings = tmp_path / "app", {**docker.settings, "IMAGEKIT_CACHE_DIR": str(tmp_path / "cache")}
    (folder / "ext").mkdir(parents=True)
    (folder / "ext/ext.c").write_text(_LIBRARY)
    flags = '-shared -fPIC -DARCHITECTURE="\\"$IMAGEKIT_ARCHITECTURE\\""'
    build = f"mkdir -p out/$IMAGEKIT_ARCHITECTURE && gcc {flags} -o out/$IMAGEKIT_ARCHITECTURE/ext.so ext.c -lm"
    spec = {
        "name": "extension",
        "language": "custom",
        "os": "al2023",
        "handler": "main",
        "bootstrap": {"command": ["/bin/sh", "/var/task/main.sh"]},
        "build": {"in": compilers, "run": build, "directory": "ext", "outputs": ["out/{architecture}"]},
        "files": [{"source": "ext/out/{architecture}", "target": "/opt/lib"}],
    }
    (folder / "runtime.yaml").write_text(json.dumps(spec))
    imagekit_well("build", folder=folder, settings=settings)
    here = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
    loaded = good(sys.executable, "-c", _LOAD, folder / f"ext/out/{here}/ext.so").out
    assert loaded == f"from {here} 9.0\n"
    emulated = [need("qemu-aarch64-static"), "-L", found("arm64", "/"), found("arm64", "usr/bin/python3.11")]
    loaded = good(*emulated, "-c", _LOAD, folder / "ext/out/arm64/ext.so", settings={"PYTHONHOME": ""}).out
    assert loaded == "from arm64 9.0\n"
    again = imagekit_well("build", folder=folder, settings={**settings, "DOCKER_HOST": "unix:///nowhere.sock"})
    assert again.err.count("unchanged") == 2, "no engine is asked when nothing changed"
