"""`imagekit` itself: help, the table of commands, options before and after a command, variables."""

import json
import subprocess
import sys

import pytest

from imagekit.cli.commands import COMMANDS, GROUPS
from imagekit.cli.console import Console
from imagekit.cli.root import invoke
from imagekit.cli.session import Session
from tests.support.commandline import CommandLine, started

HELP = """\
Usage: imagekit [OPTIONS] COMMAND [OPTIONS] …

  Container images for AWS Lambda custom runtimes: one YAML file in, a multi-
  arch image out.

Options:
  -v, --verbose         Show requests, and tracebacks of errors.
  -q, --quiet           Show no progress.
  --cache-dir FOLDER    Where results are kept.
  --mirror HOST=MIRROR  Read a host from a mirror.
  --insecure HOST       Speak plain http to a host.
  --ca-file FILE        Trust the authorities in this file, too.
  --offline             Never touch the network.
  --version             Show the version and exit.
  -h, --help            Show this message and exit.

Write:
  init      start from an example, or write a spec for the project here
  validate  is the spec right? Reads text alone: no network, no build
  schema    print the contract of a spec; --install makes editors complete by
            it

Build:
  lock      choose the exact bytes for a spec and write them to runtime.lock
  outdated  what a new lock would change: moved tags, newer packages,
            advisories
  plan      everything that a build would do, without doing it
  render    print the spec as one file, or the image config it leads to
  build     build the image

Ship:
  matrix  say which jobs build which specs on many machines
  push    send what was built to registries, blobs first, tags last
  join    make one index of platforms that several machines have built

Look:
  explain  why is this package in the image?
  inspect  platforms, layers and config of an image
  diff     what is another in a second image: config, layers, files
  sbom     what the images of a spec consist of, as SPDX

Run:
  invoke  send one event to an image on this machine
  run     serve an image on this machine as Lambda does
  test    does it answer as the spec's tests expect? On every architecture
          here
  dev     run, and build and start again when something changes
  shell   open a shell in the image

Machine:
  doctor      what this machine lacks for a spec, and how to get it
  cache       how large the cache is, and making it smaller
  completion  print the script that completes commands in your shell
  version     the versions of imagekit and of what it works with

  Every option is also a variable: IMAGEKIT_ and its name, such as
  IMAGEKIT_MIRROR; lists have commas.

  Exit codes: 0 done; 1 something was found; 2 the spec or the command line is
  not valid; 3 the build failed; 4 a registry or the network failed; 5 this
  machine lacks something; 70 a bug; 130 interrupted.
"""


@pytest.fixture
def imagekit(capsys):
    return CommandLine(capsys)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Where `cache folder` says that the cache is, without any setting."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return str(tmp_path / "imagekit")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_help_groups_the_commands(imagekit, flag):
    ended = imagekit(flag)
    assert (ended.code, ended.out, ended.err) == (0, HELP, "")


def test_without_a_command_the_help_is_talk_and_the_exit_code_2(imagekit):
    ended = imagekit()
    assert (ended.code, ended.out, ended.err) == (2, "", HELP)


def test_the_version_is_one_line(imagekit):
    assert imagekit("--version").out == "imagekit 0.1.0\n"


def test_help_imports_no_command_and_nothing_heavy():
    script = (
        "import sys\nfrom imagekit.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    loaded = list(sys.modules)\n"
        "import json\nsys.stderr.write(json.dumps(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stderr))
    assert not loaded & {entry.module for entry in COMMANDS.values()}
    assert not loaded & {
        "yaml",
        "jsonschema",
        "urllib3",
        "docker",
        "zlib_ng",
        "logging",
        "tempfile",
        "concurrent.futures",
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_is_there_and_explains_itself(imagekit, name):
    ended = imagekit(name, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"Usage: imagekit {name} ")
    assert "Options of every command:\n  -v, --verbose" in ended.out
    assert COMMANDS[name].group in GROUPS


def test_an_unknown_command_is_answered_with_the_nearest(imagekit):
    ended = imagekit("biuld")
    known = ", ".join(COMMANDS)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (f"error: there is no command 'biuld'\n  hint: did you mean `build`? valid commands: {known}\n")


def test_an_unknown_option_is_answered_with_the_nearest(imagekit):
    ended = imagekit("version", "--jsn")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: no such option: --jsn\n  hint: did you mean --json? `imagekit version --help` lists what it takes\n"
    )


def test_a_wrong_argument_names_the_command_that_explains_it(imagekit):
    ended = imagekit("completion", "tcsh")
    assert ended.code == 2
    assert ended.err == (
        "error: invalid value for '{bash|zsh|fish}': 'tcsh' is not one of 'bash', 'zsh', 'fish'\n"
        "  hint: `imagekit completion --help` lists what it takes\n"
    )


def test_global_options_stand_before_or_after_the_command(imagekit, kept):
    assert imagekit("cache", "folder").out == f"{kept}\n"
    assert imagekit("--cache-dir", "/a", "cache", "folder").out == "/a\n"
    assert imagekit("cache", "folder", "--cache-dir", "/b").out == "/b\n"
    assert imagekit("cache", "--cache-dir", "/c", "folder").out == "/c\n"
    assert imagekit("--cache-dir", "/a", "cache", "folder", "--cache-dir", "/b").out == "/b\n"


def test_a_variable_stands_for_the_flag_and_the_flag_wins(imagekit, kept, monkeypatch):
    monkeypatch.setenv("IMAGEKIT_CACHE_DIR", "/variable")
    assert imagekit("cache", "folder").out == "/variable\n"
    assert imagekit("cache", "folder", "--cache-dir", "/flag").out == "/flag\n"
    assert imagekit("--cache-dir", "/flag", "cache", "folder").out == "/flag\n"
    monkeypatch.setenv("IMAGEKIT_CACHE_DIR", "")
    assert imagekit("cache", "folder").out == f"{kept}\n"


def test_variables_have_no_command_in_their_name(imagekit, monkeypatch):
    monkeypatch.setenv("IMAGEKIT_JSON", "1")
    assert json.loads(imagekit("version").out)["imagekit"] == "0.1.0"
    monkeypatch.setenv("IMAGEKIT_JSON", "perhaps")
    ended = imagekit("version")
    assert ended.code == 2
    assert "'perhaps' is not a valid boolean" in ended.err


@pytest.fixture
def options(tmp_path):
    """Runs a command line; what the session has of the global options afterwards."""

    def run(*arguments):
        session = Session({"HOME": str(tmp_path)}, Console(sys.stderr))
        assert invoke(arguments, session) == 0
        return session.options

    return run


def test_lists_in_variables_have_commas(options, monkeypatch):
    monkeypatch.setenv("IMAGEKIT_MIRROR", "a=b:1, c=d/e f ,")
    assert options("cache", "folder").mirror == ("a=b:1", "c=d/e f")


def test_repeatable_options_add_up_and_take_the_place_of_their_variable(options, monkeypatch):
    monkeypatch.setenv("IMAGEKIT_INSECURE", "variable")
    assert options("cache", "folder").insecure == ("variable",)
    assert options("--insecure", "a", "cache", "folder", "--insecure", "b").insecure == ("a", "b")
    assert options("cache", "folder", "--insecure", "b").insecure == ("b",)


def test_flags_of_every_command_reach_the_session(options):
    seen = options("-q", "--offline", "cache", "folder", "-v", "--ca-file", "ca.pem")
    assert (seen.quiet, seen.offline, seen.verbose, seen.ca_file) == (True, True, True, "ca.pem")


def test_python_m_imagekit_is_the_same_command():
    process = started("--version")
    assert (process.communicate(), process.returncode) == ((b"imagekit 0.1.0\n", b""), 0)
