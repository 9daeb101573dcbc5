"""What Perl's worker makes of Perl."""

from __future__ import annotations

import json

import pytest

from tests.languages.conftest import Drive


def handle(code: str) -> dict[str, str]:
    return {"app.pl": f"sub handle {{ {code} }}\n1;\n"}


def test_a_file_need_not_end_in_a_true_value(drive: Drive) -> None:
    driven = drive("perl", {"app.pl": "sub handle { 'here' }\n0;\n"}, "app.handle")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"{}").body == b'"here"'


def test_the_function_may_be_one_of_a_package(drive: Drive) -> None:
    driven = drive("perl", {"app.pm": "package App::Orders; sub handle { __PACKAGE__ } 1;"}, "app.App::Orders::handle")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"{}").body == b'"App::Orders"'


@pytest.mark.parametrize("folder", ["", "lib", "local/lib/perl5"])
def test_modules_are_found_beside_the_code(drive: Drive, folder: str) -> None:
    module = "package Near; sub where { 'near' } 1;"
    files = {**handle("Near::where()"), f"{folder}/Near.pm".lstrip("/"): module}
    driven = drive("perl", {**files, "app.pl": "use Near;\n" + files["app.pl"]}, "app.handle")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"{}").body == b'"near"'


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("use No::Such::Module;", "Runtime.ImportModuleError"),
        ("sub {", "Runtime.UserCodeSyntaxError"),
        ("use strict; $undeclared = 1;", "Runtime.UserCodeSyntaxError"),
        ("die 'plainly';", "Function.Error"),
    ],
)
def test_each_way_to_fail_at_load_has_its_name(drive: Drive, code: str, kind: str) -> None:
    report = drive("perl", {"app.pl": code}, "app.handle").frame()
    assert (report.type, report.fields) == ("INITERR", (kind,))


def test_an_exception_object_says_its_own_message(drive: Drive) -> None:
    code = "package My::NotFound; sub message { 'no 7' } package main; sub handle { die bless {}, 'My::NotFound' } 1;"
    driven = drive("perl", {"app.pl": code}, "app.handle")
    driven.frame()
    report = driven.ask("1", b"{}")
    assert (report.type, report.fields) == ("ERR", ("1", "Function.NotFound"))
    error = json.loads(report.body)
    assert (error["errorType"], error["errorMessage"]) == ("My::NotFound", "no 7")
    assert error["stackTrace"]


def test_a_message_does_not_name_the_workers_own_handle(drive: Drive) -> None:
    driven = drive("perl", handle("die 'broken'"), "app.handle")
    driven.frame()
    assert "<$in>" not in json.loads(driven.ask("1", b"{}").body)["errorMessage"]


def test_a_context_says_what_it_has_not(drive: Drive) -> None:
    driven = drive("perl", handle("$_[1]->aws_requst_id"), "app.handle")
    driven.frame()
    assert "a context has no aws_requst_id" in json.loads(driven.ask("1", b"{}").body)["errorMessage"]


def test_a_text_that_is_sent_as_it_is_may_have_any_letters(drive: Drive) -> None:
    driven = drive("perl", handle('my $text = "\\x{151}"; \\$text'), "app.handle")
    driven.frame()
    assert driven.ask("1", b"{}").body == "ő".encode()


def test_the_descriptors_are_not_left_to_programs_that_the_handler_starts(drive: Drive) -> None:
    code = "my $fds = `ls -l /proc/self/fd`; my @pipes = $fds =~ /pipe:/g; scalar @pipes"
    driven = drive("perl", handle(code), "app.handle")
    driven.frame()
    # Its own stdout is the one pipe that `ls` has; the test's log may be another.
    assert int(driven.ask("1", b"{}").body) <= 3


@pytest.mark.parametrize("restored", [False, True])
def test_after_a_restore_the_hook_runs_and_numbers_are_drawn_anew(drive: Drive, restored: bool) -> None:
    code = "srand 1; my $next = (rand, rand)[1]; srand 1; rand; my $hooks = 0;"
    code += "sub after_restore { $hooks++ } sub handle { [$hooks, rand == $next ? 'as before' : 'anew'] }"
    driven = drive("perl", {"app.pl": code}, "app.handle")
    driven.frame()
    if restored:
        driven.send(b"RESTORE 0\n")
        assert driven.frame().type == "READY"
    assert json.loads(driven.ask("1", b"{}").body) == ([1, "anew"] if restored else [0, "as before"])


@pytest.mark.parametrize("value", ["9**9**9", "-9**9**9", "{a => [1, 9**9**9]}", "9**9**9 / 9**9**9"])
def test_a_number_that_json_has_not_is_no_answer(drive: Drive, value: str) -> None:
    driven = drive("perl", {"app.pl": f"sub handle {{ return {value} }}\n1;\n"}, "app.handle")
    driven.frame()
    assert driven.ask("1", b"{}").fields == ("1", "Runtime.MarshalError")


def test_a_text_that_looks_like_such_a_number_is_an_answer(drive: Drive) -> None:
    driven = drive("perl", {"app.pl": "sub handle { return [$_[0], 'a\"inf'] }\n1;\n"}, "app.handle")
    driven.frame()
    assert json.loads(driven.ask("1", b'":inf, NaN"').body) == [":inf, NaN", 'a"inf']


def test_a_handlers_own_separators_do_no_harm(drive: Drive, capfd: pytest.CaptureFixture[str]) -> None:
    code = "$/ = undef; $\\ = 'END'; $, = ','; $\" = '+';\nsub handle { die \"bad\\n\" if $_[0]; return 'fine' }\n1;\n"
    driven = drive("perl", {"app.pl": code}, "app.handle")
    driven.frame()
    assert [driven.ask(str(turn), b"0", "1").body for turn in range(2)] == [b'"fine"'] * 2
    assert json.loads(driven.ask("3", b"1", "1").body)["errorMessage"] == "bad"
    assert capfd.readouterr().err.splitlines()[0] == "Error: bad"
