"""The benchmark of the runtime client runs, and counts nothing that is not a right answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.runtime_client.candidates import Candidate, Workshop
from benchmarks.runtime_client.measuring import Emulator, Failed
from imagekit import client
from imagekit.architecture import X86_64
from tests.support.commands import CHECKOUT
from tests.support.tools import need_file

pytestmark = pytest.mark.real

#: A client that answers with what `answer` makes of an event.
_CLIENT = """
import http.client, os, sys
def answer(event): return {answer}
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    connection.request("GET", "/2018-06-01/runtime/invocation/next")
    found = connection.getresponse()
    event = found.read()
    path = f"/2018-06-01/runtime/invocation/{{found.headers['Lambda-Runtime-Aws-Request-Id']}}/{where}"
    connection.request("POST", path, answer(event))
    connection.getresponse().read()
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: the compiler's first run makes a C library."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def emulator(work: Path) -> Emulator:
    return Emulator(Workshop(work), 0.01)


def candidate(answer: str, where: str = "response") -> Candidate:
    text = _CLIENT.format(answer=answer, where=where)
    return Candidate(name="made up", command=(sys.executable, "-c", text))


def test_it_measures_who_answers_rightly(emulator: Emulator) -> None:
    figures = emulator.load(candidate("event"), "1 KB")
    assert figures["events"] == 20
    assert 0 < figures["rt"] <= figures["cycle"]
    assert figures["rss"] >= figures["client"] > 1000


def test_spaces_in_json_make_no_difference(emulator: Emulator) -> None:
    assert emulator.load(candidate("event.replace(b':', b': ')"), "1 KB")["events"] == 20


def test_chunked_answers_are_read(emulator: Emulator) -> None:
    answer = "(event[at:at + 1000] for at in range(0, len(event), 1000))"
    assert emulator.load(candidate(answer), "100 KB")["events"] == 3


@pytest.mark.parametrize(
    ("answer", "where", "told"),
    [
        ("event.replace(b'x', b'y', 1)", "response", "is not the event"),
        ("event[:-1]", "response", "is not the event"),
        ("b'{}'", "error", "/error"),
        ("event", "../8476a536-e9f4-11e8-9739-00000000ffff/response", "POST"),
        ("sys.exit('gone')", "response", "the client ended"),
    ],
)
def test_it_counts_nothing_else(emulator: Emulator, answer: str, where: str, told: str) -> None:
    with pytest.raises(Failed, match=told):
        emulator.load(candidate(answer, where), "1 KB")


def test_the_command_measures_and_judges(work: Path, tmp_path: Path) -> None:
    need_file(str(client.path(X86_64)))
    who = ("--only", "native", "--only", "native stream", "--only", "per event", "--only", "bare loop in C")
    words = ("--rounds=1", "--scale=0.01", f"--work={work}", f"--json={tmp_path / 'figures.json'}")
    command = (sys.executable, "benchmarks/runtime_client.py", *who, *words)
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "left out" not in done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["native | 6 MB | rt"][0] > 0
    assert figures["native stream | stream | speed"][0] > 0
    assert "native ÷ bare loop in C, 1 KB round trip" in done.stdout
    assert "not measured" not in done.stdout
