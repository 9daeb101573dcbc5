"""The docs are true: their commands run, their errors are those of the program, the site can be built."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from imagekit.cli.root import root
from imagekit.cli.session import Session
from tests.cli.conftest import amazon, bench, registry
from tests.support.bench import SPEC, Bench
from tests.support.packages.bench import TRUSTED

__all__ = ["amazon", "bench", "registry"]

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
#: What pages call the registry that images go to.
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
#: Exit codes that are no failure: a machine may lack what `doctor` looks for.
FINE = {"doctor": {0, 5}}


def commands(text: str) -> list[str]:
    """The command lines of a page's `console` blocks."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [line.removeprefix("$ ").partition("  #")[0] for block in blocks for line in block.splitlines()
            if line.startswith("$ ")]  # fmt: skip


def everywhere() -> list[tuple[str, str]]:
    """Every command line of imagekit that a page or the README shows, with the page's name."""
    found = []
    for page in (*PAGES, ROOT / "README.md", *sorted((ROOT / "specs").glob("*/README.md"))):
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
        lines += re.findall(r"^    (imagekit .*)$", text, re.MULTILINE)
        for line in lines:
            found += [(str(page.relative_to(ROOT)), part.strip()) for part in line.split("&&")
                      if part.strip().startswith("imagekit ")]  # fmt: skip
    return list(dict.fromkeys(found))


@pytest.mark.parametrize(("page", "line"), everywhere())
def test_every_command_line_is_one(page, line):
    words = shlex.split(line.partition("  #")[0].partition(" > ")[0].partition(" | ")[0])
    with click.Context(root(), obj=Session.of_process({})) as context:
        name, command, arguments = root().resolve_command(context, words[1:])
        assert command is not None, f"{page}: {line}"
        try:
            command.make_context(str(name), arguments, parent=context)
        except click.exceptions.Exit:
            assert "--help" in words
        except click.ClickException as error:
            pytest.fail(f"{page}: {line}: {error.format_message()}")


def function(bench: Bench, name: str, **changes: object) -> None:
    bench.write(f"{name}/runtime.yaml", json.dumps({**SPEC, "name": Path(name).name, **changes}))
    bench.write(f"{name}/bootstrap", b"#!/bin/sh\nexit 0\n", mode=0o755)


def two_services(bench: Bench) -> None:
    function(bench, "services/orders")
    function(bench, "services/payments")


def old_system(bench: Bench) -> None:
    bench.spec(os="al2")


def with_packages(bench: Bench) -> None:
    bench.spec(packages=["jq"], repositories=TRUSTED)
    bench.run("lock").ok()


def built(bench: Bench) -> None:
    bench.spec()
    bench.run("build").ok()


#: What has to be there before a page's commands run.
BEFORE: dict[str, Callable[[Bench], None]] = {
    "index": lambda _: None,
    "from-sam": lambda _: None,
    "al2-to-al2023": old_system,
    "networks": built,
    "advisories": with_packages,
    "fleet": two_services,
}


def test_every_page_with_commands_is_run():
    assert {page.stem for page in PAGES if commands(page.read_text())} == set(BEFORE)


#: The first page compiles a program of C for both architectures, and what it is linked with.
_COMPILES = pytest.param("index", marks=pytest.mark.real)


@pytest.mark.parametrize("page", [_COMPILES, *sorted(set(BEFORE) - {"index"})])
def test_the_commands_of_a_page_run(page, request, monkeypatch):
    bench: Bench = request.getfixturevalue("amazon" if page == "advisories" else "bench")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    BEFORE[page](bench)
    here = bench.folder
    for line in commands((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")):
        words = shlex.split(line.replace(ECR, bench.registry.host))
        if words[0] == "cd":
            here = here / words[1]
            monkeypatch.chdir(here)
            continue
        assert words[0] == "imagekit", line
        *words, target = (*words[:-2], words[-1]) if words[-2] == ">" else (*words, "")
        ran = bench.run(*words[1:])
        assert ran.code in FINE.get(words[1], {0}), f"{line}\n{ran.err}"
        if target:
            (here / target).write_text(ran.out)


def test_what_troubleshooting_quotes_is_said_by_the_program():
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    quoted = [
        words for row in re.findall(r"^\| (.*?) \|", text, re.MULTILINE)[2:] for words in re.findall(r"`(.*?)`", row)
    ]
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "imagekit").rglob("*.py"))
    flat = re.sub(r'"\s*\n\s*f?"', "", source)
    assert len(quoted) > 10
    for words in quoted:
        assert words in flat or words in (ROOT / "README.md").read_text(), words


@pytest.mark.real
def test_the_site_is_built_and_its_links_lead_somewhere(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "IK0101" in (tmp_path / "site/reference/findings/index.html").read_text()
    assert "bootstrap.path" in (tmp_path / "site/reference/spec/index.html").read_text()
    assert (tmp_path / "site/examples/go/index.html").exists()
