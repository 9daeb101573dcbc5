"""The client's programs: static, small, the same bits wherever and whenever they are made."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from imagekit import __version__, client
from imagekit.architecture import ARCHITECTURES, Architecture
from imagekit.client import build
from tests.support.commands import CHECKOUT
from tests.support.tools import missing

_LIMIT = 120 * 1024
_MACHINES = {"x86_64": 62, "arm64": 183}
_LOADS, _DYNAMIC, _INTERPRETER = 1, 2, 3
_CLIENT = CHECKOUT / "imagekit/client"


@pytest.fixture(params=[pytest.param(found, id=found.name) for found in ARCHITECTURES])
def architecture(request: pytest.FixtureRequest) -> Architecture:
    """Each that there is a program for."""
    found: Architecture = request.param
    if not client.path(found).exists():
        missing("the runtime client was not built: pip install --editable . does it")
    return found


def _segments(program: bytes) -> list[int]:
    """The types of an ELF file's program headers (System V ABI, chapter 5)."""
    offset, size, count = struct.unpack_from("<Q", program, 32)[0], *struct.unpack_from("<HH", program, 54)
    return [struct.unpack_from("<I", program, offset + size * number)[0] for number in range(count)]


def test_every_architecture_has_a_program() -> None:
    assert {found.name for found in ARCHITECTURES} == set(build.TARGETS)


def test_it_is_a_static_program_for_its_machine(architecture: Architecture) -> None:
    program = client.program(architecture)
    assert program[:6] == b"\x7fELF\x02\x01"
    assert struct.unpack_from("<H", program, 18)[0] == _MACHINES[architecture.name]
    assert _LOADS in _segments(program)
    assert not {_DYNAMIC, _INTERPRETER} & set(_segments(program))
    assert os.access(client.path(architecture), os.X_OK)


def test_it_is_small_and_stripped(architecture: Architecture) -> None:
    program = client.program(architecture)
    assert len(program) <= _LIMIT
    assert b".symtab" not in program
    assert b".debug_" not in program


def test_it_knows_its_version_and_nothing_of_where_it_was_made(architecture: Architecture) -> None:
    program = client.program(architecture)
    assert f"imagekit/{__version__}".encode() in program
    for trace in (
        str(CHECKOUT),
        str(Path.home()),
        sys.prefix,
        "site-packages",
        "libc/musl",
        ".zig-cache",
        "/tmp/imagekit",
        ".c\0",
    ):
        assert trace.encode() not in program, trace


def _copy(folder: Path) -> Path:
    """The sources somewhere else, newer than these."""
    copied = folder / "imagekit/client"
    shutil.copytree(_CLIENT, copied, ignore=shutil.ignore_patterns("bin", "__pycache__"))
    (folder / "imagekit/__init__.py").write_text((CHECKOUT / "imagekit/__init__.py").read_text())
    return copied


def _digests(folder: Path) -> dict[str, str]:
    programs = {name: folder / "bin" / name / "bootstrap" for name in build.TARGETS}
    return {name: hashlib.sha256(program.read_bytes()).hexdigest() for name, program in programs.items()}


def test_nothing_is_compiled_twice(tmp_path: Path) -> None:
    copied = _copy(tmp_path)
    for name in build.TARGETS:
        program = copied / "bin" / name / "bootstrap"
        program.parent.mkdir(parents=True)
        program.write_bytes(b"as it was")
    (copied / "bin/.fingerprint").write_text(build.fingerprint(copied))
    build.build(copied, {})
    assert (copied / "bin/x86_64/bootstrap").read_bytes() == b"as it was"


@pytest.mark.parametrize("changed", ["source/main.c", "source/span.h", "../__init__.py"])
def test_what_decides_about_the_bits_is_in_the_fingerprint(tmp_path: Path, changed: str) -> None:
    copied = _copy(tmp_path)
    before = build.fingerprint(copied)
    text = (copied / changed).read_text()
    (copied / changed).write_text(text.replace(__version__, "9.9") if "init" in changed else f"{text}\n")
    assert build.fingerprint(copied) != before


def _need_compiler() -> None:
    if find_spec("ziglang") is None:
        missing("ziglang is not installed: pip install --requirement requirements-dev.txt")


@pytest.mark.real
def test_it_has_the_same_bits_from_another_folder_and_time(tmp_path: Path) -> None:
    _need_compiler()
    copied = _copy(tmp_path / "a folder with spaces")
    for source in (copied / "source").iterdir():
        os.utime(source, (1, 1))
    build.build(
        copied, {**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C", "ZIG_GLOBAL_CACHE_DIR": str(tmp_path / "cache")}
    )
    build.build(_CLIENT, os.environ)
    assert _digests(copied) == _digests(_CLIENT)


@pytest.mark.real
def test_a_wheel_is_pure_python_but_for_two_programs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), "."]
    subprocess.run(command, check=True, cwd=CHECKOUT)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as opened:
        entries = {entry.filename: entry for entry in opened.infolist()}
        programs = {name for name in entries if opened.read(name)[:4] == b"\x7fELF"}
        assert programs == {f"imagekit/client/bin/{name}/bootstrap" for name in build.TARGETS}
        assert all(entries[name].external_attr >> 16 & 0o777 == 0o755 for name in programs)
        made = {name.split("/")[-2]: hashlib.sha256(opened.read(name)).hexdigest() for name in programs}
    assert made == _digests(_CLIENT)
