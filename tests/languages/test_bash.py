"""What Bash's worker makes of Bash."""

from __future__ import annotations

import json

import pytest

from tests.languages.conftest import Drive

pytestmark = pytest.mark.real


def handle(code: str, before: str = "") -> dict[str, str]:
    return {"app.sh": f"{before}\nhandle() {{\n{code}\n}}\n"}


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000, 100_000, 6_291_556])
def test_a_text_of_any_size_comes_back(drive: Drive, size: int) -> None:
    driven = drive("bash", handle('printf %s "$1"'), "app.handle")
    driven.frame()
    assert driven.ask("1", b"x" * size).body == b"x" * size


def test_an_answer_is_what_was_written_byte_for_byte(drive: Drive) -> None:
    driven = drive("bash", handle("printf '\\0\\xff\\0\\n\\n'"), "app.handle")
    driven.frame()
    assert driven.ask("1", b"{}").body == b"\0\xff\0\n\n"


def test_nothing_of_an_answer_is_left_in_the_next_one(drive: Drive) -> None:
    driven = drive("bash", handle('head -c "$1" /dev/urandom'), "app.handle")
    driven.frame()
    sizes = (5000, 10, 2_000_000, 0, 7, 300)
    assert [len(driven.ask(str(size), str(size).encode()).body) for size in sizes] == list(sizes)


def test_a_small_event_takes_no_process(drive: Drive) -> None:
    driven = drive("bash", handle('read -r _ _ _ _ last </proc/loadavg; printf "%s" "$last"'), "app.handle")
    driven.frame()
    # The last process id that the system gave out does not grow by what the worker does; others may start some.
    first, *_, last = [int(driven.ask("1", b"x" * 1024).body) for _ in range(200)]
    assert last - first < 200


def test_bytes_that_no_variable_holds_are_an_error_and_do_not_hang(drive: Drive) -> None:
    driven = drive("bash", handle("printf fine"), "app.handle")
    driven.frame()
    fields = (None,) * 6
    assert driven.ask("1", b"a\0b", *fields, "text/plain").type == "BYE"
    assert driven.frame().fields == ("1", "Runtime.UnmarshalError")
    assert driven.process.wait(10) == 1


def test_a_status_is_an_error_with_the_place_where_it_arose(drive: Drive) -> None:
    driven = drive("bash", handle("inner", "inner() {\n    ls /no/such/file 2>/dev/null\n}"), "app.handle")
    driven.frame()
    report = driven.ask("1", b"{}")
    assert (report.type, report.fields) == ("ERR", ("1", "Function.Error"))
    error = json.loads(report.body)
    assert "status" in error["errorMessage"]
    assert [line.split()[0] for line in error["stackTrace"]] == ["inner", "handle"]


@pytest.mark.parametrize("before", ["", "set -euo pipefail"])
def test_an_error_may_have_a_name(drive: Drive, before: str) -> None:
    driven = drive("bash", handle("lambda_error NotFound 'no \"7\"\ttab'; return 1", before), "app.handle")
    driven.frame()
    report = driven.ask("1", b"{}")
    assert report.fields == ("1", "Function.NotFound")
    assert json.loads(report.body)["errorMessage"] == 'no "7"\ttab'


def test_the_shells_strict_mode_is_the_handlers(drive: Drive) -> None:
    driven = drive(
        "bash", handle('if [[ $1 == bad ]]; then false; fi; printf "%s" fine', "set -euo pipefail"), "app.handle"
    )
    driven.frame()
    assert [driven.ask(str(turn), b"good").body for turn in range(3)] == [b"fine"] * 3
    driven.send(b"INVOKE 3 x - - - - - - -\nbad")
    assert driven.process.wait(10) == 1


def test_what_the_file_declares_is_global(drive: Drive) -> None:
    driven = drive("bash", handle('printf %s "${colours[$1]}"', "declare -A colours=([sky]=blue)"), "app.handle")
    driven.frame()
    assert driven.ask("1", b"sky").body == b"blue"


def test_a_handlers_own_echo_printf_locale_and_separators_do_no_harm(drive: Drive) -> None:
    before = "IFS=x\nLC_ALL=C.UTF-8\nshopt -s nocasematch extglob\nset -f\necho() { :; }"
    driven = drive("bash", handle('printf "%s" "${#1}"', before), "app.handle")
    driven.frame()
    assert [driven.ask(str(turn), "éxé".encode()).body for turn in range(2)] == [b"3", b"3"]


def test_an_answer_has_the_type_that_the_handler_says(drive: Drive) -> None:
    code = "if [[ $1 == html ]]; then lambda_content_type='text/html; charset=utf-8'; fi; printf x"
    driven = drive("bash", handle(code), "app.handle")
    driven.frame()
    assert driven.ask("1", b"html").decoded(1) == "text/html; charset=utf-8"
    assert driven.ask("2", b"json").decoded(1) is None


def test_the_event_is_in_the_environment_of_programs(drive: Drive) -> None:
    driven = drive("bash", handle("bash -c 'printf %s \"${LAMBDA_RUNTIME_AWS_TENANT_ID-none}\"'"), "app.handle")
    driven.frame()
    assert driven.ask("1", b"{}", "1", "arn", "trace", "a\\b%é").body.decode() == "a\\b%é"
    assert driven.ask("2", b"{}").body == b"none"


def test_after_a_restore_the_hook_runs(drive: Drive) -> None:
    driven = drive("bash", handle('printf "$n"', "n=0\nafter_restore() { n=$((n + 1)); }"), "app.handle")
    driven.frame()
    driven.send(b"RESTORE 0\n")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"{}").body == b"1"


def test_no_room_for_answers_is_a_failed_initialisation(drive: Drive) -> None:
    report = drive("bash", handle("printf fine"), "app.handle", TMPDIR="/no/such/folder").frame()
    assert (report.type, report.fields) == ("INITERR", ("Runtime.InitError",))
    assert "/no/such/folder" in json.loads(report.body)["errorMessage"]


@pytest.mark.parametrize("type", ["text/plain\r\nx: y", "é\t%41", "-", "a b"])
def test_a_type_is_one_field_whatever_is_in_it(drive: Drive, type: str) -> None:
    driven = drive("bash", handle("lambda_content_type=$1; printf x"), "app.handle")
    driven.frame()
    assert driven.ask("1", type.encode()).decoded(1) == type
