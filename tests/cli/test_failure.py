"""Where commands end early: the texts, the exit codes, and what a gone reader, a full disk or a signal make of it."""

import errno
import io
import os
import signal
import socket
import subprocess
import sys

import click
import pytest

from imagekit import errors
from imagekit.cli import main
from imagekit.cli.console import Console
from imagekit.cli.failure import as_known, end
from imagekit.cli.session import GlobalOptions, Session
from imagekit.findings import Finding, Place, Severity
from tests.support.commandline import ROOT, started


@pytest.fixture
def told():
    """Ends a session with an error: the exit code and what stderr got."""

    def tell(error, *, environment=(), coloured=False, verbose=False):
        stream = io.StringIO()
        session = Session(dict(environment), Console(stream, coloured=coloured))
        session.options = GlobalOptions(verbose=verbose)
        return end(error, session), stream.getvalue()

    return tell


def finding(line, code="IK0101", **more):
    place = Place(file="runtime.yaml", line=line, column=3, excerpt="  langauge: go")
    return Finding(code=code, message="an unknown key `langauge`", place=place, **more)


def test_an_error_says_what_where_and_what_to_do(told):
    error = errors.BuildFailed("the step failed", hint="look there", place=Place(file="runtime.yaml", line=3, column=5))
    assert told(error) == (3, "error: the step failed\n  at runtime.yaml:3:5\n  hint: look there\n")


def test_paths_are_told_as_they_are_seen_from_here(told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = errors.InvalidFile(
        f"{tmp_path}/a/b: no folder, and oci:{tmp_path}/c in {tmp_path} neither; /x{tmp_path}/d and {tmp_path}e/f are",
        hint=f"remove '{tmp_path}/a'",
    )
    message = f"a/b: no folder, and oci:c in {tmp_path} neither; /x{tmp_path}/d and {tmp_path}e/f are"
    assert told(error) == (2, f"error: {message}\n  hint: remove 'a'\n")


def test_findings_come_first_in_their_order_each_with_line_caret_and_hint(told):
    found = (finding(9, severity=Severity.WARNING), finding(2, hint="did you mean `language`?"))
    code, text = told(errors.InvalidSpec(found))
    assert code == 2
    assert text == (
        "runtime.yaml:2:3: error[IK0101]: an unknown key `langauge`\n"
        "  2 |   langauge: go\n"
        "        ^\n"
        "  hint: did you mean `language`?\n"
        "runtime.yaml:9:3: warning[IK0101]: an unknown key `langauge`\n"
        "  9 |   langauge: go\n"
        "        ^\n"
        "error: 2 problems found\n"
        "  hint: mend what is listed above; `imagekit schema` prints the contract\n"
    )


def test_words_are_painted_on_a_terminal_only(told):
    _, text = told(errors.Missing("no room", hint="make some"), coloured=True)
    assert text == "\x1b[31merror:\x1b[0m no room\n  \x1b[36mhint:\x1b[0m make some\n"


def test_nothing_in_a_message_moves_the_cursor(told):
    _, text = told(errors.RemoteFailed("a\x1b[2Jb\u202ec\r", hint="d\x07"))
    assert text == "error: a?[2Jb?c?\n  hint: d?\n"


def test_in_a_workflow_findings_are_annotations_too(told):
    environment = {"GITHUB_ACTIONS": "true"}
    assert told(errors.InvalidSpec((finding(2, hint="b"),)), environment=environment)[1] == (
        "runtime.yaml:2:3: error[IK0101]: an unknown key `langauge`\n"
        "  2 |   langauge: go\n"
        "        ^\n"
        "  hint: b\n"
        "::error file=runtime.yaml,line=2,col=3,title=IK0101::an unknown key `langauge`%0Ahint: b\n"
        "error: 1 problem found\n"
        "  hint: mend what is listed above; `imagekit schema` prints the contract\n"
    )
    assert told(errors.RemoteFailed("gone", hint="try"), environment=environment)[1] == (
        "error: gone\n  hint: try\n::error::gone\n"
    )


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.ENOSPC, "no space left on device"),
        (errno.EROFS, "read-only file system"),
        (errno.EACCES, "permission denied"),
        (errno.EPERM, "operation not permitted"),
        (errno.EDQUOT, "disk quota exceeded"),
        (errno.EMFILE, "too many open files"),
    ],
)
def test_what_the_system_refuses_is_something_that_the_machine_lacks(number, word):
    known = as_known(OSError(number, os.strerror(number), "/some/file"))
    assert (type(known), known.message, known.exit_code) == (errors.Missing, f"{word}: /some/file", 5)
    assert known.hint


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.ENOENT, "no such file or directory"),
        (errno.EEXIST, "file exists"),
        (errno.ENOTDIR, "not a directory"),
        (errno.EISDIR, "is a directory"),
        (errno.ELOOP, "too many levels of symbolic links"),
        (errno.ENAMETOOLONG, "file name too long"),
    ],
)
def test_a_disk_that_is_not_as_a_path_says_is_no_bug(number, word):
    known = as_known(OSError(number, os.strerror(number), b"/some/file"))
    assert (type(known), known.message, known.exit_code) == (errors.InvalidFile, f"{word}: /some/file", 2)
    assert known.hint
    assert as_known(OSError(number, os.strerror(number))).exit_code == 70


@pytest.mark.parametrize("arguments", [["build"], ["validate"], ["init", "go"], ["lock", "/x/runtime.yaml"]])
def test_a_current_folder_that_was_removed_is_told(tmp_path, monkeypatch, capsys, arguments):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "error: the current folder is gone\n  hint: change into one that is there, and run it again\n"
    )


def test_other_errors_are_bugs_that_say_where_to_look(told):
    code, text = told(KeyError("x"))
    assert code == 70
    assert text == (
        "error: imagekit failed where it should not: KeyError: 'x'\n"
        "  hint: please report it with the output of `imagekit version --json` and of the same command with --verbose\n"
    )


def test_a_bug_names_the_line_of_imagekit_that_was_at_work():
    from imagekit.architecture import by_name

    with pytest.raises(KeyError) as caught:
        by_name("sparc")
    assert "(imagekit/architecture.py, line " in as_known(caught.value).message


def test_a_traceback_is_for_verbose_and_holds_no_credentials(told):
    error = errors.RemoteFailed("cannot reach it")
    error.__cause__ = ValueError("https://user:secret@example.com/")
    assert "Traceback" not in told(error)[1]
    code, text = told(error, verbose=True)
    assert code == 4
    assert "ValueError: https://" in text
    assert "secret" not in text


def test_clicks_words_get_the_form_of_all_errors(told):
    assert told(click.UsageError("Got unexpected extra argument (x).")) == (
        2,
        "error: got unexpected extra argument (x)\n  hint: `imagekit --help` lists what it takes\n",
    )


def test_out_of_memory_is_something_that_the_machine_lacks():
    assert as_known(MemoryError()).exit_code == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_interrupts_the_command(tmp_path, number):
    spec = tmp_path / "runtime.yaml"
    silent = socket.create_server(("127.0.0.1", 0))
    spec.write_text(
        "name: app\nlanguage: custom\nos: al2023\nbootstrap: {path: boot}\n"
        f"base: 127.0.0.1:{silent.getsockname()[1]}/base:1\n"
    )
    # Whoever runs the tests may have it ignored (nohup, a shell's `&`), and programs inherit that.
    before = signal.signal(number, signal.default_int_handler)
    try:
        process = started("lock", str(spec), "--cache-dir", str(tmp_path / "cache"))
    finally:
        signal.signal(number, before)
    with silent:
        silent.settimeout(30)
        connection, _ = silent.accept()  # the command waits for an answer from now on
        with connection:
            process.send_signal(number)
            _, err = process.communicate(timeout=30)
    assert not (tmp_path / "runtime.lock").exists()
    assert process.returncode == 130
    assert err == (
        b"error: interrupted\n  hint: nothing half-written was left behind; run the command again to go on\n"
    )


def test_nobody_reads_any_more_and_nothing_is_said():
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as nowhere:
        process = started("schema", stdout=nowhere)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (141, b"")


def test_a_full_disk_behind_stdout_is_told():
    with open("/dev/full", "wb") as full:
        process = started("schema", stdout=full)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 5
    assert err.decode().splitlines()[0] == "error: no space left on device"


def test_names_that_are_no_text_are_printed_all_the_same():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "imagekit", "validate", b"\xff\xe2\x80\xa6.yaml"],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b".yaml" in done.stderr


def shell(command):
    """A command line under a shell that closes streams; `python -m imagekit` is "$@"."""
    words = ["/bin/sh", "-c", command, "sh", sys.executable, "-m", "imagekit"]
    return subprocess.run(words, capture_output=True, check=False, timeout=30, cwd=ROOT)


@pytest.mark.parametrize("closed", [">&-", "<&- >&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_as_dev_null(tmp_path, closed):
    spec = tmp_path / "runtime.yaml"
    spec.write_text("name: app\nlanguage: custom\nos: al2023\nbootstrap: {path: boot}\n")
    done = shell(f'"$@" validate {spec} {closed}')
    said = b"" if "2>" in closed else f"valid: {spec}\n".encode()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", said)
    spec.write_text("name: app\n")
    done = shell(f'"$@" validate --json {spec} {closed}')
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)
    assert (done.stdout == b"") == (" >" in f" {closed}")


def test_a_closed_stream_is_closed_for_what_steps_print_too(tmp_path):
    spec = tmp_path / "runtime.yaml"
    spec.write_text(
        "name: app\nlanguage: custom\nos: scratch\nbootstrap: {path: boot}\n"
        "build: [{run: 'echo told; echo told >&2; exit 7'}]\n"
    )
    done = shell(f'"$@" build {spec} --cache-dir {tmp_path}/cache >&-')
    assert done.returncode == 3
    assert done.stderr.count(b"  | told") == 2
