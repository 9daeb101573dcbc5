"""`version`, `completion` and `cache`."""

import json
import os
import platform
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version

import pytest

from imagekit.oci.digest import Digest
from imagekit.store.cache import DiskCache
from tests.support.commandline import ROOT, CommandLine
from tests.support.tools import need

_DAY = 86_400


@pytest.fixture
def imagekit(capsys):
    return CommandLine(capsys)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with a blob of 1,500 bytes that was last used ten days ago and one of 500 that was used today."""
    folder = tmp_path / "kept"
    monkeypatch.setenv("IMAGEKIT_CACHE_DIR", str(folder))
    cache = DiskCache(folder, now=lambda: 0.0)
    for size, days in ((1500, 10), (500, 0)):
        data = bytes(size)
        with cache.writer() as writer:
            writer.file.write(data)
            path = writer.commit(Digest.of(data))
        used = os.stat(path).st_mtime - days * _DAY
        os.utime(path, (used, used))
    return folder


def _dependencies() -> set[str]:
    """What `pyproject.toml` asks for on every machine."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [text for text in document["project"]["dependencies"] if ";" not in text]
    return {re.split("[<>=]", text)[0].strip() for text in asked}


def test_version_names_all_that_matters_in_a_report(imagekit):
    ended = imagekit("version", "--json")
    assert (ended.code, ended.err) == (0, "")
    libraries = _dependencies()
    assert len(libraries) > 10
    document = json.loads(ended.out)
    for name in ("boto3", "solv"):  # those that not every machine has
        number = document["libraries"].pop(name)
        assert number is None or number == version(name)
    assert document == {
        "imagekit": "0.1.0",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "codec": f"gzip/zlib-ng-{version('zlib-ng')}/level-6/block-1MiB",
        "libraries": {name: version(name) for name in libraries},
    }


def test_version_reads_well(imagekit):
    lines = imagekit("version").out.splitlines()
    assert lines[0] == "imagekit 0.1.0"
    assert [line.split()[0] for line in lines[1:5]] == ["python", "platform", "codec", "click"]


def _completed(tmp_path, *words):
    """What bash offers for a command line whose last word is being typed."""
    bash = need("bash")
    program = tmp_path / "bin" / "imagekit"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m imagekit "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(imagekit completion bash)"\n'
        f"COMP_WORDS=({' '.join(words)})\nCOMP_CWORD={len(words) - 1}\n"
        '_imagekit_completion imagekit\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [bash, "--norc", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "Traceback" not in done.stderr
    return done.stdout.split()


def test_bash_completes_commands(tmp_path):
    assert _completed(tmp_path, "imagekit", "v") == ["validate", "version"]


def test_bash_completes_options_and_commands_of_a_group(tmp_path):
    assert _completed(tmp_path, "imagekit", "cache", "prune", "--m") == ["--max-size", "--mirror"]
    assert _completed(tmp_path, "imagekit", "cache", "p") == ["prune"]


def test_bash_completes_what_an_argument_may_be(tmp_path):
    assert _completed(tmp_path, "imagekit", "completion", "") == ["bash", "zsh", "fish"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_that_asks_imagekit(imagekit, shell):
    ended = imagekit("completion", shell)
    assert (ended.code, ended.err) == (0, "")
    assert f"_IMAGEKIT_COMPLETE={shell}_complete" in ended.out


def test_the_cache_tells_its_size(imagekit, cache):
    for command in (["cache"], ["cache", "size"]):
        ended = imagekit(*command)
        assert (ended.code, ended.out, ended.err) == (0, f"{cache}: 2.0 kB in 2 files\n", "")
    assert json.loads(imagekit("cache", "size", "--json").out) == {"folder": str(cache), "files": 2, "bytes": 2000}


def test_pruning_removes_what_was_not_used_for_long(imagekit, cache):
    assert imagekit("cache", "prune").out == "removed 0 B in 0 files\n"
    assert imagekit("cache", "prune", "--older-than", "1w").out == "removed 1.5 kB in 1 file\n"
    assert imagekit("cache").out == f"{cache}: 500 B in 1 file\n"


def test_pruning_to_a_size_removes_the_oldest(imagekit, cache):
    ended = imagekit("cache", "prune", "--max-size", "0.6kB", "--json")
    assert json.loads(ended.out) == {"removed": {"files": 1, "bytes": 1500}}


def test_pruning_all_leaves_nothing(imagekit, cache):
    imagekit("cache", "prune", "--older-than", "0")
    assert imagekit("cache").out == f"{cache}: 0 B in 0 files\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--older-than", "soon"), "--older-than takes an age, not 'soon'\n  hint: write 12h, 30d or 4w"),
        (("--older-than", "30"), "--older-than takes an age, not '30'\n  hint: write 12h, 30d or 4w"),
        (("--max-size", "5 pounds"), "--max-size takes a size, not '5 pounds'\n  hint: write 500MB, 5GB or 2GiB"),
    ],
)
def test_what_is_no_age_or_size_removes_nothing(imagekit, cache, arguments, message):
    ended = imagekit("cache", "prune", *arguments)
    assert (ended.code, ended.err) == (2, f"error: {message}\n")
    assert imagekit("cache").out == f"{cache}: 2.0 kB in 2 files\n"
