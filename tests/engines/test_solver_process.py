"""The process that chooses packages is fenced off: whatever becomes of it, imagekit goes on and says so."""

import os
import signal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagekit.engines.native.solver import process
from imagekit.errors import BuildFailed
from tests.support.packages import system
from tests.support.packages.package import Package
from tests.support.packages.repository import Repository


@pytest.fixture
def request_for(tmp_path):
    """A request for packages out of a repository with one of them, which needs a path that only file lists know."""
    repository = Repository((Package("one", requires=("/usr/share/thing",)), Package("two", files={})), compression="")
    (tmp_path / "primary.xml").write_bytes(repository.metadata["primary"])
    (tmp_path / "filelists.xml").write_bytes(repository.metadata["filelists"])
    for path, node in system.database_files(system.installed()).items():
        (tmp_path / os.path.basename(path)).write_bytes(node.data)
    item = {
        "name": "r",
        "priority": 99,
        "primary": str(tmp_path / "primary.xml"),
        "open_size": None,
        "form": str(tmp_path / "r.solv"),
        "is_new": True,
    }

    def made(**changes):
        return {
            "architecture": "x86_64",
            "repositories": [item],
            "database": {
                **{"kind": "rpmdb.sqlite", "path": "var/lib/rpm/rpmdb.sqlite", "digest": f"sha256:{'0' * 64}"},
                **{"file": str(tmp_path / "rpmdb.sqlite"), "log": None, "log_file": "", "mode": 0o644, "source": "it"},
            },
            **{"install": ["one"], "files": {}, "remove": [], "upgrade": [], "upgrade_all": False},
            **{"replaceable": [], "weak": False, "known": [], "best": [], "newer": False},
            **changes,
        }

    return made


def _none():
    raise AssertionError("no file lists are needed")


def children() -> set[int]:
    """The processes that this one has started; other tests may have left some that they go on with."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return {int(word) for word in file.read().split()}


@pytest.fixture
def before() -> set[int]:
    return children()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_is_told_with_its_signal(request_for, number, before):
    def crash():
        (child,) = children() - before
        os.kill(child, number)
        return {}

    with pytest.raises(BuildFailed, match=f"ended by {number.name}"):
        process.ask(request_for(), crash)
    assert children() <= before


def test_an_error_of_its_own_is_told(request_for):
    with pytest.raises(BuildFailed, match=r"ended with exit code 1: TypeError"):
        process.ask(request_for(install=None), _none)


def test_whoever_is_interrupted_leaves_no_process_behind(request_for, before):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process.ask(request_for(), interrupted)
    assert children() <= before


def test_a_file_that_is_cut_off_is_told(request_for, tmp_path):
    data = (tmp_path / "primary.xml").read_bytes()
    (tmp_path / "primary.xml").write_bytes(data[: len(data) // 2])
    answer = process.ask(request_for(install=["two"]), _none)
    assert answer["unreadable"].startswith("r: ")


@pytest.mark.parametrize(("more", "words"), [(-1, "has more than"), (1, "repomd.xml says")])
def test_a_list_of_another_size_than_the_repository_says_is_told(request_for, tmp_path, more, words):
    request = request_for()
    primary, filelists = ((tmp_path / name).stat().st_size for name in ("primary.xml", "filelists.xml"))
    answer = process.ask(request, lambda: {"r": (str(tmp_path / "filelists.xml"), filelists + more)})
    assert words in answer["unreadable"]
    request["repositories"][0]["open_size"] = primary + more
    assert words in process.ask(request, _none)["unreadable"]


def test_a_cached_form_gives_the_same_and_is_told_when_it_is_damaged(request_for, tmp_path):
    request = request_for(install=["two"])
    first = process.ask(request, _none)
    request["repositories"][0]["is_new"] = False
    assert process.ask(request, _none) == first
    (tmp_path / "r.solv").write_bytes(b"SOLV" + bytes(range(256)))
    assert process.ask(request, _none)["unreadable"].startswith("r: ")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_a_list_of_packages_holds_there_is_an_answer_or_an_error(request_for, tmp_path, before, data):
    request = request_for(install=["two"])
    (tmp_path / "primary.xml").write_bytes(_damaged(data, _whole("primary")))
    (tmp_path / "filelists.xml").write_bytes(_damaged(data, _whole("filelists")))
    try:
        answer = process.ask(request, lambda: {"r": (str(tmp_path / "filelists.xml"), None)})
    except BuildFailed:  # libsolv itself gave up: it is fenced off
        assert children() <= before
        return
    assert answer.keys() & {"install", "problems", "unknown", "unreadable"}


def _whole(kind: str) -> bytes:
    """The document as it was before the first example."""
    repository = Repository((Package("one", requires=("/usr/share/thing",)), Package("two", files={})), compression="")
    return repository.metadata[kind]


def _damaged(data, document: bytes) -> bytes:
    at = data.draw(st.integers(0, len(document)))
    gone = data.draw(st.integers(0, 40))
    new = data.draw(
        st.binary(max_size=20) | st.sampled_from([b"&x;", b"<package>", b"</metadata>", b'"', b"]]>", b"-1"])
    )
    return document[:at] + new + document[at + gone :]


def test_environment_and_folder_of_the_user_are_none_of_its_business(request_for, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert process.ask(request_for(install=["two"]), _none)["install"][0]["nevra"] == "two-1.0-1.x86_64"
