"""The parts of runners by themselves: the holder, paths inside an image, messages to the warden."""

import os
import signal
import subprocess

import pytest

from imagekit.emulator.ports import RootFilesystem
from imagekit.emulator.runners import emulated, inside
from imagekit.emulator.runners.holder import holder, killer
from imagekit.emulator.runners.warden import wire
from imagekit.errors import BuildFailed


@pytest.fixture
def machine(architecture):
    return architecture


def program(path, data: bytes) -> str:
    path.write_bytes(data)
    path.chmod(0o755)
    return str(path)


def test_the_holder_says_that_it_is_there_and_ends_with_its_input(tmp_path, machine):
    with subprocess.Popen(
        [program(tmp_path / "holder", holder(machine))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.read() == b"\0"
        process.stdin.write(b"anything")
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1)
        process.stdin.close()
        assert process.wait(10) == 0


def test_the_killer_sends_one_signal(tmp_path, machine):
    with subprocess.Popen(["sleep", "60"]) as process:
        path = program(tmp_path / "killer", killer(machine, process.pid, signal.SIGTERM))
        assert subprocess.run([path], check=False).returncode == 0
        assert process.wait(10) == -signal.SIGTERM


def test_paths_are_followed_inside_the_image(tmp_path):
    (tmp_path / "image/usr/lib").mkdir(parents=True)
    (tmp_path / "image/usr/lib/x").write_text("")
    links = {"lib": "usr/lib", "abs": "/usr", "up": "../../../../usr/lib", "loop": "loop", "out": str(tmp_path)}
    for name, target in links.items():
        (tmp_path / "image" / name).symlink_to(target)
    image = str(tmp_path / "image")
    assert inside.real(image, "/lib/x") == "usr/lib/x"
    assert inside.real(image, "/abs/../usr//./lib") == "usr/lib"
    assert inside.real(image, "/up/../../..") == ""
    for path in ("/loop", "/out", "/nowhere"):
        with pytest.raises(OSError, match=r".*"):
            inside.real(image, path)
    filesystem = RootFilesystem(reference="img", architecture=emulated.native(), config=None, folder=image)
    assert inside.folder_in(filesystem, "/up") == "usr/lib"
    assert inside.file_in(filesystem, "/lib/x") == "usr/lib/x"
    assert inside.file_in(filesystem, "/lib") == ""
    with pytest.raises(BuildFailed, match="has no folder /lib/x"):
        inside.folder_in(filesystem, "/lib/x")


def test_messages_keep_their_ends_and_carry_descriptors():
    ours, theirs = wire.pair()
    with ours, theirs:
        end, out = os.pipe()
        wire.send(ours, {"do": "start", "command": ["x" * 300_000]}, [out])
        wire.send(ours, {"do": "peak"})
        os.close(out)
        message, given = wire.receive(theirs)
        assert len(message["command"][0]) == 300_000
        os.write(given[0], b"here")
        os.close(given[0])
        assert os.read(end, 10) == b"here"
        os.close(end)
        assert wire.receive(theirs) == ({"do": "peak"}, [])
        with pytest.raises(ValueError, match="too large"):
            wire.send(ours, {"environment": "x" * (1 << 20)})
    with pytest.raises(OSError, match=r"."):
        wire.send(ours, {})


def test_the_end_of_a_connection_is_an_empty_message():
    ours, theirs = wire.pair()
    with theirs:
        ours.close()
        assert wire.receive(theirs) == ({}, [])
