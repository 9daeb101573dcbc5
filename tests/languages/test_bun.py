"""What Bun has beside Node.js's modules, which tests/languages/test_nodejs.py is about."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.languages.conftest import Drive
from tests.languages.installing import MACHINES, install, machine
from tests.support import interpreters

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("index.ts", "export const handler = (event: number): number => event + 1;"),
        ("index.js", "const one = await Promise.resolve(1);\nexport const handler = (event) => event + one;"),
        ("index.cjs", "exports.handler = (event) => event + 1;"),
        ("index.ts", "export default { handler: (event: number) => event + 1 };"),
    ],
)
def test_modules_are_loaded(drive: Drive, name: str, code: str) -> None:
    driven = drive("bun", {name: code}, "index.handler")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"1").body == b"2"


@pytest.mark.parametrize(
    ("code", "type"),
    [
        ("export const handler = 7;", "Runtime.HandlerNotFound"),
        ("export const handler = (", "Runtime.UserCodeSyntaxError"),
        ('import "./missing.ts";', "Runtime.ImportModuleError"),
        ("throw new RangeError('no');", "Function.RangeError"),
        ("await new Promise(() => {});", "Runtime.NodeJsExit"),
    ],
)
def test_what_fails_at_load_has_lambdas_name(drive: Drive, code: str, type: str) -> None:
    report = drive("bun", {"index.ts": code}, "index.handler").frame()
    assert (report.type, report.fields[0]) == ("INITERR", type)


def test_a_promise_that_is_never_settled_is_an_error_and_no_more(drive: Drive) -> None:
    code = "export const handler = (event: boolean) => (event ? new Promise(() => {}) : 'fine');"
    driven = drive("bun", {"index.ts": code}, "index.handler")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"true").fields == ("1", "Runtime.NodeJsExit")
    assert driven.ask("2", b"false").body == b'"fine"'


def test_what_nobody_catches_is_reported_and_ends_the_worker(drive: Drive) -> None:
    code = """export const handler = async () => {
      Promise.reject(new Error('lost'));
      await new Promise((resolve) => setTimeout(resolve, 5000));
    };"""
    driven = drive("bun", {"index.ts": code}, "index.handler")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"").type == "BYE"
    assert driven.frame().fields == ("1", "Runtime.UnhandledPromiseRejection")
    assert driven.process.wait(30) == 1


def test_a_stream_waits_for_who_reads_it_slowly(drive: Drive) -> None:
    code = "export async function* handler() { for (let n = 0; n < 50; n++) yield 'x'.repeat(100000); }"
    driven = drive("bun", {"index.js": code}, "index.handler")
    assert driven.frame().type == "READY"
    driven.send(b"INVOKE 0 1\n")
    time.sleep(0.3)  # the channel is full by now
    frames = [driven.frame() for _ in range(52)]
    assert [frame.type for frame in frames] == ["STREAM", *["DATA"] * 50, "END"]


@pytest.mark.parametrize("architecture", MACHINES)
def test_packages_with_native_code_are_the_images(
    tmp_path: Path, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """esbuild is a program for each platform; development's packages stay out."""
    bun = interpreters.bun()
    monkeypatch.setenv("PATH", os.path.dirname(bun) + os.pathsep + os.environ["PATH"])
    lock = tmp_path / "lock"
    lock.mkdir()
    package = {"name": "x", "dependencies": {"esbuild": "0.21.5"}, "devDependencies": {"is-number": "7.0.0"}}
    (lock / "package.json").write_text(json.dumps(package))
    subprocess.run([bun, "install", "--lockfile-only", "--silent"], cwd=lock, check=True)
    files = {name: (lock / name).read_text() for name in ("package.json", "bun.lock")}
    folder = install("bun", architecture, files, tmp_path / "work")
    (program,) = folder.glob("@esbuild/*/bin/esbuild")
    assert machine(program) == MACHINES[architecture]
    assert not (folder / "is-number").exists()
