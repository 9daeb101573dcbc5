"""One host step, run for real: its output, its end, its processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from imagekit.errors import BuildFailed, InvalidFile
from imagekit.gather.host import HostCommand, run


def command(folder: Path, script: str, patience: float = 15.0, **environment: str) -> HostCommand:
    return HostCommand(
        script=script,
        directory=folder,
        environment={"PATH": os.environ["PATH"], **environment},
        log=folder / "logs" / "step.log",
        patience=patience,
    )


def failure(folder: Path, script: str) -> BuildFailed:
    with pytest.raises(BuildFailed) as caught:
        run(command(folder, script), print)
    return caught.value


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_all_output_goes_to_the_log(tmp_path):
    run(command(tmp_path, "echo out; echo err >&2; cat", GREETING="hello"), print)
    assert (tmp_path / "logs/step.log").read_text() == "out\nerr\n"


def test_a_step_sees_its_environment_and_no_input(tmp_path):
    run(command(tmp_path, 'echo "$GREETING $PWD"; test -z "$HOME"', GREETING="hello"), print)
    assert (tmp_path / "logs/step.log").read_text() == f"hello {tmp_path}\n"


def test_a_failure_shows_both_ends_of_the_output_and_names_the_log(tmp_path):
    error = failure(tmp_path, "for i in $(seq 40); do echo line $i; done\nprintf 'ends \\033[2Jhere'; exit 7")
    lines = error.message.splitlines()
    assert lines[0] == "the step 'for i in $(seq 40); do echo line $i; done' failed with exit code 7"
    first, last = ([f"  | line {number}" for number in numbers] for numbers in (range(1, 9), range(18, 41)))
    assert lines[1:] == [*first, "  | …", *last, "  | ends ?[2Jhere"]
    assert error.hint == f"its whole output is in {tmp_path}/logs/step.log"


def test_a_failure_without_output_says_so(tmp_path):
    error = failure(tmp_path, "false; echo never")
    assert error.message == "the step 'false; echo never' failed with exit code 1\n  | (it printed nothing)"


def test_a_step_that_was_killed_names_the_signal(tmp_path):
    assert failure(tmp_path, "kill -9 $$").message.startswith("the step 'kill -9 $$' was ended by SIGKILL")


def test_endless_output_without_lines_is_cut(tmp_path):
    error = failure(tmp_path, "head -c 100000 /dev/zero | tr '\\0' x; exit 1")
    assert error.message.splitlines()[1] == "  | " + "x" * 500


def test_a_silent_step_says_again_and_again_that_it_runs(tmp_path):
    said: list[str] = []
    run(command(tmp_path, "sleep 0.3", patience=0.1), said.append)
    assert len(said) >= 2
    assert said[0] == "still running after 0 s"


def test_a_folder_that_is_gone_is_an_error_of_the_build(tmp_path):
    gone = replace(command(tmp_path, "true"), directory=tmp_path / "gone")
    with pytest.raises(BuildFailed, match=r"the step cannot run in .*/gone: No such file or directory"):
        run(gone, print)


def test_what_no_process_can_take_is_an_error_of_the_build(tmp_path):
    assert failure(tmp_path, "echo \0").message == "the step cannot run: embedded null byte"


def test_an_interrupt_ends_all_that_a_step_started(tmp_path):
    script = "sleep 60 & echo $! > child; (trap '' TERM; echo ready > ready; sleep 60) & echo $! > stubborn; wait"

    def interrupt() -> None:
        while not (tmp_path / "ready").exists() or not (tmp_path / "stubborn").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(command(tmp_path, script), print)
    thread.join()
    end = time.monotonic() + 5
    processes = [int((tmp_path / name).read_text()) for name in ("child", "stubborn")]
    while any(map(is_running, processes)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not any(map(is_running, processes))


@pytest.mark.parametrize("in_the_way", ["logs", "logs/step.log/x"])
def test_what_is_in_the_way_of_the_log_is_told(tmp_path, in_the_way):
    (tmp_path / in_the_way).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / in_the_way).touch()
    with pytest.raises(InvalidFile, match=r"logs/step\.log cannot be written: ") as caught:
        run(command(tmp_path, "touch ran"), print)
    assert caught.value.hint == "remove or rename what is in its way"
    assert not (tmp_path / "ran").exists()


def test_a_step_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    hanging = replace(command(tmp_path, "sleep 1000 & echo $! > child; echo begun; wait"), limit=1.0)
    with pytest.raises(BuildFailed, match=r"did not end within 1 s\n  \| begun"):
        run(hanging, print)
    assert not is_running(int((tmp_path / "child").read_text()))


def test_secrets_are_starred_out_in_the_log_and_in_the_error(tmp_path):
    telling = replace(
        command(tmp_path, "printf 'a %s b\\n' $TOKEN; printf %s $TOKEN | base64; exit 1", TOKEN="hunter22"),
        secrets=("hunter22",),
    )
    with pytest.raises(BuildFailed, match=r"a \*\*\* b\n  \| \*\*\*"):
        run(telling, print)
    assert (tmp_path / "logs/step.log").read_text() == "a *** b\n***\n"
    daemon = replace(telling, script="sleep 1000 & echo $! > child; echo $TOKEN")
    run(daemon, print)
    assert (tmp_path / "logs/step.log").read_text() == "***\n"
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)
