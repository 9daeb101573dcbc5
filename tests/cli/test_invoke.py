"""Functions on this machine through the command line: one event, a spec's tests, a server."""

from __future__ import annotations

import gc
import io
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.bench import Bench
from tests.support.commands import CHECKOUT
from tests.support.programs import ARM64, X86_64, cat, eat
from tests.support.tools import missing

HERE = "x86_64" if platform.machine() == "x86_64" else "arm64"
#: bubblewrap is not on every machine; user namespaces are on most.
RUNNER = "bubblewrap" if shutil.which("bwrap") else "namespaces"


@pytest.fixture(autouse=True)
def confined() -> None:
    """Nothing runs without either."""
    if subprocess.run(["unshare", "--user", "true"], check=False, capture_output=True).returncode:
        missing("user namespaces are not allowed here")


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens at."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def echo(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A function that answers with its event: the smallest static program behind the runtime client."""
    monkeypatch.setenv("IMAGEKIT_RUNNER", RUNNER)
    for name, machine in (("x86_64", X86_64), ("arm64", ARM64)):
        bench.write(f"{name}/cat", cat(machine), mode=0o755)
    function(bench)
    return bench


def function(bench: Bench, **changes: object) -> None:
    """The spec, with other keys."""
    files = [{"source": f"{name}/cat", "target": "/var/task/", "only": [name]} for name in ("x86_64", "arm64")]
    bench.spec(**{"os": "scratch", "bootstrap": {"per_event": ["/var/task/cat"]}, "files": files, **changes})


def test_an_event_is_answered_on_stdout_and_reported_on_stderr(echo):
    echo.write("event.json", '{"n": 1}')
    outcome = echo.run("invoke", "--event", "event.json").ok()
    assert outcome.out == '{"n": 1}\n'
    report = next(line for line in outcome.err.splitlines() if line.startswith("REPORT RequestId: "))
    assert "Memory Size: 128 MB" in report
    assert "Init Duration: " in report
    assert f"\nrunner {RUNNER}: memory is limited by " in outcome.err
    assert "runner" not in echo.run("invoke", "--quiet").ok().err


def test_what_changes_last_is_all_that_is_unpacked_again(echo):
    echo.run("invoke").ok()
    echo.write(f"{HERE}/cat", cat({"x86_64": X86_64, "arm64": ARM64}[HERE]) + b"\0", mode=0o755)
    echo.run("invoke").ok()
    programs = (echo.folder.parent / "cache/roots").glob("*[0-9a-f]/var/runtime/bootstrap")
    assert [item.stat().st_nlink for item in programs] == [3, 3]  # the third is kept for the next change


def test_an_event_comes_from_stdin_or_is_empty(echo, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"from": "stdin"}')))
    assert echo.run("invoke", "--event", "-").ok().out == '{"from": "stdin"}\n'
    assert echo.run("invoke").ok().out == "{}\n"


def test_the_layout_of_a_build_stays_as_it_is(echo):
    echo.run("build", "--tag", "v1").ok()
    before = sorted((path, path.stat().st_mtime_ns) for path in (echo.folder / ".imagekit").rglob("*"))
    echo.run("invoke").ok()
    assert sorted((path, path.stat().st_mtime_ns) for path in (echo.folder / ".imagekit").rglob("*")) == before


def test_a_pushed_image_is_invoked_by_its_name(echo):
    echo.pushed("--tag", "v1")
    assert echo.run("invoke", f"{echo.repository()}:v1").ok().out == "{}\n"


def test_a_function_that_fails_is_exit_code_1(echo):
    function(echo, bootstrap={"per_event": ["/var/task/nothing"]})
    outcome = echo.run("invoke")
    assert outcome.code == 1
    assert "errorType" in json.loads(outcome.out)
    assert "error: the function failed: Runtime." in outcome.err


def test_a_function_that_takes_too_long_is_told_which_option_gives_it_more(echo):
    for name, machine, forever in (("x86_64", X86_64, "ebfe"), ("arm64", ARM64, "00000014")):
        program = cat(machine)
        code = bytes.fromhex(forever).ljust(len(program) - 120, b"\0")  # a jump to itself, behind the same headers
        (echo.folder / name / "cat").write_bytes(program[:120] + code)
    outcome = echo.run("invoke", "--timeout", "0.3")
    assert outcome.code == 1
    assert "it had 0.3 s; --timeout gives it more" in outcome.err


def test_a_function_that_takes_too_much_memory_is_told_which_option_gives_it_more(echo):
    for name, machine in (("x86_64", X86_64), ("arm64", ARM64)):
        echo.write(f"{name}/cat", eat(machine), mode=0o755)
    outcome = echo.run("invoke", "--timeout", "60")
    assert outcome.code == 1
    assert "signal: killed" in outcome.out
    assert "it used more than its 128 MB of memory; --memory gives it more" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["invoke", "--event", "nothing.json"], 2, "nothing.json: No such file or directory"),
        (["invoke", "--event", "runtime.yaml/x"], 2, "Not a directory"),
        (["invoke", "--event", "wrong.json"], 2, "wrong.json: not JSON: "),
        (["invoke", "--event", "deep.json"], 2, "deep.json: not JSON: it is nested too deeply"),
        (["invoke", "--event", "constant.json"], 2, "constant.json: not JSON: NaN is no number of JSON"),
        (["invoke", "host/image:tag", "--set", "name=a"], 2, "--set changes a spec, and this is an image"),
        (["invoke", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["invoke", "--env", "A"], 2, "--env takes KEY=VALUE, not 'A'"),
        (["invoke", "--env", "AWS_REGION=x"], 2, "AWS_REGION is reserved"),
        (["invoke", "--env-file", "wrong.env"], 2, "wrong.env:2: not KEY=VALUE"),
        (["invoke", "--mount", "src"], 2, "--mount takes FOLDER:/PATH"),
        (["invoke", "--mount", "nowhere:/var/task"], 2, "nowhere is no folder"),
        (["invoke", "--debug", "9229"], 2, "imagekit does not know how Any language is debugged"),
        (["test"], 2, "runtime.yaml has no tests"),
        (["dev", "--port", "0"], 2, "--port"),
        (["invoke", "--timeout", "nan"], 2, "nan is no number"),
        (["run", "--host", ""], 2, "--host is empty"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(echo, arguments, code, words):
    echo.write("wrong.json", "{n: 1}")
    echo.write("deep.json", "[" * 100_000 + "]" * 100_000)
    echo.write("constant.json", "[NaN]")
    echo.write("wrong.env", "# comment\nvalue\n")
    outcome = echo.run(*arguments)
    assert outcome.code == code
    assert words in outcome.err
    assert "Traceback" not in outcome.err


def test_the_tests_of_a_spec_pass_or_show_what_differs(echo):
    tests = [
        {"name": "same", "event": {"n": 1}, "expect": {"n": 1}},
        {"name": "part", "event": {"n": 1, "m": 2}, "expect": {"n": 1}, "match": "subset"},
        {"name": "file", "event_file": "event.json", "expect_file": "event.json"},
    ]
    echo.write("event.json", '{"from": "file"}')
    function(echo, tests=tests)
    outcome = echo.run("test", "--platform", HERE).ok()
    assert [line.split()[0] + " " + line.split()[-1] for line in outcome.lines] == [
        "passed same",
        "passed part",
        "passed file",
    ]
    function(echo, tests=[*tests, {"name": "other", "event": {"n": 1}, "expect": {"n": 2}}])
    outcome = echo.run("test", "--platform", HERE, "--junit", "report.xml")
    assert outcome.code == 1
    assert "    $.n: expected 2, got 1" in outcome.lines
    assert "error: 1 of 4 tests failed" in outcome.err
    suite = ElementTree.parse(echo.folder / "report.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("4", "1")


def test_a_test_can_bring_the_code_of_a_runtime(echo):
    echo.write("example/cat", (echo.folder / HERE / "cat").read_bytes(), mode=0o755)
    tests = [{"name": "code", "event": [1], "expect": [1], "code": "example"}]
    function(echo, kind="runtime", files=None, handler=None, tests=tests)
    echo.run("test", "--platform", HERE).ok()
    function(echo, kind="runtime", files=None, handler=None, tests=[{**tests[0], "code": "nowhere"}])
    outcome = echo.run("test", "--platform", HERE)
    assert outcome.code == 2
    assert "nowhere: No such file or directory" in outcome.err


class Served:
    """`imagekit run` or `dev` in a process of its own."""

    def __init__(self, bench: Bench, *arguments: str) -> None:
        command = [sys.executable, "-m", "imagekit", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        self.process = subprocess.Popen(command, cwd=bench.folder, env=environment, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            self.lines.extend(iter(stream.readline, ""))

    def address(self, times: int = 1) -> str:
        """Where it serves, once it has said so that many times."""
        end = time.monotonic() + 90
        while True:
            said = [line for line in self.lines if " is served at " in line]
            if len(said) >= times:
                return said[times - 1].rpartition(" ")[2].strip()
            assert time.monotonic() < end, self.lines
            assert self.process.poll() is None, self.lines
            time.sleep(0.02)

    def end(self, number: int = signal.SIGINT) -> int:
        """End it as a person would; its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._thread.join()
        return code


def send(address: str, payload: bytes) -> bytes:
    url = f"{address}/2015-03-31/functions/any/invocations"
    with urllib.request.urlopen(urllib.request.Request(url, data=payload, method="POST"), timeout=20) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_answers_until_it_is_interrupted(echo, number):
    served = Served(echo, "run", "--port", "0")
    try:
        assert send(served.address(), b'{"n": 1}') == b'{"n": 1}'
    finally:
        assert served.end(number) == 0


def test_a_change_is_built_and_served_anew(echo, free_port):
    served = Served(echo, "dev", "--port", str(free_port))
    try:
        assert send(served.address(), b"[1]") == b"[1]"
        Path(echo.folder, HERE, "cat").write_bytes(b"no program")
        function(echo, bootstrap={"per_event": ["/var/task/nothing"]})
        assert b"errorType" in send(served.address(2), b"[1]")
    finally:
        assert served.end() == 0


def test_what_is_wrong_with_a_changed_spec_is_told(echo, free_port):
    served = Served(echo, "dev", "--port", str(free_port))
    try:
        served.address()
        Path(echo.folder, "runtime.yaml").write_text("bogus: key\n")
        assert send(served.address(2), b"[1]") == b"[1]"  # as it was; and from here on an interrupt ends it politely
        said = "".join(served.lines)
        assert "runtime.yaml:1:1: error[IK0101]" in said
        assert "the image before this change stays" in said
    finally:
        assert served.end() == 0


def test_a_port_that_is_taken_is_said(echo, free_port):
    served = Served(echo, "run", "--port", str(free_port))
    try:
        served.address()
        outcome = echo.run("run", "--port", str(free_port))
        assert outcome.code == 2
        assert f"cannot listen on 127.0.0.1:{free_port}" in outcome.err
    finally:
        served.end()


def test_unpacked_root_file_systems_are_part_of_the_cache(echo):
    echo.run("invoke").ok()
    before = echo.run("cache", "size", "--json").ok().document
    roots = Path(before["folder"], "roots")
    (root,) = (path for path in roots.iterdir() if path.is_dir() and path.suffix != ".stem")
    assert before["bytes"] > (root / "var/runtime/bootstrap").stat().st_size
    gc.collect()  # commands run in this process here, and what they hold of the cache goes with their objects
    echo.run("cache", "prune", "--older-than", "0").ok()
    assert [path for path in roots.iterdir() if path.is_dir()] == []
    assert echo.run("invoke").ok().out == "{}\n"


def test_an_override_changes_what_is_invoked(echo):
    outcome = echo.run("invoke", "--set", "environment.A=1", "--set", "name=other", "--event", "numbers.json")
    assert outcome.code == 2  # the file is missing
    echo.write("numbers.json", "1" * 5000)
    assert echo.run("invoke", "--set", "name=other", "--event", "numbers.json").ok().out == "1" * 5000 + "\n"


def test_what_a_function_answers_does_not_reach_the_terminal_as_it_is(echo):
    function(echo, tests=[{"name": "escapes", "event": {"a": "\x1b[31m"}, "expect": {"a": "b"}}])
    outcome = echo.run("test", "--platform", HERE)
    assert outcome.code == 1
    assert "\x1b" not in outcome.out
