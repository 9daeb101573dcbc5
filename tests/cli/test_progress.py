"""What the user sees of the work: plain lines in logs, rows on a terminal, nothing under --quiet."""

import io
import os
import pty
import re
import subprocess
import sys
import threading
import time

import pytest

from imagekit.cli.console import Console
from imagekit.cli.live import Live
from imagekit.cli.progress import Plain, amount, duration, shown_on
from tests.support.clock import Clock
from tests.support.commandline import ROOT
from tests.support.terminal import Terminal


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log(clock):
    stream = io.StringIO()
    return Plain(Console(stream), clock), stream


@pytest.fixture
def terminal():
    return Terminal()


@pytest.fixture
def live(terminal, clock):
    """Not entered: nothing draws but the test."""
    return Live(Console(terminal, live=True), clock)


def test_a_task_is_one_line_when_it_is_over(log, clock):
    progress, stream = log
    with progress.task("layer files", total=20_000_000) as task:
        task.advance(12_000_000)
        assert stream.getvalue() == ""
        clock.sleep(1.25)
        task.advance(345_678)
    assert stream.getvalue() == "layer files: 12.3 MB in 1.2 s\n"


def test_what_took_no_time_is_said_without_it(log, clock):
    progress, stream = log
    with progress.task("scan"):
        clock.sleep(0.1)
    with progress.task("base") as task:
        task.say("cached")
    with progress.task("config") as task:
        task.advance(812)
    with progress.task("layer") as task:
        task.say("mounted")
        clock.sleep(75)
    assert stream.getvalue() == "scan: done\nbase: cached\nconfig: 812 B\nlayer: mounted, in 1 min 15 s\n"


def test_a_long_task_says_at_once_that_it_is_alive(log, clock):
    progress, stream = log
    with progress.task("make") as task:
        clock.sleep(15)
        task.say("still running after 15 s")
        assert stream.getvalue() == "make: still running after 15 s\n"
    assert stream.getvalue() == "make: still running after 15 s\nmake: in 15 s\n"


def test_a_task_that_fails_leaves_the_talking_to_the_error(log, live, terminal, clock):
    def work(progress):
        with progress.task("make"):
            clock.sleep(5)
            raise ValueError("x")

    for progress, shown in ((log[0], log[1].getvalue), (live, lambda: "".join(terminal.screen))):
        with pytest.raises(ValueError, match="x"):
            work(progress)
        assert shown() == ""


def test_a_sentence_is_a_line(log):
    log[0].say("taking the lock as it is")
    assert log[1].getvalue() == "taking the lock as it is\n"


def test_a_terminal_shows_what_is_under_way(live, terminal, clock):
    with live.task("base arm64", total=40_000_000) as first, live.task("make x86_64") as second:
        live.draw()
        assert terminal.screen == [
            "  base arm64  [....................]  0 B of 40.0 MB  0.0 s",
            "  make x86_64  0.0 s",
        ]
        clock.sleep(2)
        first.advance(10_000_000)
        second.say("still running")
        live.draw()
        assert terminal.screen == [
            "  base arm64  [#####...............]  10.0 MB of 40.0 MB  5.0 MB/s  2.0 s",
            "  make x86_64  2.0 s  still running",
        ]


def test_a_terminal_keeps_lines_above_the_rows(live, terminal, clock):
    with live.task("push") as task:
        live.draw()
        task.advance(500)
        live.say("the registry is slow")
        assert terminal.screen == ["the registry is slow", "  push  0.0 s"]
        clock.sleep(3)
        with live.task("blink"):
            pass
        live.draw()
        assert terminal.screen == ["the registry is slow", "  push  500 B  167 B/s  3.0 s"]
    live.draw()
    assert terminal.screen == ["the registry is slow", "push: 500 B in 3.0 s"]


def test_more_tasks_than_rows_are_counted(live, terminal):
    from contextlib import ExitStack

    with ExitStack() as stack:
        for number in range(11):
            stack.enter_context(live.task(f"blob {number}"))
        live.draw()
        assert terminal.screen == [*(f"  blob {number}  0.0 s" for number in range(8)), "  and 3 more"]


def test_rows_are_cut_before_they_wrap(live, terminal):
    with live.task("x" * 200):
        live.draw()
        assert terminal.screen == ["  " + "x" * 77]


def test_titles_cannot_move_the_cursor(live, terminal):
    with live.task("a\x1b[2Jb"):
        live.draw()
    assert terminal.screen == ["  a?[2Jb  0.0 s"]


def test_an_error_leaves_the_terminal_clean(terminal):
    def work():
        with Live(Console(terminal, live=True), time.monotonic) as live, live.task("make"):
            live.draw()
            assert terminal.screen == ["  make  0.0 s"]
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        work()
    assert terminal.screen == []
    assert not [one for one in threading.enumerate() if one.name == "progress"]


def test_many_threads_share_one_terminal(terminal, clock):
    def work(number):
        for _ in range(20):
            with live.task(f"task {number}") as task:
                task.advance(1)
                live.draw()
                live.say(f"from {number}")

    with Live(Console(terminal, live=True), clock) as live:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(terminal.screen) == sorted(f"from {number}" for number in range(8) for _ in range(20))


def test_quiet_shows_nothing(terminal):
    with shown_on(Console(terminal, live=True), quiet=True) as progress, progress.task("make") as task:
        task.advance(1)
        task.say("cached")
        progress.say("a line")
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(
    ("environment", "live", "coloured"),
    [
        ({}, True, True),
        ({"CI": "true"}, False, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
    ],
)
def test_a_terminal_is_used_as_the_environment_asks(terminal, environment, live, coloured):
    console = Console.of(terminal, environment)
    assert (console.live, console.coloured) == (live, coloured)


@pytest.mark.parametrize(("environment", "coloured"), [({}, False), ({"FORCE_COLOR": "1"}, True)])
def test_a_pipe_gets_plain_lines(environment, coloured):
    console = Console.of(io.StringIO(), environment)
    assert (console.live, console.coloured) == (False, coloured)


def test_bytes_and_seconds_read_well():
    assert [amount(n) for n in (0, 999, 1000, 999_949, 999_950, 12_345_678, 10**15)] == [
        *("0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "12.3 MB", "1000.0 TB"),
    ]
    assert [duration(n) for n in (0, 0.04, 9.94, 9.96, 59.6, 60, 3725)] == [
        *("0.0 s", "0.0 s", "9.9 s", "10 s", "1 min 0 s", "1 min 0 s", "62 min 5 s"),
    ]


def test_on_a_real_terminal_rows_come_and_go():
    """A pseudo terminal of 40 columns: the rows fit, and nothing of them is left at the end."""
    script = (
        "import sys, time\nfrom imagekit.cli.console import Console\nfrom imagekit.cli.progress import shown_on\n"
        "with shown_on(Console.of(sys.stderr, {})) as progress, progress.task('y' * 60):\n    time.sleep(0.35)\n"
    )
    master, slave = pty.openpty()
    subprocess.run(["stty", "cols", "40"], stdin=slave, check=True)
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=slave)
    os.close(slave)
    seen = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # EIO: the other end is closed
            break
        seen += piece
    os.close(master)
    assert process.wait() == 0
    rows = [line for line in re.split(rb"\x1b\[\w+|[\r\n]+", seen) if line.startswith(b"  y")]
    assert rows
    assert {len(row) for row in rows} == {39}
    shown = Terminal(seen.decode().replace("\r\n", "\n"))
    assert [re.sub(r"[\d.]+ s", "N s", line) for line in shown.screen] == [f"{'y' * 60}: in N s"]
