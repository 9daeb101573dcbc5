"""What Tcl's worker makes of Tcl, and the JSON that it brings."""

from __future__ import annotations

import json

import pytest

from tests.languages.conftest import Drive

pytestmark = pytest.mark.real


def handle(code: str) -> dict[str, str]:
    return {"app.tcl": f"proc handle {{event context}} {{ {code} }}\n"}


def test_the_event_is_the_text_itself(drive: Drive) -> None:
    driven = drive("tcl", handle("return $event"), "app.handle")
    driven.frame()
    text = '{"n": 12345678901234567890, "e": [], "o": {}, "t": "é😀"}'.encode()
    assert driven.ask("1", text).body == text


@pytest.mark.parametrize("text", ["1.00", "1e3", "-0", "123456789012345678901234567890"])
def test_numbers_stay_as_they_are_written(drive: Drive, text: str) -> None:
    driven = drive("tcl", handle("return $event"), "app.handle")
    driven.frame()
    assert driven.ask("1", text.encode()).body.decode() == text


def test_json_is_dicts_lists_and_texts(drive: Drive) -> None:
    code = "set event [lambda::decode $event]; dict with event {}; "
    code += "return [lambda::object a [lindex $a 1] t [lambda::string $t] d [lambda::string [dict get $o x]]]"
    driven = drive("tcl", handle(code), "app.handle")
    driven.frame()
    event = r'{"a": [1, 2.50], "t": "a\"b\\\u00e9\/$x[exit]\n{", "o": {"x": null}}'
    answer = driven.ask("1", event.encode()).body
    assert json.loads(answer) == {"a": 2.5, "t": 'a"b\\é/$x[exit]\n{', "d": "null"}


@pytest.mark.parametrize("text", ["[1,]", '{"a"}', "01", "tru", "[1] 2", '"\\x"', '"a\nb"', "{1: 2}", "[" * 300])
def test_what_is_no_json_is_refused(drive: Drive, text: str) -> None:
    driven = drive("tcl", handle("return 1"), "app.handle")
    driven.frame()
    assert driven.ask("1", text.encode()).fields == ("1", "Runtime.UnmarshalError")


def test_control_characters_are_escaped(drive: Drive) -> None:
    driven = drive("tcl", handle('return [lambda::string "a\\x01\\t\\x7f\\"z"]'), "app.handle")
    driven.frame()
    assert json.loads(driven.ask("1", b"{}").body) == 'a\x01\t\x7f"z'


def test_an_error_code_names_the_error(drive: Drive) -> None:
    driven = drive("tcl", handle("throw {NOTFOUND ORDER} {no 7}"), "app.handle")
    driven.frame()
    report = driven.ask("1", b"{}")
    assert report.fields == ("1", "Function.NOTFOUND")
    error = json.loads(report.body)
    assert (error["errorType"], error["errorMessage"]) == ("NOTFOUND", "no 7")
    assert error["stackTrace"] == ['(procedure "::handle" line 1)']


def test_nothing_returned_is_null(drive: Drive) -> None:
    driven = drive("tcl", handle(""), "app.handle")
    driven.frame()
    assert driven.ask("1", b"{}").body == b"null"


def test_a_variable_that_an_event_does_not_set_is_not_there(drive: Drive) -> None:
    driven = drive("tcl", handle("return [info exists ::env(_X_AMZN_TRACE_ID)]"), "app.handle")
    driven.frame()
    assert driven.ask("1", b"{}", "1", "arn", "Root=1").body == b"1"
    assert driven.ask("2", b"{}").body == b"0"


def test_a_missing_package_is_called_so(drive: Drive) -> None:
    report = drive("tcl", {"app.tcl": "package require NoSuchPackage"}, "app.handle").frame()
    assert (report.type, report.fields) == ("INITERR", ("Runtime.ImportModuleError",))


def test_after_a_restore_the_hook_runs(drive: Drive) -> None:
    code = "set n 0\nproc after_restore {} { incr ::n }\nproc handle {event context} { return $::n }\n"
    driven = drive("tcl", {"app.tcl": code}, "app.handle")
    driven.frame()
    driven.send(b"RESTORE 0\n")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"{}").body == b"1"


@pytest.mark.parametrize("type", ["text/plain\r\nx: y", "é\t%41", "-", "text/html; charset=utf-8"])
def test_a_type_is_one_field_whatever_is_in_it(drive: Drive, type: str) -> None:
    driven = drive("tcl", handle("return -content_type [lambda::decode $event] x"), "app.handle")
    driven.frame()
    assert driven.ask("1", json.dumps(type).encode()).decoded(1) == type


@pytest.mark.parametrize("event", [b'"\xff"', b'"\xed\xa0\x80"', b'"\xc3"', b'"\xc1\x81"'])
def test_an_event_that_is_no_utf_8_is_refused(drive: Drive, event: bytes) -> None:
    driven = drive("tcl", handle("return $event"), "app.handle")
    driven.frame()
    assert driven.ask("1", event).fields == ("1", "Runtime.UnmarshalError")
    assert driven.ask("2", '"é😀"'.encode()).body == '"é😀"'.encode()


def test_a_forked_child_answers_nothing(drive: Drive) -> None:
    code = """package require Tclx
proc handle {event context} {
    set child [fork]
    if {$child == 0} { return {"child"} }
    wait $child
    return {"parent"}
}
"""
    driven = drive("tcl", {"app.tcl": code}, "app.handle")
    assert driven.frame().type == "READY", "scripts/ci-tools installs tclx"
    for turn in range(3):
        answer = driven.ask(str(turn), b"1")
        assert (answer.type, answer.id, answer.body) == ("OK", str(turn), b'"parent"')
