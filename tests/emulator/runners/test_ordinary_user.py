"""Sandboxes of an ordinary user: the same rules, without root for the unpacking or for anything else."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import imagekit
from tests.support.tools import missing, need_root

_NOBODY = 65534
_ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A copy of imagekit and of this package that everybody can read, and an interpreter for it."""
    need_root()
    with tempfile.TemporaryDirectory(prefix="ordinary-") as folder:
        top = Path(folder)
        top.chmod(0o755)
        shutil.copytree(
            Path(imagekit.__file__).parent, top / "imagekit", ignore=shutil.ignore_patterns("bin", "languages")
        )
        shutil.copytree(Path(__file__).parent, top / "tests/emulator/runners")
        found = next(Path(path, "zlib_ng") for path in sys.path if Path(path, "zlib_ng").is_dir())
        shutil.copytree(found, top / "zlib_ng")
        (top / "own").mkdir()
        os.chown(top / "own", _NOBODY, _NOBODY)
        yield top


@pytest.mark.real
@pytest.mark.parametrize("name", ["namespaces", "bubblewrap"])
def test_an_ordinary_user_has_the_same_sandboxes(name, make_image, native, place):
    python = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    if not os.access(python, os.X_OK):
        missing(f"there is no {python}, which an ordinary user could start")
    (place / "tar").write_bytes(make_image(native).tar)
    ran = subprocess.run(
        [python, "-m", "tests.emulator.runners.ordinary", name, str(place / "tar"), str(place / "own")],
        cwd=place,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"},
        user=_NOBODY,
        group=_NOBODY,
        extra_groups=[],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    seen = json.loads(ran.stdout)
    assert seen.pop("forks") < 1024
    assert "ms" in seen.pop("keeps")
    assert seen == {
        "missing": "",
        "user": _NOBODY,
        "id": "993:990",
        "private": "13",
        "root": "30",
        "tmp": "50",
        "killed": -signal.SIGKILL,
        "lines": True,
        "terminated": -signal.SIGTERM,
        "daemon": [-signal.SIGKILL, ""],
        "hungry": -signal.SIGKILL,
        "connects": "0",
        "left": False,
    }
