"""What all workers do with a handler's errors: the log has them before Lambda does, and they are never too much."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tests.languages.conftest import Drive

pytestmark = pytest.mark.real

SHOWN_NOT = "(its message cannot be shown)"


@dataclass(frozen=True, kw_only=True)
class Failing:
    """How a language fails."""

    #: The handler's file.
    file: str
    #: Raises an error with the text "went wrong", in a function `inner`; false text: returns.
    code: str
    #: Raises an error with the text "no start" at load.
    load: str
    #: Calls itself without end; empty where the language ends then.
    endless: str = ""
    #: Raises an error whose text cannot be had; empty where there is no such thing.
    mute: str = ""


FAILING = {
    "python": Failing(
        file="app.py",
        code="def inner():\n    raise ValueError('went wrong')\ndef handle(e, c):\n    inner()\n",
        load="raise ValueError('no start')",
        endless="def inner():\n    other()\ndef other():\n    inner()\ndef handle(e, c):\n    inner()\n",
        mute="class Mute(Exception):\n    def __str__(self):\n        raise OSError\n"
        "def handle(e, c):\n    raise Mute\n",
    ),
    "ruby": Failing(
        file="app.rb",
        code="def inner = raise(ArgumentError, 'went wrong')\ndef handle(event:, context:) = inner\n",
        load="raise 'no start'",
        endless="def inner = inner\ndef handle(event:, context:) = inner\n",
        mute="class Mute < StandardError\n  def message = raise('x')\nend\n"
        "def handle(event:, context:) = raise(Mute)\n",
    ),
    "nodejs": Failing(
        file="app.js",
        code="function inner() { throw new Error('went wrong'); }\nexports.handle = async () => inner();\n",
        load="throw new Error('no start');",
        endless="Error.stackTraceLimit = 5000;\nfunction inner() { inner(); }\nexports.handle = async () => inner();\n",
        mute="class Mute extends Error { get message() { throw 1; } }\nMute.prototype.name = 'Mute';\n"
        "exports.handle = async () => { throw new Mute(); };\n",
    ),
    "php": Failing(
        file="app.php",
        code="<?php function inner() { throw new LogicException('went wrong'); }\nfunction handle($e) { inner(); }\n",
        load="<?php throw new LogicException('no start');",
        endless="<?php function inner($n) { if ($n > 2000) throw new Exception('deep'); inner($n + 1); }\n"
        "function handle($e) { inner(0); }\n",
    ),
    "perl": Failing(
        file="app.pl",
        code="sub inner { die 'went wrong' }\nsub handle { inner() }\n1;\n",
        load="die 'no start';",
        endless="no warnings;\nsub inner { $_[0] > 2000 ? die 'deep' : inner($_[0] + 1) }\n"
        "sub handle { inner(0) }\n1;\n",
        mute="package Mute; use overload '\"\"' => sub { die 'x' };\n"
        "package main;\nsub handle { die bless {}, 'Mute' }\n1;\n",
    ),
    "lua": Failing(
        file="app.lua",
        code="local function inner() error('went wrong') end\nfunction handle() inner() return 1 end\n",
        load="error('no start')",
        endless="local function inner() inner() return 1 end\nfunction handle() inner() return 1 end\n",
        mute="function handle() error(setmetatable({}, {__tostring = function() error('x') end})) end\n",
    ),
    "tcl": Failing(
        file="app.tcl",
        code="proc inner {} { error {went wrong} }\nproc handle {e c} { inner }\n",
        load="error {no start}",
        endless="proc inner {} { inner }\nproc handle {e c} { inner }\n",
    ),
    "bash": Failing(
        file="app.sh",
        code="inner() { lambda_error Wrong 'went wrong'; false; }\nhandle() { inner; }\n",
        load="lambda_error Wrong 'no start'\nreturn 1\n",
        endless="inner() { if (($1 > 300)); then return 3; fi; inner $(($1 + 1)); }\nhandle() { inner 0; }\n",
    ),
    "r": Failing(
        file="app.R",
        code="inner <- function() stop('went wrong')\nhandle <- function(event, context) inner()\n",
        load="stop('no start')",
        endless="inner <- function(n) if (n > 500) stop('deep') else inner(n + 1)\n"
        "handle <- function(event, context) inner(0)\n",
    ),
}


@pytest.mark.parametrize("language", FAILING)
def test_an_error_is_in_the_log_before_it_is_the_answer(
    drive: Drive, capfd: pytest.CaptureFixture[str], language: str
) -> None:
    failing = FAILING[language]
    driven = drive(language, {failing.file: failing.code}, "app.handle")
    driven.frame()
    report = driven.ask("1", b"{}")
    assert report.type == "ERR"
    error, log = json.loads(report.body), capfd.readouterr().err
    assert error["errorType"] in log
    assert "went wrong" in log
    assert "inner" in log


@pytest.mark.parametrize("language", FAILING)
def test_an_error_at_load_is_in_the_log_too(drive: Drive, capfd: pytest.CaptureFixture[str], language: str) -> None:
    failing = FAILING[language]
    report = drive(language, {failing.file: failing.load}, "app.handle").frame()
    assert report.type == "INITERR"
    assert "no start" in capfd.readouterr().err


@pytest.mark.parametrize("language", FAILING)
def test_a_stack_has_no_more_than_a_hundred_frames(drive: Drive, language: str) -> None:
    failing = FAILING[language]
    driven = drive(language, {failing.file: failing.endless}, "app.handle")
    driven.frame()
    report = driven.ask("1", b"{}")
    assert report.type == "ERR"
    error = json.loads(report.body)
    assert error["errorMessage"]
    assert 0 < len(error["stackTrace"]) <= 100
    assert "inner" in error["stackTrace"][1]


@pytest.mark.parametrize("language", [name for name, failing in FAILING.items() if failing.mute])
def test_an_error_whose_text_fails_is_an_error_of_its_type(drive: Drive, language: str) -> None:
    failing = FAILING[language]
    driven = drive(language, {failing.file: failing.mute}, "app.handle")
    driven.frame()
    for turn in ("1", "2"):
        report = driven.ask(turn, b"{}")
        assert report.type == "ERR"
        error = json.loads(report.body)
        assert error["errorMessage"] == SHOWN_NOT
        assert error["errorType"] in ("Mute", "Error")
