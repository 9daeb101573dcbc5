"""What R's worker makes of R."""

from __future__ import annotations

import json

import pytest

from tests.languages.conftest import Drive

pytestmark = pytest.mark.real


def handle(code: str) -> dict[str, str]:
    return {"app.R": f"handle <- function(event, context) {{ {code} }}\n"}


def test_json_stays_what_it_is(drive: Drive) -> None:
    driven = drive("r", handle("event"), "app.handle")
    driven.frame()
    event = [[], {}, [1], None, [[1, 2.5], [3]], 9007199254740991, -9007199254740991, 0.1, 1e100, 1e15, "é"]
    assert json.loads(driven.ask("1", json.dumps(event).encode()).body) == event


def test_r_values_are_json(drive: Drive) -> None:
    driven = drive("r", handle("list(n = 1, v = 1:3, t = TRUE, m = NA, d = data.frame(a = 1:2))"), "app.handle")
    driven.frame()
    answer = json.loads(driven.ask("1", b"{}").body)
    assert answer == {"n": 1, "v": [1, 2, 3], "t": True, "m": None, "d": [{"a": 1}, {"a": 2}]}


def test_a_class_of_a_condition_names_the_error(drive: Drive) -> None:
    code = "inner <- function() stop(errorCondition('no 7', class = 'NotFound')); inner()"
    driven = drive("r", handle(code), "app.handle")
    driven.frame()
    report = driven.ask("1", b"{}")
    assert report.fields == ("1", "Function.NotFound")
    error = json.loads(report.body)
    assert (error["errorType"], error["errorMessage"]) == ("NotFound", "no 7")
    assert error["stackTrace"] == ["inner()"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("library(NoSuchPackage)", "Runtime.ImportModuleError"),
        ("handle <- function(", "Runtime.UserCodeSyntaxError"),
        ("stop('plainly')", "Function.SimpleError"),
        ("handle <- 7", "Runtime.HandlerNotFound"),
    ],
)
def test_each_way_to_fail_at_load_has_its_name(drive: Drive, code: str, kind: str) -> None:
    report = drive("r", {"app.R": code}, "app.handle").frame()
    assert (report.type, report.fields) == ("INITERR", (kind,))


def test_functions_of_the_handler_do_not_take_the_place_of_the_workers(drive: Drive) -> None:
    code = "send <- json <- run <- length <- function(...) stop('mine')\nhandle <- function(event, context) 'fine'\n"
    driven = drive("r", {"app.R": code}, "app.handle")
    driven.frame()
    assert driven.ask("1", b"{}").body == b'"fine"'


def test_a_content_type_may_stand_at_the_answer(drive: Drive) -> None:
    driven = drive("r", handle("structure('<p>é</p>', content_type = 'text/html; charset=utf-8')"), "app.handle")
    driven.frame()
    answer = driven.ask("1", b"{}")
    assert (answer.decoded(1), answer.body.decode()) == ("text/html; charset=utf-8", "<p>é</p>")


def test_after_a_restore_the_hook_runs(drive: Drive) -> None:
    code = "n <- 0\nafter_restore <- function() n <<- n + 1\nhandle <- function(event, context) n\n"
    driven = drive("r", {"app.R": code}, "app.handle")
    driven.frame()
    driven.send(b"RESTORE 0\n")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"{}").body == b"1"
