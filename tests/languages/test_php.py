"""What PHP's worker makes of PHP."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from imagekit import language
from tests.languages.conftest import Drive
from tests.support.tools import need

pytestmark = pytest.mark.real


@pytest.mark.parametrize("handler", ["src/app", "src/app.php"])
def test_a_handler_may_be_a_file_that_returns_a_callable(drive: Drive, handler: str) -> None:
    driven = drive("php", {"src/app.php": '<?php return fn ($event) => "hello $event[name]";'}, handler)
    assert driven.frame().type == "READY"
    assert driven.ask("1", b'{"name": "you"}').body == b'"hello you"'


def test_a_file_without_function_or_callable_is_no_handler(drive: Drive) -> None:
    report = drive("php", {"app.php": "<?php $x = 1;"}, "app.handle").frame()
    assert (report.type, report.fields) == ("INITERR", ("Runtime.HandlerNotFound",))


def test_a_file_that_is_no_php_is_a_failed_initialisation(drive: Drive, capfd: pytest.CaptureFixture[str]) -> None:
    report = drive("php", {"app.php": "<?php function ("}, "app.handle").frame()
    assert (report.type, report.fields) == ("INITERR", ("Runtime.UserCodeSyntaxError",))
    assert json.loads(report.body)["errorMessage"].endswith("app.php on line 1")
    assert "app.php on line 1" in capfd.readouterr().err


def test_a_static_method_may_be_the_handler(drive: Drive) -> None:
    code = "<?php namespace App; class Orders { static function handle($event) { return $event + 1; } }"
    driven = drive("php", {"app.php": code}, "app.App\\Orders::handle")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"1").body == b"2"


def test_composers_classes_are_there(drive: Drive) -> None:
    autoload = "<?php spl_autoload_register(fn ($name) => eval(\"class $name { const IS = 'loaded'; }\"));"
    driven = drive(
        "php", {"vendor/autoload.php": autoload, "app.php": "<?php return fn () => Vendor::IS;"}, "app", APP_ENV="test"
    )
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"{}").body == b'"loaded"'


def test_what_the_file_declares_is_global(drive: Drive) -> None:
    code = "<?php $in = $line = 7; function handle() { global $in, $line; return [$in, $line]; }"
    driven = drive("php", {"app.php": code}, "app.handle")
    assert driven.frame().type == "READY"
    assert [driven.ask(str(turn), b"{}").body for turn in range(2)] == [b"[7,7]", b"[7,7]"]


def test_numbers_keep_their_kind_and_text_its_letters(drive: Drive) -> None:
    driven = drive("php", {"app.php": "<?php return fn ($event) => $event;"}, "app")
    driven.frame()
    assert driven.ask("1", '[1.0,1,0.1,"é/"]'.encode()).body == '[1.0,1,0.1,"é/"]'.encode()


def test_a_namespaced_exception_is_counted_by_its_name(drive: Drive) -> None:
    code = "<?php namespace App; class NotFound extends \\Exception {} return fn () => throw new NotFound('no 7');"
    driven = drive("php", {"app.php": code}, "app")
    driven.frame()
    report = driven.ask("1", b"{}")
    assert (report.type, report.fields) == ("ERR", ("1", "Function.NotFound"))
    assert json.loads(report.body)["errorType"] == "App\\NotFound"


def test_a_public_type_of_an_exception_is_not_taken_for_lambdas(drive: Drive) -> None:
    code = "<?php class Odd extends Exception { public $type = 7; } return fn () => throw new Odd('x');"
    driven = drive("php", {"app.php": code}, "app")
    driven.frame()
    assert driven.ask("1", b"{}").fields == ("1", "Function.Odd")


def test_an_error_before_the_first_piece_is_no_stream(drive: Drive) -> None:
    driven = drive("php", {"app.php": "<?php return function () { throw new Exception('x'); yield 1; };"}, "app")
    driven.frame()
    assert driven.ask("1", b"{}").type == "ERR"


def test_after_a_restore_the_hook_runs(drive: Drive) -> None:
    code = "<?php $n = 0; function after_restore() { global $n; $n++; } function handle() { global $n; return $n; }"
    driven = drive("php", {"app.php": code}, "app.handle")
    driven.frame()
    driven.send(b"RESTORE 0\n")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"{}").body == b"1"


def test_a_hook_that_throws_is_a_failed_restore(drive: Drive) -> None:
    code = "<?php function after_restore() { throw new Exception('no network'); } return fn () => 1;"
    driven = drive("php", {"app.php": code}, "app")
    driven.frame()
    driven.send(b"RESTORE 0\n")
    report = driven.frame()
    assert report.type == "INITERR"
    assert json.loads(report.body)["errorMessage"] == "no network"
    assert driven.process.wait(30) == 1


def installed(folder: Path, project: str) -> dict[str, bytes]:
    """What the command of `language.yaml` makes of a project, after Composer has locked it."""
    folder.mkdir()
    (folder / "composer.json").write_text(project)
    surroundings = {
        "PATH": os.environ["PATH"],
        "COMPOSER_HOME": str(folder / "home"),
        "COMPOSER_ALLOW_SUPERUSER": "1",
        "IMAGEKIT_OUTPUT": str(folder / "vendor"),
    }
    lock = f"{need('composer')} update --no-install --no-interaction --ignore-platform-reqs"
    for script in (lock, language.read("php").dependencies[0].run):
        subprocess.run(["sh", "-e", "-c", script], cwd=folder, env=surroundings, check=True, capture_output=True)
    vendor = folder / "vendor"
    return {str(path.relative_to(vendor)): path.read_bytes() for path in sorted(vendor.rglob("*")) if path.is_file()}


def test_composers_packages_are_the_same_each_time_and_work_beside_the_code(drive: Drive, tmp_path: Path) -> None:
    archive = tmp_path / "near.zip"
    with zipfile.ZipFile(archive, "w") as written:
        greeting = "<?php namespace Near; class Greeting { const TEXT = 'hello'; }"
        written.writestr("near-1.0.0/src/Greeting.php", greeting)
    package = {
        "name": "acme/near",
        "version": "1.0.0",
        "dist": {"type": "zip", "url": archive.as_uri()},
        "require": {"ext-no-such-extension": "*"},
        "autoload": {"psr-4": {"Near\\": "src/"}},
    }
    project = {
        "repositories": [{"type": "package", "package": package}, {"packagist.org": False}],
        "require": {"acme/near": "^1.0"},
        "require-dev": {},
        "autoload": {"psr-4": {"App\\": "src/"}},
    }
    files = installed(tmp_path / "first", json.dumps(project))
    assert files == installed(tmp_path / "second", json.dumps(project))
    own = "<?php namespace App; class Hello { static function say() { return \\Near\\Greeting::TEXT; } }"
    code = {"src/Hello.php": own, "app.php": "<?php return fn () => App\\Hello::say();"}
    driven = drive("php", {**code, **{f"vendor/{path}": text.decode() for path, text in files.items()}}, "app")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"{}").body == b'"hello"'
