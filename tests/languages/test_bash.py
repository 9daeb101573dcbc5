"""What Bash's worker makes of Bash."""

from __future__ import annotations

import json

import pytest

from tests.languages.conftest import Drive
from tests.support.frames import invoke

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
    assert driven.process.wait(30) == 1


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


def test_what_a_handler_wrote_without_answering_is_not_in_the_next_answer(drive: Drive) -> None:
    code = """case $1 in
        fails) printf 'left\\0over'; return 1 ;;
        streams) printf leftover; lambda_stream; lambda_write piece ;;
        *) printf '%s' "$1" ;;
    esac"""
    driven = drive("bash", handle(code), "app.handle")
    driven.frame()
    for turn in range(3):
        assert driven.ask(f"a{turn}", b"fails").type == "ERR"
        assert driven.ask(f"b{turn}", b"fine").body == b"fine"
        assert driven.ask(f"c{turn}", b"streams").type == "STREAM"
        assert [driven.frame().type for _ in range(2)] == ["DATA", "END"]
        assert driven.ask(f"d{turn}", b"fine").body == b"fine"


def test_answers_of_any_bytes_and_sizes_follow_each_other(drive: Drive) -> None:
    driven = drive("bash", handle("printf 'a\\0'; head -c \"$1\" /dev/zero; printf 'z\\0'"), "app.handle")
    driven.frame()
    for size in (0, 3, 2_000_000, 1, 70_000):
        assert driven.ask("1", b"%d" % size).body == b"a\0" + bytes(size) + b"z\0"


def test_many_answers_leave_no_room_taken(drive: Drive) -> None:
    code = """if [[ $1 == room ]]; then stat -L -c '%b' /dev/stdout; else printf '%s' "$1"; fi"""
    driven = drive("bash", handle(code), "app.handle")
    driven.frame()
    for turn in range(50):
        driven.ask(str(turn), b"x" * 100_000)
    assert int(driven.ask("1", b"room").body) * 512 < 1_500_000


@pytest.mark.parametrize(
    "before", ["", "set -f", "cd /", "set -C", "set -u", "IFS=a", "unset IFS", "shopt -s nocasematch"]
)
def test_fields_that_look_like_patterns_stand_as_they_are(drive: Drive, before: str) -> None:
    code = """printf '%s %s %s' "$LAMBDA_RUNTIME_AWS_TENANT_ID" "$-" "${IFS-unset}" """
    driven = drive("bash", handle(code, before), "app.handle")
    driven.frame()
    for tenant in ("*", "/*", "[a-z]", "a", "A"):
        found, options, rest = driven.ask("1", b"{}", "1", "arn", "trace", tenant).body.decode().split(" ", 2)
        assert found == tenant
        assert ("f" in options) == (before == "set -f")
        assert rest == {"IFS=a": "a", "unset IFS": " \t\n"}.get(before, " \t\n")


@pytest.mark.parametrize("event", [b"1", b"x" * 1000])
def test_header_lines_are_read_in_blocks(drive: Drive, event: bytes) -> None:
    driven = drive("bash", handle('printf "%s" "$1"'), "app.handle", IMAGEKIT_HEADER_BLOCK="64")
    driven.frame()
    for id in ("1", *("x" * length for length in range(40, 110)), "y" * 1000):
        line = invoke(id, event, "1", "arn").bytes[: -len(event) - 1]
        driven.send(line + b" " * (-(len(line) + 1) % 64) + b"\n" + event)
        answer = driven.frame()
        assert (answer.id, answer.body) == (id, event)
    driven.send(b"RESTORE 0".ljust(63) + b"\n")
    assert driven.frame().type == "READY"
    driven.close()
    assert driven.process.wait(30) == 0


@pytest.mark.parametrize(
    ("variables", "before", "length"),
    [
        ({"LANG": "C.UTF-8"}, "", 3),
        ({"LANG": "C"}, "", 5),
        ({"LANG": "xx_XX.UTF-8"}, "", 5),
        ({"LANG": "C", "LC_ALL": "C.UTF-8"}, "", 3),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, "", 3),
        ({"LANG": "C.UTF-8"}, "LC_ALL=C", 5),
    ],
)
def test_the_locale_is_the_handlers(
    drive: Drive, capfd: pytest.CaptureFixture[str], variables: dict[str, str], before: str, length: int
) -> None:
    around = {"LC_ALL": "", "LC_CTYPE": "", **variables}
    driven = drive("bash", handle('printf "%s" "${#1} ${LC_CTYPE:-none}"', before), "app.handle", **around)
    driven.frame()
    wanted = f"{length} {variables.get('LC_CTYPE', 'none')}".encode()
    capfd.readouterr()
    assert [driven.ask(str(turn), "éxé".encode()).body for turn in range(3)] == [wanted] * 3
    assert capfd.readouterr().err == ""
