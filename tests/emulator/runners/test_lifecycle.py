"""Processes in sandboxes: how they start, end and are ended, and that nothing stays behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from imagekit.emulator.ports import Mount, Network, Start
from imagekit.errors import BuildFailed, InvalidFile
from tests.emulator.runners.again import described
from tests.emulator.runners.running import PROBE, eventually


def test_a_process_says_what_it_says_and_how_it_ended(open_sandbox, architecture):
    sandbox = open_sandbox(architecture)
    assert sandbox.says("id") == "993:990"
    assert sandbox.start("exit", "7").process.wait(10) == 7
    assert sandbox.start("crash").process.wait(10) == -signal.SIGSEGV


def test_a_process_starts_in_its_directory_with_its_environment(open_sandbox):
    sandbox = open_sandbox()
    assert sandbox.says("where", directory="/var/task") == "/var/task"
    said = sandbox.says("environment", environment={"A": "1", "NAME": "späße"}).splitlines()
    assert {"A=1", "NAME=späße"} <= set(said)


def test_a_program_without_a_slash_is_searched_for(open_sandbox):
    sandbox = open_sandbox()
    ran = sandbox.run(Start(command=("probe", "id"), environment={"PATH": "/nowhere:/var/runtime"}))
    assert ran.all() == "993:990\n"


@pytest.mark.parametrize(
    ("command", "directory"),
    [
        (("/nowhere",), "/"),
        (("probe",), "/"),
        (("/var/task/public",), "/"),
        (("/var/task/private",), "/"),
        (("/var",), "/"),
        ((PROBE,), "/nowhere"),
    ],
)
def test_what_cannot_be_started_is_said(open_sandbox, command, directory):
    sandbox = open_sandbox()
    with pytest.raises(BuildFailed, match="cannot be started"):
        sandbox.run(Start(command=command, environment={"PATH": "/var/runtime2"}, directory=directory))
    assert sandbox.says("id") == "993:990"


def test_waiting_has_an_end(open_sandbox):
    ran = open_sandbox().start("wait")
    assert ran.line().startswith("ready")
    assert ran.process.wait(0) is None
    assert ran.process.wait(0.05) is None


def test_terminate_asks_and_kill_does_not(open_sandbox, architecture):
    sandbox = open_sandbox(architecture)
    polite, deaf = sandbox.start("wait"), sandbox.start("ignore")
    assert polite.line()
    assert deaf.line()
    polite.process.terminate()
    assert polite.process.wait(10) == -signal.SIGTERM
    deaf.process.terminate()
    assert deaf.process.wait(0.2) is None
    deaf.process.kill()
    assert deaf.process.wait(10) == -signal.SIGKILL
    deaf.process.kill()
    deaf.process.terminate()


def test_kill_reaches_daemons_and_spares_the_others(open_sandbox):
    sandbox = open_sandbox()
    extension, runtime = sandbox.start("wait"), sandbox.start("daemon")
    assert extension.line()
    assert runtime.line().startswith("daemon ")
    before = int(sandbox.says("processes"))
    runtime.process.kill()
    assert runtime.process.wait(10) == -signal.SIGKILL
    assert runtime.all() == ""  # the daemon had the other end of the pipe
    assert int(sandbox.says("processes")) == before - 3  # with what was between them
    assert extension.process.wait(0) is None


@pytest.mark.parametrize("how", ["together", "apart"])
def test_kill_reaches_those_who_are_always_others(open_sandbox, name, how):
    if name == "docker":
        return  # closing it ends them; what they leave to the next processes is CPU time
    sandbox = open_sandbox(memory=512)
    chains = sandbox.start("chains", "60", how)
    assert chains.line().startswith("chains ")
    chains.process.kill()
    assert chains.process.wait(10) == -signal.SIGKILL
    assert eventually(lambda: sandbox.says("processes") == "2")  # dead ones are seen until they are waited for


def test_kill_of_them_spares_the_others(open_sandbox, name):
    if name == "docker":
        return
    sandbox = open_sandbox(memory=512)
    other, chains = sandbox.start("wait"), sandbox.start("chains", "60", "together")
    assert other.line()
    assert chains.line().startswith("chains ")
    chains.process.kill()
    assert eventually(lambda: sandbox.says("processes") == "3")
    assert other.process.wait(0) is None


def test_closing_ends_everything_and_may_be_done_twice(open_sandbox, make_image, native):
    sandbox = open_sandbox()
    deaf, daemon = sandbox.start("ignore"), sandbox.start("daemon")
    assert deaf.line()
    assert daemon.line()
    sandbox.sandbox.close()
    assert deaf.process.wait(10) == -signal.SIGKILL
    assert deaf.all() == ""
    assert daemon.all() == ""
    assert eventually(lambda: not _left("no marker", Path("/no/folder"), make_image(native).filesystem.folder))
    sandbox.sandbox.close()
    with pytest.raises(BuildFailed):
        sandbox.run(Start(command=(PROBE, "id")))


def test_more_memory_than_there_may_be_ends_everything(open_sandbox):
    sandbox = open_sandbox(memory=64, temporary=64)
    other, hungry = sandbox.start("wait"), sandbox.start("eat", "250")
    assert hungry.process.wait(20) == -signal.SIGKILL
    assert "ate" not in hungry.all()
    assert other.process.wait(10) == -signal.SIGKILL
    assert sandbox.says("id") == "993:990"  # the next start is a new beginning
    assert "ms" in sandbox.sandbox.keeps_memory


def test_a_crowd_ends_that_uses_too_much_together(open_sandbox):
    """Each has little, and none of them rests: whoever looks at them gets no more time than each of them."""
    sandbox = open_sandbox(memory=128)
    other, crowd = sandbox.start("wait"), sandbox.start("bomb", "900", "300")
    assert crowd.process.wait(60) == -signal.SIGKILL
    assert other.process.wait(60) == -signal.SIGKILL
    assert eventually(lambda: sandbox.says("processes") == "2", 60)


def test_the_peak_of_the_memory_is_what_was_used(open_sandbox):
    sandbox = open_sandbox(memory=256)
    assert sandbox.start("eat", "60").process.wait(20) == 0
    assert 60 << 20 <= sandbox.sandbox.peak_memory() < 75 << 20


def test_what_tmp_holds_is_no_memory(open_sandbox):
    sandbox = open_sandbox(memory=64, temporary=200)
    assert sandbox.says("fill", "/tmp/large", "190") == "190"
    assert sandbox.sandbox.peak_memory() < 64 << 20


def test_tmp_survives_the_processes_and_not_the_sandbox(open_sandbox):
    sandbox = open_sandbox()
    assert sandbox.says("write", "/tmp/kept") == "0"
    assert sandbox.says("read", "/tmp/kept") == "0"
    assert open_sandbox().says("read", "/tmp/kept") == "2"


def test_folders_are_mounted_read_only_unless_writing_is_wanted(open_sandbox, tmp_path):
    for folder in ("code", "data"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder).chmod(0o777)
    (tmp_path / "code" / "handler").write_text("here")
    (tmp_path / "code" / "handler").chmod(0o644)
    mounts = (
        Mount(source=str(tmp_path / "code"), target="/var/task"),
        Mount(source=str(tmp_path / "data"), target="/opt", is_writable=True),
    )
    sandbox = open_sandbox(mounts=mounts)
    assert sandbox.says("cat", "/var/task/handler") == "here"
    assert sandbox.says("write", "/var/task/new") == "30"
    assert sandbox.says("write", "/opt/new") == "0"
    assert (tmp_path / "data" / "new").exists()


def test_a_mount_of_nothing_is_refused(open_sandbox, tmp_path):
    with pytest.raises(InvalidFile, match="is no folder"):
        open_sandbox(mounts=(Mount(source=str(tmp_path / "none"), target="/var/task"),))


@pytest.mark.parametrize("network", list(Network))
def test_processes_inside_reach_the_listener_and_are_reached(open_sandbox, network, architecture):
    sandbox = open_sandbox(architecture, network=network)
    listener, address = sandbox.sandbox.listen()
    with listener:
        listener.settimeout(10)
        host, _, port = address.partition(":")
        assert host == "127.0.0.1"
        assert sandbox.says("connect", port) == "0"
        listener.accept()[0].close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    server = sandbox.start("serve", port)
    assert server.line() == "listens 0"
    with sandbox.sandbox.connect(int(port)) as made:
        made.settimeout(10)
        assert made.recv(10) == b"hello"
    with pytest.raises(ConnectionRefusedError):
        sandbox.sandbox.connect(9).close()


def test_without_a_network_nothing_else_is_reached(open_sandbox):
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = str(outside.getsockname()[1])
        assert open_sandbox(network=Network.HOST).says("connect", port) == "0"
        assert open_sandbox(network=Network.NONE).says("connect", port) == "111"


def test_two_sandboxes_without_a_network_have_the_same_port(open_sandbox):
    both = [open_sandbox(network=Network.NONE).sandbox.listen() for _ in range(2)]
    assert [address for _, address in both] == ["127.0.0.1:9001"] * 2
    for listener, _ in both:
        listener.close()


#: Opens a sandbox like the test's own, says the marker's number, and waits to be killed.
_PROGRAM = """
import json, os, signal, sys, time
from tests.emulator.runners.again import reopened
from imagekit.emulator.ports import Start
sandbox = reopened(json.loads(sys.argv[1]))
for word in ("ignore", "daemon"):
    sandbox.start(Start(command=("/var/runtime/probe", word)), 1, 1)
time.sleep(0.3)
print("running", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_outlives_imagekit_however_it_ends(runner, means, make_image, native, tmp_path, number):
    name = runner.name
    marker = f"marker-{os.getpid()}-{number}-{name}"
    words = described(name, means, make_image(native), marker, tmp_path)
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_PROGRAM), words],
        cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert process.stdout
    with process.stdout:
        while (line := process.stdout.readline().strip()) != b"running":
            assert line, "it ended before it was running"
        # Each of them has the pipe open: its end is the end of the last one.
        os.kill(process.pid, number)
        process.wait(10)
        if name != "docker":  # there the engine has them
            assert process.stdout.read() == b""
    assert eventually(lambda: not _left(marker, tmp_path, make_image(native).filesystem.folder), 10)
    assert eventually(lambda: "gone" in _containers(name, means), 10)


def _left(marker: str, folder: Path, image: str) -> list[str]:
    """Processes and mounts that know the folder of this test, or have the image as their root file system."""
    # The last part alone is the name of what is in it, which another run's image may have too.
    root = "/".join(Path(image).parts[-4:])
    left = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if marker in Path(f"/proc/{process}/cmdline").read_text().replace("\0", " "):
                left.append(process)
            if root in Path(f"/proc/{process}/mountinfo").read_text():
                left.append(process)
            if PROBE in os.readlink(f"/proc/{process}/exe"):
                left.append(process)
    return left


def _containers(name: str, means) -> str:
    if name != "docker":
        return "gone"
    from tests.support.commands import good
    from tests.support.tools import need

    settings = {"DOCKER_HOST": means.environment["DOCKER_HOST"]}
    found = good(need("docker"), "ps", "--all", "--quiet", settings=settings).out
    return "gone" if not found.strip() else found
