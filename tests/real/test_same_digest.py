"""The same lock and the same files give the same digest: CPU, threads, umask, locale, zone, folder, user, Python."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import project
from tests.support.commands import Ran, good, imagekit_well, run
from tests.support.docker_registry import Bases
from tests.support.installation import install
from tests.support.tools import ARM64_SYSROOT, missing, need, need_file, need_root

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Reference:
    """A project with its lock, the digest it has to have everywhere, and what leads to its base."""

    folder: Path
    digest: str
    settings: dict[str, str]

    def copy(self, to: Path) -> Path:
        """The files of the project and its lock, as a fresh clone has them."""
        left_out = shutil.ignore_patterns(".imagekit", "cache")
        shutil.copytree(self.folder, to, symlinks=True, ignore=left_out, dirs_exist_ok=True)
        return to

    def build(self, folder: Path, *command: str, **settings: str) -> Ran:
        """Build with an empty cache; `command` is imagekit under another machine, user or interpreter."""
        own = {"IMAGEKIT_CACHE_DIR": f"{folder}/.cache", "HOME": str(folder)}
        words = ("build", "--locked", "--print", "index")
        program = command or (sys.executable, "-m", "imagekit")
        return good(*program, *words, folder=folder, settings={**self.settings, **own, **settings})


#: For tests about machines: compression is what differs there.
BOTH = pytest.mark.parametrize("reference", ["default", "fast"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def reference(request: pytest.FixtureRequest, bases: Bases, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The project, locked and built as it is done every day, compressed by default or as the test says."""
    compression = getattr(request, "param", "default")
    folder = tmp_path_factory.mktemp("reference")
    project.write(folder)
    settings = {**bases.settings, "IMAGEKIT_CACHE_DIR": str(folder / "cache"), "HOME": str(folder)}
    imagekit_well("lock", "--compression", compression, folder=folder, settings=settings)
    built = imagekit_well("build", "--locked", folder=folder, settings=settings)
    return Reference(folder, built.digest, bases.settings)


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that every user may look into, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="reproducible-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def system_python(open_folder: Path) -> tuple[str, str]:
    """The system's Python, which every user may run, and what it needs on its path."""
    program = need_file("/usr/bin/python3")
    version = good(program, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").out.strip()
    if tuple(map(int, version.split("."))) < (3, 11):
        missing(f"the system's Python is {version}")
    return program, str(install(open_folder / "system", version, platform.machine()))


@BOTH
@pytest.mark.parametrize("model", ["qemu64", "Nehalem", "max"])
def test_on_other_processors(reference: Reference, model: str, tmp_path: Path) -> None:
    if platform.machine() != "x86_64":
        missing("this is about models of x86-64")
    emulator = (need("qemu-x86_64-static"), "-cpu", model)
    built = reference.build(
        reference.copy(tmp_path), *emulator, os.path.realpath(sys.executable), "-m", "imagekit", **venv()
    )
    assert built.digest == reference.digest


def venv() -> dict[str, str]:
    """What leads the interpreter behind a virtual environment to its packages, without the environment's link."""
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.fixture(scope="session")
def arm64_python(open_folder: Path) -> tuple[tuple[str, ...], str]:
    """CPython of arm64 under emulation, and what it needs on its path."""
    program = need_file(f"{ARM64_SYSROOT}/usr/bin/python3")
    command = (need("qemu-aarch64-static"), "-L", ARM64_SYSROOT, program)
    seen = good(*command, "-c", "import os, sys; print(os.uname().machine, '%d.%d' % sys.version_info[:2])").out
    machine, version = seen.split()
    assert machine == "aarch64"
    return command, str(install(open_folder / "arm64", version, "aarch64"))


@BOTH
def test_on_arm64(reference: Reference, arm64_python: tuple[tuple[str, ...], str], tmp_path: Path) -> None:
    command, path = arm64_python
    built = reference.build(reference.copy(tmp_path), *command, "-m", "imagekit", PYTHONPATH=path)
    assert built.digest == reference.digest


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_under_other_pythons(reference: Reference, version: str, open_folder: Path, tmp_path: Path) -> None:
    program = shutil.which(f"python{version}")
    choice = {"PYENV_VERSION": version}  # for those who have several through pyenv
    if program is None or run(program, "-c", "import ssl, zlib", settings=choice).code:
        missing(f"there is no Python {version}")
    packages = open_folder / version
    if not packages.exists():
        install(packages, version, platform.machine())
    for threads in ("1", "9"):  # heeded by Python 3.13 and later
        settings = {"PYTHONPATH": str(packages), "PYTHON_CPU_COUNT": threads, **choice}
        built = reference.build(reference.copy(tmp_path / threads), program, "-m", "imagekit", **settings)
        assert built.digest == reference.digest


def test_as_another_user(reference: Reference, system_python: tuple[str, str], open_folder: Path) -> None:
    need_root()
    program, path = system_python
    folder = reference.copy(Path(tempfile.mkdtemp(dir=open_folder)))
    good("chown", "-R", "65534:65534", folder)
    user = (need("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs")
    built = reference.build(folder, *user, program, "-m", "imagekit", PYTHONPATH=path)
    assert (folder / ".imagekit").stat().st_uid == 65534
    assert built.digest == reference.digest


@pytest.mark.parametrize(
    "settings",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
        {"TZ": "Asia/Kathmandu"},
        {"SOURCE_DATE_EPOCH": "1"},
        {"PYTHONHASHSEED": "1"},
        {"NO_COLOR": "1", "CI": "true", "GITHUB_ACTIONS": "true"},
    ],
    ids="-".join,
)
def test_under_other_settings(reference: Reference, settings: dict[str, str], tmp_path: Path) -> None:
    assert reference.build(reference.copy(tmp_path), **settings).digest == reference.digest


def test_on_one_processor(reference: Reference, tmp_path: Path) -> None:
    one = (need("taskset"), "-c", "0", sys.executable, "-m", "imagekit")
    assert reference.build(reference.copy(tmp_path), *one).digest == reference.digest


def test_in_another_folder_copied_and_built_under_another_umask(reference: Reference, tmp_path: Path) -> None:
    folder = tmp_path / "with spaces and ümläuts" / ("deep/" * 20)
    folder.mkdir(parents=True)
    copying = 'umask 077; cp -R build src lib tool data runtime.yaml runtime.lock "$0"'
    good("sh", "-c", copying, folder, folder=reference.folder)
    strict = ("sh", "-c", 'umask 077; exec "$@"', "sh", sys.executable, "-m", "imagekit")
    assert reference.build(folder, *strict).digest == reference.digest
