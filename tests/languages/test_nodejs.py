"""What Node.js's worker makes of Node.js: modules of both kinds, callbacks, promises, streams."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.runners.running import eventually
from tests.languages.conftest import Drive
from tests.languages.installing import MACHINES, install, machine
from tests.support import interpreters
from tests.support.frames import Driven
from tests.support.tools import need

pytestmark = pytest.mark.real

PACKAGE = {"name": "x", "dependencies": {"esbuild": "0.21.5"}, "devDependencies": {"is-number": "7.0.0"}}


@pytest.fixture(params=["node", "node19"])
def drive(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, drive: Drive) -> Drive:
    """With this machine's Node.js, and with the one that the examples are of."""
    if request.param == "node19":
        folder = os.path.dirname(interpreters.node19())
        monkeypatch.setenv("PATH", folder + os.pathsep + os.environ["PATH"])
    return drive


def ready(drive: Drive, code: str, handler: str = "index.handler", name: str = "index.js", **variables: str) -> Driven:
    driven = drive("nodejs", {name: code}, handler, **variables)
    assert driven.frame().type == "READY"
    return driven


def failed(drive: Drive, files: dict[str, str], handler: str = "index.handler") -> tuple[str, dict[str, Any]]:
    """How an initialisation is reported that failed."""
    report = drive("nodejs", files, handler).frame()
    assert report.type == "INITERR"
    return report.fields[0], json.loads(report.body)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("index.js", "exports.handler = async (event) => event + 1;"),
        ("index.cjs", "module.exports = { handler: (event) => event + 1 };"),
        ("index.mjs", "const one = await Promise.resolve(1);\nexport const handler = (event) => event + one;"),
        ("index.mjs", "export default { handler: (event) => event + 1 };"),
    ],
)
def test_modules_of_both_kinds_are_loaded(drive: Drive, name: str, code: str) -> None:
    assert ready(drive, code, name=name).ask("1", b"1").body == b"2"


def test_package_json_says_what_kind_of_module_a_file_is(drive: Drive) -> None:
    files = {"src/package.json": '{"type": "module"}', "src/app.js": "export const handler = (event) => event + 1;"}
    driven = drive("nodejs", files, "src/app.handler")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"1").body == b"2"


def test_a_handler_may_lie_within_an_object(drive: Drive) -> None:
    driven = ready(drive, "exports.api = { v1: { get: () => 'got' } };", "index.api.v1.get")
    assert driven.ask("1", b"").body == b'"got"'


def test_a_handler_may_be_a_packages(drive: Drive) -> None:
    files = {"node_modules/wrapper/index.js": "exports.handler = () => 'wrapped';"}
    driven = drive("nodejs", files, "wrapper.handler")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"").body == b'"wrapped"'


@pytest.mark.parametrize(
    ("code", "type"),
    [
        ("exports.handler = 7;", "Runtime.HandlerNotFound"),
        ("exports.handler = () => {", "Runtime.UserCodeSyntaxError"),
        ("require('./missing');", "Runtime.ImportModuleError"),
        ("throw new RangeError('no');", "Function.RangeError"),
    ],
)
def test_what_fails_at_load_has_lambdas_name(drive: Drive, code: str, type: str) -> None:
    assert failed(drive, {"index.js": code})[0] == type


def test_a_module_that_waits_for_nothing_is_told(drive: Drive) -> None:
    assert failed(drive, {"index.mjs": "await new Promise(() => {});"})[0] == "Runtime.NodeJsExit"


def test_a_missing_module_is_blamed_where_it_is_asked_for(drive: Drive) -> None:
    _, error = failed(drive, {"index.js": "require('./missing');"})
    assert error["errorMessage"] == "Error: Cannot find module './missing'"
    assert "index.js:1" in error["stackTrace"][0]


def test_a_callback_waits_for_what_the_handler_began(drive: Drive, capfd: pytest.CaptureFixture[str]) -> None:
    code = "exports.handler = (e, c, cb) => { setTimeout(() => console.log('worked'), 50); cb(null, 'done'); };"
    assert ready(drive, code).ask("1", b"").body == b'"done"'
    assert capfd.readouterr().out == "worked\n"


def test_a_callback_waits_for_nothing_where_it_is_told_so(drive: Drive) -> None:
    code = """exports.handler = (event, context, callback) => {
      context.callbackWaitsForEmptyEventLoop = false;
      setInterval(() => {}, 1000);
      callback(null, event);
    };"""
    driven = ready(drive, code)
    assert [driven.ask(str(turn), b"%d" % turn).body for turn in range(3)] == [b"0", b"1", b"2"]


@pytest.mark.parametrize("how", ["cb(new TypeError('bad'))", "c.fail(new TypeError('bad'))"])
def test_an_error_of_a_callback_is_the_answer(drive: Drive, how: str) -> None:
    report = ready(drive, f"exports.handler = (e, c, cb) => {{ setTimeout(() => {how}, 1); }};").ask("1", b"")
    assert (report.type, report.fields) == ("ERR", ("1", "Function.TypeError"))


def test_a_handler_without_an_answer_answers_null(drive: Drive) -> None:
    assert ready(drive, "exports.handler = () => {};").ask("1", b"").body == b"null"


def test_a_promise_that_is_never_settled_is_an_error_and_no_more(drive: Drive) -> None:
    driven = ready(drive, "exports.handler = (event) => (event ? new Promise(() => {}) : 'fine');")
    assert driven.ask("1", b"1").fields == ("1", "Runtime.NodeJsExit")
    assert driven.ask("2", b"0").body == b'"fine"'


@pytest.mark.parametrize(
    ("code", "type"),
    [
        ("Promise.reject(new Error('lost'))", "Runtime.UnhandledPromiseRejection"),
        ("setTimeout(() => { throw new RangeError('lost'); }, 1)", "Function.RangeError"),
    ],
)
def test_what_nobody_catches_is_reported_and_ends_the_worker(drive: Drive, code: str, type: str) -> None:
    driven = ready(
        drive, f"exports.handler = async () => {{ {code}; await new Promise((r) => setTimeout(r, 5000)); }};"
    )
    assert driven.ask("1", b"").type == "BYE"
    report = driven.frame()
    assert (report.type, report.fields) == ("ERR", ("1", type))
    assert "lost" in json.loads(report.body)["errorMessage"]
    assert driven.process.wait(30) == 1


@pytest.mark.parametrize("thrown", ["'text'", "null", "undefined", "7", "{}", "Object.freeze(new Error('x'))"])
def test_anything_may_be_thrown(drive: Drive, thrown: str) -> None:
    driven = ready(drive, f"exports.handler = async () => {{ throw {thrown}; }};")
    report = driven.ask("1", b"")
    assert report.type == "ERR"
    assert isinstance(json.loads(report.body)["errorType"], str)
    assert driven.ask("2", b"").type == "ERR"


@pytest.mark.parametrize(
    "answer", ["Buffer.from('é')", "new Uint8Array([0xc3, 0xa9])", "Uint8Array.of(0xc3, 0xa9).buffer"]
)
def test_bytes_of_any_kind_are_bytes(drive: Drive, answer: str) -> None:
    got = ready(drive, f"exports.handler = async () => {answer};").ask("1", b"")
    assert (got.fields, got.body) == (("1", "application/octet-stream"), "é".encode())


def test_events_meet_where_lambda_sends_several(drive: Drive, tmp_path: Path) -> None:
    """The first waits for the second alone: with nothing else to do, it is not one that waits for nothing."""
    idle = tmp_path / "idle"
    code = f"""let meet; const both = new Promise((resolve) => {{ meet = resolve; }}); let count = 0;
    process.once('beforeExit', () => require('fs').writeFileSync({json.dumps(str(idle))}, ''));
    exports.handler = async () => {{
      if (++count === 2) meet();
      await both;
      return String(process.env._X_AMZN_TRACE_ID);
    }};"""
    driven = drive("nodejs", {"index.js": code}, "index.handler", AWS_LAMBDA_MAX_CONCURRENCY="1600")
    assert int(driven.frame().fields[0]) > 1
    driven.send(b"INVOKE 0 1 0 a t1\n")
    assert eventually(idle.exists)
    driven.send(b"INVOKE 0 2 0 a t2\n")
    answers = {frame.id: frame.body for frame in (driven.frame(), driven.frame())}
    assert answers == {"1": b'"undefined"', "2": b'"undefined"'}, "one variable cannot name two traces"


def test_generators_are_streamed(drive: Drive) -> None:
    code = "exports.handler = async function* () { yield 'one'; yield Buffer.from([0]); yield { n: 1 }; };"
    driven = ready(drive, code)
    driven.send(b"INVOKE 0 1\n")
    frames = [driven.frame() for _ in range(5)]
    assert [frame.type for frame in frames] == ["STREAM", "DATA", "DATA", "DATA", "END"]
    assert b"".join(frame.body for frame in frames) == b'one\x00{"n":1}\n'


def test_an_error_before_the_first_piece_is_no_stream(drive: Drive) -> None:
    driven = ready(drive, "exports.handler = async function* () { throw new Error('x'); };")
    assert driven.ask("1", b"").type == "ERR"


def test_a_stream_may_be_piped_into_after_the_handler_returned(drive: Drive) -> None:
    code = """const { Readable } = require('stream');
    exports.handler = awslambda.streamifyResponse(async (event, stream) => {
      stream.setContentType('text/plain; charset=utf-8');
      Readable.from(['x'.repeat(300000), 'y']).pipe(stream);
    });"""
    driven = ready(drive, code)
    driven.send(b"INVOKE 0 1\n")
    first = driven.frame()
    assert (first.type, first.decoded(1)) == ("STREAM", "text/plain; charset=utf-8")
    body = b""
    while (frame := driven.frame()).type == "DATA":
        body += frame.body
    assert (frame.type, body) == ("END", b"x" * 300_000 + b"y")


def test_a_stream_that_is_never_ended_is_told(drive: Drive) -> None:
    driven = ready(
        drive, "exports.handler = awslambda.streamifyResponse(async (event, stream) => { stream.write('a'); });"
    )
    driven.send(b"INVOKE 0 1\n")
    assert [driven.frame().type for _ in range(3)] == ["STREAM", "DATA", "FAIL"]


def test_after_a_restore_the_hooks_run(drive: Drive) -> None:
    code = "let n = 0; process.on('restore', async () => { await null; n++; }); exports.handler = () => n;"
    driven = ready(drive, code)
    driven.send(b"RESTORE 0\n")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"").body == b"1"


def test_the_handlers_own_cleanup_is_waited_for(drive: Drive, capfd: pytest.CaptureFixture[str]) -> None:
    code = """process.on('SIGTERM', () => setTimeout(() => { console.log('cleaned'); process.exit(0); }, 50));
    exports.handler = () => 1;"""
    driven = ready(drive, code)
    driven.close()
    driven.process.terminate()
    assert driven.process.wait(30) == 0
    assert capfd.readouterr().out == "cleaned\n"


def test_a_stream_waits_for_who_reads_it_slowly(drive: Drive) -> None:
    code = "export async function* handler() { for (let n = 0; n < 50; n++) yield 'x'.repeat(100000); }"
    driven = drive("nodejs", {"index.mjs": code}, "index.handler")
    assert driven.frame().type == "READY"
    driven.send(b"INVOKE 0 1\n")
    time.sleep(0.3)  # the channel is full by now
    frames = [driven.frame() for _ in range(52)]
    assert [frame.type for frame in frames] == ["STREAM", *["DATA"] * 50, "END"]


@pytest.mark.parametrize("architecture", MACHINES)
def test_packages_with_native_code_are_the_images(tmp_path: Path, architecture: str) -> None:
    """esbuild is a program for each platform, chosen by npm; development's packages stay out."""
    files = {"package.json": json.dumps(PACKAGE)}
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock/package.json").write_text(files["package.json"])
    subprocess.run([need("npm"), "install", "--package-lock-only", "--silent"], cwd=tmp_path / "lock", check=True)
    files["package-lock.json"] = (tmp_path / "lock/package-lock.json").read_text()
    folder = install("nodejs", architecture, files, tmp_path / "work")
    (program,) = folder.glob("@esbuild/*/bin/esbuild")
    assert machine(program) == MACHINES[architecture]
    assert not (folder / "is-number").exists()


@pytest.mark.parametrize("how", ["return 'done'", "throw new Error('done')"])
def test_what_was_logged_is_out_before_the_answer(drive: Drive, how: str) -> None:
    code = f"exports.handler = async () => {{ process.stdout.write('l'.repeat(300000)); {how}; }};"
    reads, writes = os.pipe()
    driven = drive("nodejs", {"index.js": code}, "index.handler", stdout=writes)
    os.close(writes)
    with open(reads, "rb", buffering=0) as log:
        assert driven.frame().type == "READY"
        driven.send(b"INVOKE 0 1\n")
        assert driven.silent(0.3), "the answer came before what was logged"
        left = 300_000
        while left:
            left -= len(log.read(65536))
        assert b"done" in driven.frame().body


def test_a_worker_that_ends_takes_no_more_events(drive: Drive) -> None:
    driven = ready(drive, "exports.handler = () => { setTimeout(() => { throw new Error('late'); }, 20); return 1; };")
    assert driven.ask("1", b"").body == b"1"
    assert driven.frame().type == "BYE"
    assert driven.process.wait(30) == 1


@pytest.mark.parametrize("event", [b'"\xff"', b'"\xed\xa0\x80"', b'"\xc3"'])
def test_an_event_that_is_no_utf_8_is_refused(drive: Drive, event: bytes) -> None:
    driven = ready(drive, "exports.handler = (event) => event;")
    assert driven.ask("1", event).fields == ("1", "Runtime.UnmarshalError")
    assert driven.ask("2", '"\ufffd"'.encode()).body == '"\ufffd"'.encode()
