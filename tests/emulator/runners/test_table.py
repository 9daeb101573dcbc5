"""Every cell of the table in docs/runners.md, tried."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from imagekit.emulator.ports import Confines, Network, Start
from imagekit.emulator.runners import grouped
from imagekit.errors import BuildFailed, Missing
from tests.emulator.runners import test_lifecycle
from tests.emulator.runners.running import PROBE, Opened

_PAGE = Path(__file__).parents[3] / "docs" / "runners.md"
#: A rule of the table and how to find out whether it is enforced.
_RULES: dict[str, Callable[[Callable[..., Opened]], bool]] = {}

#: Killed in three ways for every runner in test_lifecycle.py.
_ELSEWHERE = "nothing is left when imagekit is killed"
_EACCES, _EROFS = "13", "30"


def rule(text: str) -> Callable[[Callable[..., bool]], Callable[..., bool]]:
    def add(function: Callable[..., bool]) -> Callable[..., bool]:
        _RULES[text] = function
        return function

    return add


@rule("the root file system is read-only")
def _(make):
    sandbox = make()
    return {sandbox.says("write", path) for path in ("/x", "/var/task/x", PROBE, "/dev/x")} <= {_EROFS, _EACCES, "26"}


@rule("`/tmp` can be written to, and programs in it started")
def _(make):
    return make().says("install", "/tmp/program") == "993:990"


@rule("`/tmp` has a size")
def _(make):
    return make(temporary=20).says("fill", "/tmp/x", "30") == "20"


@rule("what `/tmp` holds is no memory")
def _(make):
    return make(memory=40, temporary=100).says("fill", "/tmp/x", "90") == "90"


@rule("the function runs as 993:990")
def _(make):
    return make().says("id") == "993:990"


@rule("a file with mode 0600 cannot be read")
def _(make):
    sandbox = make()
    return (sandbox.says("read", "/var/task/private"), sandbox.says("read", "/var/task/public")) == (_EACCES, "0")


@rule("a file below a folder with mode 0700 cannot be read")
def _(make):
    return make().says("read", "/locked/inner") == _EACCES


@rule("a working directory with mode 0700 is refused")
def _(make):
    try:
        make().run(Start(command=(PROBE, "id"), directory="/locked"))
    except BuildFailed:
        return True
    return False


@rule("files belong to root")
def _(make):
    return make().says("owner", "/var/task/public").startswith("0:0 ")


@rule("files show the modes that the image gives them")
def _(make):
    return make().says("owner", "/var/task/private").endswith(" 600")


@rule("no capabilities, and none to be gained")
def _(make):
    status = dict(
        line.split(":\t", 1) for line in make().says("cat", "/proc/self/status").splitlines() if ":\t" in line
    )
    sets = {int(status[f"Cap{name}"], 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
    return sets == {0} and status["NoNewPrivs"].strip() == "1"


@rule("there is no `/dev/shm`")
def _(make):
    return make().says("exists", "/dev/shm") == "2"


@rule("1,024 open files a process")
def _(make):
    return make().says("files") == "1024"


@rule("1,024 processes and threads")
def _(make):
    ran = make(memory=2048).start("forks", "1500")
    made = int(ran.line() or 0)  # nothing where the crowd was ended before it could tell
    ran.process.kill()
    ran.process.wait(20)
    return 900 < made < 1024


@rule("more memory than configured ends everything inside")
def _(make):
    sandbox = make(memory=50, temporary=50)
    other = sandbox.start("wait")
    return {sandbox.start("eat", "200").process.wait(20), other.process.wait(10)} == {-signal.SIGKILL}


@rule("processes of the machine are not seen")
def _(make):
    return make().says("processes") == "2"


@rule("the environment is exactly Lambda's")
def _(make):
    return make().says("environment", environment={"ONLY": "this"}) == "ONLY=this"


@rule("`sandbox.localdomain` is this environment")
def _(make):
    lines = [line.split() for line in make().says("cat", "/etc/hosts").splitlines()]
    return any(line[0] == "127.0.0.1" and "sandbox.localdomain" in line for line in lines if line)


@rule("`--network none`: the Runtime API, and nothing else")
def _(make):
    sandbox = make(network=Network.NONE)
    try:
        listener, address = sandbox.sandbox.listen()
    except Missing:
        return False
    with listener:
        routes = sandbox.says("cat", "/proc/net/route").splitlines()[1:]
        return sandbox.says("connect", address.partition(":")[2]) == "0" and not routes


def _cells() -> dict[str, dict[str, str]]:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in _PAGE.read_text().splitlines()
        if line.startswith("| ")
    ]
    return {row[0]: dict(zip(rows[0][1:], row[1:], strict=True)) for row in rows[1:]}


def _counts() -> bool:
    """Whether a control group can be made here that bounds the number of processes."""
    group = grouped.made(Confines())
    try:
        return group.counts
    finally:
        group.remove()


def test_every_rule_of_the_table_is_tried():
    assert list(_cells()) == [*_RULES, _ELSEWHERE]
    assert set(_cells()[_ELSEWHERE].values()) == {"yes"}
    assert hasattr(test_lifecycle, "test_nothing_outlives_imagekit_however_it_ends")


@pytest.mark.parametrize("text", list(_RULES))
def test_the_table_tells_the_truth(open_sandbox, name, text):
    is_root = os.geteuid() == 0
    expected = {"yes": True, "no": False, "as root": is_root, "as root by a group": not is_root or _counts()}
    assert _RULES[text](open_sandbox) is expected[_cells()[text][name]]
