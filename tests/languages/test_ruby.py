"""What Ruby's worker makes of Ruby: methods of files and of classes, enumerators, gems."""

from __future__ import annotations

import functools
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.languages.conftest import Drive
from tests.languages.installing import MACHINES, install
from tests.support.frames import Driven
from tests.support.tools import need

pytestmark = pytest.mark.real


def ready(drive: Drive, code: str, handler: str = "app.handle") -> Driven:
    driven = drive("ruby", {"app.rb": code}, handler)
    assert driven.frame().type == "READY"
    return driven


def failed(drive: Drive, files: dict[str, str], handler: str = "app.handle") -> tuple[str, dict[str, Any]]:
    """How an initialisation is reported that failed."""
    report = drive("ruby", files, handler).frame()
    assert report.type == "INITERR"
    return report.fields[0], json.loads(report.body)


@pytest.mark.parametrize("target", ["handle", "Api::Orders.handle"])
def test_methods_of_the_file_and_of_its_classes_are_handlers(drive: Drive, target: str) -> None:
    code = """
def handle(event:, context:) = event + 1
module Api
  class Orders
    def self.handle(event:, context:) = event + 1
  end
end
"""
    assert ready(drive, code, f"app.{target}").ask("1", b"1").body == b"2"


@pytest.mark.parametrize(
    ("code", "type"),
    [
        ("x = 1", "Runtime.HandlerNotFound"),
        ("def handle(", "Runtime.UserCodeSyntaxError"),
        ("require 'missing/file'", "Runtime.ImportModuleError"),
        ("raise IndexError, 'no'", "Function.IndexError"),
        ("missing_word", "Function.NameError"),
    ],
)
def test_what_fails_at_load_has_lambdas_name(drive: Drive, code: str, type: str) -> None:
    assert failed(drive, {"app.rb": code})[0] == type


def test_the_stack_of_a_failed_load_is_the_users(drive: Drive) -> None:
    _, error = failed(drive, {"app.rb": "\n\nraise 'no'"})
    assert len(error["stackTrace"]) == 1
    assert "app.rb:3" in error["stackTrace"][0]


def test_a_namespaced_exception_is_counted_by_its_name(drive: Drive) -> None:
    code = (
        "module App; class NotFound < StandardError; end; end\ndef handle(event:, context:) = raise(App::NotFound, 'x')"
    )
    report = ready(drive, code).ask("1", b"")
    assert report.fields == ("1", "Function.NotFound")
    assert json.loads(report.body)["errorType"] == "App::NotFound"


@pytest.mark.parametrize("thrown", ["NotImplementedError", "NoMemoryError", "SystemStackError", "Class.new(Exception)"])
def test_exceptions_of_every_kind_are_answers(drive: Drive, thrown: str) -> None:
    driven = ready(drive, f"def handle(event:, context:) = event ? raise({thrown}) : 'fine'")
    assert driven.ask("1", b"1").type == "ERR"
    assert driven.ask("2", b"").body == b'"fine"'


def test_enumerators_are_streamed(drive: Drive) -> None:
    code = r"""def handle(event:, context:) = Enumerator.new { |pieces| pieces << 'one' << "\xFF".b << { n: 1 } }"""
    driven = ready(drive, code)
    driven.send(b"INVOKE 0 1\n")
    frames = [driven.frame() for _ in range(5)]
    assert [frame.type for frame in frames] == ["STREAM", "DATA", "DATA", "DATA", "END"]
    assert b"".join(frame.body for frame in frames) == b'one\xff{"n":1}\n'


def test_an_error_before_the_first_piece_is_no_stream(drive: Drive) -> None:
    assert ready(drive, "def handle(event:, context:) = Enumerator.new { raise 'x' }").ask("1", b"").type == "ERR"


def test_a_file_is_sent_as_it_is(drive: Drive) -> None:
    got = ready(drive, "def handle(event:, context:) = File.open('/proc/self/comm', 'rb')").ask("1", b"")
    assert (got.fields, got.body) == (("1", "application/octet-stream"), b"ruby\n")


@pytest.mark.parametrize("value", ["Float::INFINITY", r'"\xFF"', "[].tap { |list| list << list }"])
def test_what_json_cannot_say_is_an_error_and_no_more(drive: Drive, value: str) -> None:
    driven = ready(drive, f"def handle(event:, context:) = event && {value}")
    assert driven.ask("1", b"1").fields == ("1", "Runtime.MarshalError")
    assert driven.ask("2", b"").body == b"null"


def test_after_a_restore_the_hooks_run(drive: Drive) -> None:
    driven = ready(drive, "$n = 0\nImagekit.after_restore { $n += 1 }\ndef handle(event:, context:) = $n")
    driven.send(b"RESTORE 0\n")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"").body == b"1"


# Gems: two for every machine, one of them with native code that it brings, and one that would have to be compiled.

GEMS = {
    "pure": "Gem::Specification.new { |s| s.name = 'pure'; s.files = ['lib/pure.rb']; %s }",
    "native": "Gem::Specification.new { |s| s.name = 'native'; s.files = ['lib/native.rb']; s.platform = '{}'; %s }",
    "compiled": "Gem::Specification.new { |s| s.name = 'compiled'; s.extensions = ['ext/extconf.rb']; "
    "s.files = ['ext/extconf.rb']; %s }",
}
REST = "s.version = '1.0.0'; s.summary = 'x'; s.authors = ['x']"


@pytest.fixture(scope="module")
def rubygems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of gems on loopback."""
    folder = tmp_path_factory.mktemp("rubygems")
    for name in ("gems", "lib", "ext"):
        (folder / name).mkdir()
    (folder / "ext/extconf.rb").write_text("File.write('Makefile', \"all:\\ninstall:\\nclean:\\n\")\n")
    for name, specification in GEMS.items():
        for platform in ("x86_64-linux", "aarch64-linux") if name == "native" else ("ruby",):
            (folder / f"lib/{name}.rb").write_text(f"PLATFORM = '{platform}'\n")
            (folder / "made.gemspec").write_text(specification.replace("{}", platform) % REST)
            _run(folder, "gem", "build", "made.gemspec")
    for made in folder.glob("*.gem"):
        made.rename(folder / "gems" / made.name)
    _run(folder, "gem", "generate_index")
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


def _run(folder: Path, *command: str) -> None:
    need(command[0])
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def locked(rubygems: str, folder: Path, *gems: str) -> dict[str, str]:
    """Gemfile and Gemfile.lock with these gems, for both platforms."""
    folder.mkdir()
    lines = [f'source "{rubygems}"', *(f'gem "{name}"' for name in gems)]
    (folder / "Gemfile").write_text("\n".join(lines) + "\n")
    _run(folder, "bundle", "lock", "--add-platform", "x86_64-linux", "aarch64-linux")
    return {name: (folder / name).read_text() for name in ("Gemfile", "Gemfile.lock")}


@pytest.mark.parametrize("architecture", MACHINES)
def test_gems_are_the_images(rubygems: str, tmp_path: Path, architecture: str) -> None:
    files = locked(rubygems, tmp_path / "lock", "pure", "native")
    folder = install("ruby", architecture, files, tmp_path / "work")
    (native,) = folder.glob("ruby/*/gems/native-*/lib/native.rb")
    assert native.read_text() == f"PLATFORM = '{architecture.replace('arm64', 'aarch64')}-linux'\n"
    assert not list(folder.glob("ruby/*/cache"))


def test_a_gem_that_was_compiled_for_this_machine_is_refused(rubygems: str, tmp_path: Path) -> None:
    files = locked(rubygems, tmp_path / "lock", "compiled")
    with pytest.raises(AssertionError, match="compiled for this machine"):
        install("ruby", "arm64", files, tmp_path / "work")


def test_installed_gems_are_found(rubygems: str, tmp_path: Path, drive: Drive) -> None:
    folder = install("ruby", "x86_64", locked(rubygems, tmp_path / "lock", "native"), tmp_path / "work")
    files = {
        str(Path("vendor/bundle") / path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }
    files["app.rb"] = "require 'native'\ndef handle(event:, context:) = PLATFORM"
    driven = drive("ruby", files, "app.handle")
    assert driven.frame().type == "READY"
    assert driven.ask("1", b"").body == b'"x86_64-linux"'


def test_a_child_of_which_ruby_tells_nothing_answers_nothing(drive: Drive) -> None:
    """As every fork was before Ruby 3.1, and those of native code are."""
    code = """
require 'fiddle'
Fork = Fiddle::Function.new(Fiddle::Handle::DEFAULT['fork'], [], Fiddle::TYPE_INT)
def handle(event:, context:)
  child = Fork.call
  return 'child' if child.zero?
  Process.wait(child)
  'parent'
end
"""
    driven = ready(drive, code)
    for turn in range(3):
        answer = driven.ask(str(turn), b"1")
        assert (answer.type, answer.id, answer.body) == ("OK", str(turn), b'"parent"')
