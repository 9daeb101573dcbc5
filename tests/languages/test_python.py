"""What Python's worker makes of Python: coroutines, generators, what JSON cannot say."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.languages.conftest import Drive
from tests.languages.installing import MACHINES, install, machine
from tests.support.frames import Driven


def ready(drive: Drive, code: str, handler: str = "app.handler") -> Driven:
    driven = drive("python", {"app.py": code}, handler, PYTHONDONTWRITEBYTECODE="1")
    assert driven.frame().type == "READY"
    return driven


def failed(drive: Drive, files: dict[str, str], handler: str = "app.handler") -> tuple[str, dict[str, Any]]:
    """How an initialisation is reported that failed."""
    report = drive("python", files, handler, PYTHONDONTWRITEBYTECODE="1").frame()
    assert report.type == "INITERR"
    return report.fields[0], json.loads(report.body)


def pieces(driven: Driven) -> tuple[str | None, bytes]:
    """The content type and the whole of a streamed answer."""
    driven.send(b"INVOKE 2 1\n{}")
    first, body = driven.frame(), b""
    assert first.type == "STREAM"
    while (frame := driven.frame()).type == "DATA":
        body += frame.body
    assert frame.type == "END"
    return first.decoded(1), body


@pytest.mark.parametrize("handler", ["src/app.handler", "src.app.handler"])
def test_a_module_may_lie_in_a_folder(drive: Drive, handler: str) -> None:
    driven = drive("python", {"src/app.py": "handler = lambda event, context: event + 1"}, handler)
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"1").body == b"2"


@pytest.mark.parametrize("path", ["helper.py", "site-packages/helper.py"])
def test_modules_beside_the_handler_and_installed_ones_are_found(drive: Drive, path: str) -> None:
    files = {path: "name = 'helper'", "app.py": "import helper\nhandler = lambda event, context: helper.name"}
    driven = drive("python", files, "app.handler")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"").body == b'"helper"'


@pytest.mark.parametrize(
    ("code", "type"),
    [
        ("handler = 7", "Runtime.HandlerNotFound"),
        ("def handler(", "Runtime.UserCodeSyntaxError"),
        ("import missing_module", "Runtime.ImportModuleError"),
        ("raise KeyError('no')", "Function.KeyError"),
    ],
)
def test_what_fails_at_load_has_lambdas_name(drive: Drive, code: str, type: str) -> None:
    assert failed(drive, {"app.py": code})[0] == type


def test_the_stack_of_a_failed_load_begins_in_the_users_file(drive: Drive) -> None:
    _, error = failed(drive, {"app.py": "\n\nimport missing_module"})
    assert len(error["stackTrace"]) == 1
    assert 'app.py", line 3' in error["stackTrace"][0]


def test_the_stack_of_an_error_begins_in_the_handler(drive: Drive) -> None:
    code = "def inner():\n    raise LookupError('deep')\n\n\ndef handler(event, context):\n    inner()\n"
    report = json.loads(ready(drive, code).ask("1", b"").body)
    assert (report["errorType"], report["errorMessage"]) == ("LookupError", "deep")
    assert [("in handler" in frame, "in inner" in frame) for frame in report["stackTrace"]] == [
        (True, False),
        (False, True),
    ]


def test_an_error_is_in_the_log_with_its_cause(drive: Drive, capfd: pytest.CaptureFixture[str]) -> None:
    code = """
def handler(event, context):
    try:
        1 / 0
    except ArithmeticError as error:
        raise OSError("x") from error
"""
    ready(drive, code).ask("1", b"")
    log = capfd.readouterr().err
    assert "ZeroDivisionError" in log
    assert log.endswith("OSError: x\n")


@pytest.mark.parametrize("name", ["lower", "With_Digits2"])
def test_any_name_of_an_exception_is_counted(drive: Drive, name: str) -> None:
    code = f"class {name}(Exception): pass\ndef handler(event, context): raise {name}"
    counted = ready(drive, code).ask("1", b"").fields[1]
    assert counted in ("Function.Lower", "Function.WithDigits")


def test_coroutines_share_one_loop(drive: Drive) -> None:
    code = """
import asyncio
loops = set()
async def handler(event, context):
    loops.add(id(asyncio.get_running_loop()))
    await asyncio.sleep(0)
    return len(loops)
"""
    driven = ready(drive, code)
    assert [driven.ask(str(turn), b"").body for turn in range(3)] == [b"1", b"1", b"1"]


@pytest.mark.parametrize("word", ["def", "async def"])
def test_generators_are_streamed(drive: Drive, word: str) -> None:
    code = f"""
{word} handler(event, context):
    yield "one"
    yield b"\\0"
    yield {{"n": 1}}
    yield bytearray(b"x")
"""
    assert pieces(ready(drive, code)) == ("application/octet-stream", b'one\x00{"n":1}\nx')


def test_a_generator_without_pieces_is_an_empty_answer(drive: Drive) -> None:
    assert pieces(ready(drive, "handler = lambda event, context: iter(())"))[1] == b""


def test_an_error_before_the_first_piece_is_no_stream(drive: Drive) -> None:
    code = "def handler(event, context):\n    raise ValueError\n    yield"
    assert ready(drive, code).ask("1", b"").type == "ERR"


def test_numbers_of_dynamodb_are_numbers(drive: Drive) -> None:
    code = "from decimal import Decimal\nhandler = lambda event, context: [Decimal('1.5'), Decimal(2)]"
    assert json.loads(ready(drive, code).ask("1", b"").body) == [1.5, 2]


@pytest.mark.parametrize("value", ["float('nan')", "{1, 2}", "object()", "(x := [], x.append(x))[0]", "{(1, 2): 3}"])
def test_what_json_cannot_say_is_an_error_and_no_more(drive: Drive, value: str) -> None:
    driven = ready(drive, f"handler = lambda event, context: event and {value}")
    assert driven.ask("1", b"1").fields == ("1", "Runtime.MarshalError")
    assert driven.ask("2", b"0").body == b"0"


def test_half_of_a_surrogate_pair_comes_back(drive: Drive) -> None:
    assert ready(drive, "handler = lambda event, context: event").ask("1", b'"\\ud800"').body == b'"\\ud800"'


def test_a_line_is_in_the_log_before_the_worker_is_killed(drive: Drive, capfd: pytest.CaptureFixture[str]) -> None:
    code = "import os, sys\ndef handler(event, context):\n    print('last words é')\n    os.kill(os.getpid(), 9)"
    driven = ready(drive, code)
    driven.send(b"INVOKE 0 1\n")
    driven.process.wait(30)
    assert capfd.readouterr().out == "last words é\n"


def test_what_was_registered_runs_around_a_snapshot(drive: Drive) -> None:
    """By AWS's own library, which has these two functions."""
    library = """
before, after = [], []
def get_before_snapshot(): return before
def get_after_restore(): return after
"""
    code = """
import snapshot_restore_py
seen = []
snapshot_restore_py.before.append((seen.append, ("before",), {}))
snapshot_restore_py.after.append((seen.append, ("after",), {}))
handler = lambda event, context: seen
"""
    files = {"snapshot_restore_py.py": library, "app.py": code}
    driven = drive("python", files, "app.handler", AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
    assert driven.frame().type == "READY"
    driven.send(b"RESTORE 0\n")
    assert driven.frame().type == "READY"
    assert json.loads(driven.ask("1", b"").body) == ["before", "after"]


def test_processes_of_the_handler_do_not_get_the_channel(drive: Drive) -> None:
    code = """
import os, subprocess
def handler(event, context):
    fds = os.environ["IMAGEKIT_FDS"].split(",")
    return subprocess.call("test -e /proc/self/fd/" + " -o -e /proc/self/fd/".join(fds), shell=True, close_fds=False)
"""
    assert ready(drive, code).ask("1", b"").body == b"1"


@pytest.mark.real
@pytest.mark.parametrize("architecture", MACHINES)
def test_wheels_are_the_images(tmp_path: Path, architecture: str) -> None:
    files = {
        "requirements.txt": "-r requirements-base.txt\n",
        "requirements-base.txt": "markupsafe==2.1.5\nidna==3.7\n",
    }
    folder = install("python", architecture, files, tmp_path / "work", version="3.12.4")
    (library,) = folder.glob("markupsafe/_speedups*.so")
    assert machine(library) == MACHINES[architecture]
    assert "cpython-312" in library.name
    assert (folder / "idna/core.py").exists()
    assert not list(folder.rglob("*.pyc")), "made by this machine's Python"
    assert os.fspath(tmp_path) not in "".join(path.read_text() for path in folder.glob("*.dist-info/RECORD"))
