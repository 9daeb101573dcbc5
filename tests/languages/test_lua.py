"""What Lua's worker makes of Lua, and the JSON that it brings."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.client.workers import WORKERS
from tests.languages.conftest import Drive
from tests.support.frames import Driven
from tests.support.runtime_api import lambda_environment
from tests.support.tools import need

pytestmark = pytest.mark.real


def handle(code: str) -> dict[str, str]:
    return {"app.lua": f"local json = require 'lambda_json'\nfunction handle(event, context) {code} end\n"}


@pytest.mark.parametrize(
    "text",
    [
        '{"a":[1,2.0,-1.5,1e+300,0.1],"b":{}}',
        '["é","😀","\\u0000\\u001f","\\"\\\\"]',
        "[[],[null,null],{}]",
        "[9223372036854775807,-9223372036854775808]",
        '""',
        "[true,false]",
    ],
)
def test_json_stays_what_it_is(drive: Drive, text: str) -> None:
    driven = drive("lua", handle("return event"), "app.handle")
    driven.frame()
    answer = json.loads(driven.ask("1", text.encode()).body)
    assert answer == json.loads(text)


@pytest.mark.parametrize(
    ("text", "means"), [('"\\ud83d\\ude00"', "😀"), ('"\\ud83d"', "\ufffd"), ('"\\u00e9\\/"', "é/")]
)
def test_escapes_are_the_letters_that_they_stand_for(drive: Drive, text: str, means: str) -> None:
    driven = drive("lua", handle("return event"), "app.handle")
    driven.frame()
    assert json.loads(driven.ask("1", text.encode()).body) == means


@pytest.mark.parametrize(
    "text",
    ["[1,]", '{"a"}', '{"a":1,}', "01", "1.", ".5", "+1", "tru", "[1] 2", '"\t"', '"\\x"', '"', "-", "{1:2}", "nan"],
)
def test_what_is_no_json_is_refused(drive: Drive, text: str) -> None:
    driven = drive("lua", handle("return event"), "app.handle")
    driven.frame()
    assert driven.ask("1", text.encode()).fields == ("1", "Runtime.UnmarshalError")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("return {}", "{}"),
        ("return json.array()", "[]"),
        ("return {1, {2}}", "[1,[2]]"),
        ("return json.null", "null"),
        ("return", "null"),
        ("return {a = json.null}", '{"a":null}'),
        ("return event == json.null", "true"),
    ],
)
def test_tables_are_arrays_or_objects(drive: Drive, code: str, text: str) -> None:
    driven = drive("lua", handle(code), "app.handle")
    driven.frame()
    assert driven.ask("1", b"null").body.decode() == text


@pytest.mark.parametrize("value", ["0/0", "print", "{[1] = 1, a = 2}", "{[1] = 1, [5] = 2}", "'\\xff'", "1e308 * 10"])
def test_what_json_has_not_is_an_error(drive: Drive, value: str) -> None:
    driven = drive("lua", handle(f"return {value}"), "app.handle")
    driven.frame()
    assert driven.ask("1", b"{}").fields == ("1", "Runtime.MarshalError")


def test_a_table_inside_itself_is_an_error(drive: Drive) -> None:
    driven = drive("lua", handle("local t = {} t.t = t return t"), "app.handle")
    driven.frame()
    assert driven.ask("1", b"{}").fields == ("1", "Runtime.MarshalError")


def test_a_table_that_is_raised_names_the_error(drive: Drive) -> None:
    driven = drive("lua", handle("error({errorType = 'NotFound', errorMessage = 'no 7'})"), "app.handle")
    driven.frame()
    report = driven.ask("1", b"{}")
    assert report.fields == ("1", "Function.NotFound")
    assert json.loads(report.body)["errorMessage"] == "no 7"


def test_a_text_with_a_content_type_is_sent_as_it_is(drive: Drive) -> None:
    driven = drive("lua", handle("return context.bytes('<p>\\xff</p>', 'text/html; charset=x')"), "app.handle")
    driven.frame()
    answer = driven.ask("1", b"{}")
    assert (answer.decoded(1), answer.body) == ("text/html; charset=x", b"<p>\xff</p>")


def test_a_second_result_is_none_of_lambdas_business(drive: Drive) -> None:
    driven = drive("lua", handle("return ('abc'):gsub('b', 'x')"), "app.handle")
    driven.frame()
    assert driven.ask("1", b"{}").body == b'"axc"'


def test_a_piece_that_is_no_json_ends_the_stream_with_an_error(drive: Drive) -> None:
    driven = drive("lua", handle("coroutine.yield('a') coroutine.yield({print})"), "app.handle")
    driven.frame()
    frames = [driven.ask("1", b"{}"), driven.frame(), driven.frame()]
    assert [frame.type for frame in frames] == ["STREAM", "DATA", "FAIL"]
    assert driven.ask("2", b"{}").type == "STREAM"


@pytest.mark.parametrize("path", ["near.lua", "near/init.lua", "lua_modules/share/lua/5.4/near.lua"])
def test_modules_are_found_beside_the_code(drive: Drive, path: str) -> None:
    driven = drive("lua", {**handle("return require('near')"), path: "return 'near'"}, "app.handle")
    driven.frame()
    assert driven.ask("1", b"{}").body == b'"near"'


def test_what_is_printed_is_out_before_the_answer(drive: Drive, capfd: pytest.CaptureFixture[str]) -> None:
    driven = drive("lua", handle("io.write('no newline') return 1"), "app.handle")
    driven.frame()
    driven.ask("1", b"{}")
    assert capfd.readouterr().out == "no newline"


#: What luaposix has, by names of Lua's own functions, which the interpreter brings.
_POSIX = """
#include <sys/wait.h>
#include <unistd.h>
extern void lua_createtable(void *, int, int), lua_pushinteger(void *, long long);
extern void lua_setfield(void *, int, const char *), lua_pushcclosure(void *, int (*)(void *), int);
extern long long luaL_checkinteger(void *, int);
static int forks(void *lua) { return lua_pushinteger(lua, fork()), 1; }
static int waits(void *lua) { return lua_pushinteger(lua, waitpid(luaL_checkinteger(lua, 1), 0, 0)), 1; }
int luaopen_posix_unistd(void *lua) {
    lua_createtable(lua, 0, 2);
    lua_pushcclosure(lua, forks, 0);
    lua_setfield(lua, -2, "fork");
    lua_pushcclosure(lua, waits, 0);
    lua_setfield(lua, -2, "wait");
    return 1;
}
"""
_SPLITS = """
local posix = require "posix.unistd"
function handle(event)
  local child = posix.fork()
  if child == 0 and event then error("child") elseif child == 0 then return "child" end
  posix.wait(child)
  return "parent"
end
"""


def test_a_forked_child_answers_nothing(drive: Drive, tmp_path: Path) -> None:
    library = tmp_path / "task/lua_modules/lib/lua/5.4/posix/unistd.so"
    library.parent.mkdir(parents=True)
    words = [need("cc"), "-shared", "-fPIC", "-xc", "-o", str(library), "-"]
    subprocess.run(words, input=_POSIX.encode(), check=True)
    driven = drive("lua", {"app.lua": _SPLITS}, "app.handle")
    assert driven.frame().type == "READY"
    for turn, event in enumerate((b"false", b"true") * 2):
        answer = driven.ask(str(turn), event)
        assert (answer.type, answer.id, answer.body) == ("OK", str(turn), b'"parent"')


#: The channel lies at 3 and 4, as the client has it.
_AS_THE_CLIENT = """IFS=, read -r from to <<<"$IMAGEKIT_FDS"
exec {reads}<&"$from" {writes}>&"$to"
exec {from}<&- {to}>&-
exec 3<&"$reads" 4>&"$writes" {reads}<&- {writes}>&-
export IMAGEKIT_FDS=3,4
exec "$@"
"""


@pytest.mark.parametrize("start", ["io.popen('ls -l /proc/self/fd')", "read(os.execute('ls -l /proc/self/fd >here'))"])
def test_programs_do_not_get_the_channel(tmp_path: Path, start: str) -> None:
    code = f"local function read() return io.open('here') end\nlocal ran = {start}\nreturn ran:read('a')"
    (tmp_path / "app.lua").write_text(handle(code)["app.lua"])
    (worker,) = (row for row in WORKERS if row.name == "lua")
    environment = {**lambda_environment("127.0.0.1:1"), "LAMBDA_TASK_ROOT": str(tmp_path), "_HANDLER": "app.handle"}
    command = (need("bash"), "-c", _AS_THE_CLIENT, "bash", *worker.install(tmp_path))
    with Driven(command, environment) as driven:
        assert driven.frame().type == "READY"
        channel = {os.readlink(f"/proc/{driven.process.pid}/fd/{number}") for number in (3, 4)}
        found = json.loads(driven.ask("1", b"{}").body)
        assert "/dev/null" in found
        assert not any(pipe in found for pipe in channel)
        assert driven.ask("2", b"{}").type == "OK"


def test_whether_there_is_a_shell_may_be_asked(drive: Drive) -> None:
    driven = drive("lua", handle("return {os.execute(), select(3, os.execute('exit 3'))}"), "app.handle")
    driven.frame()
    assert json.loads(driven.ask("1", b"{}").body) == [True, 3]
