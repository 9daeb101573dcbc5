"""The process that chooses: requests and answers are lines of JSON on stdin and stdout.

parent   {"architecture": …, "repositories": [{"name", "priority", "primary", "open_size", …}], "database": …, …}
child    {"need": "filelists"}                  when packages require paths that only complete file lists know
parent   {"filelists": {NAME: [PATH, OPEN_SIZE]}}
child    {"install": […], "remove": {…}, "newer": […]}, or {"problems": …}, {"unknown": …}, {"unreadable": …}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from imagekit.engines.native.installed import headers
from imagekit.engines.native.solver import asking, choice
from imagekit.engines.native.solver.universe import Universe, Unreadable, convert
from imagekit.errors import ImagekitError
from imagekit.facts import Database
from imagekit.rpm.header import Header
from imagekit.rpm.package import Package


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer the one request that comes."""
    try:
        answer = _answer(requests, answers)
    except Unreadable as error:
        answer = {"unreadable": str(error), "hint": ""}
    except ImagekitError as error:
        answer = {"unreadable": error.message, "hint": error.hint}
    _send(answers, answer)


def _answer(requests: BinaryIO, answers: BinaryIO) -> dict[str, Any]:
    request = json.loads(requests.readline())
    universe = Universe(request["architecture"])
    for item in request["repositories"]:
        if item["is_new"]:
            convert(item["name"], item["primary"], item["open_size"], item["form"])
        universe.load(item["name"], item["priority"], item["form"])
    universe.install(header for _, header in headers(_database(request["database"])))
    universe.add_files(_files(request["files"]))
    paths = universe.settle()
    asked = asking.asked(universe, request)
    lacks_files = any(text.startswith("/") for text in asked.unknown)
    if lacks_files or asking.lacks_files(universe, asked.jobs, paths, weak=request["weak"]):
        _send(answers, {"need": "filelists"})
        for name, (path, open_size) in json.loads(requests.readline())["filelists"].items():
            universe.extend(name, path, open_size)
        universe.settle()
        asked = asking.asked(universe, request)
    foreign = universe.foreign()
    if asked.unknown or asked.absent or foreign:
        unknown = {text: asking.near(universe, text) for text in asked.unknown}
        return {
            "unknown": unknown,
            "elsewhere": {text: arches for text in asked.unknown if (arches := universe.elsewhere(text))},
            "foreign": foreign,
            "absent": {text: asking.near(universe, text, installed=True) for text in asked.absent},
        }
    answer = choice.choose(universe, request, asked)
    return {**answer, "newer": list(choice.newer(universe))} if request["newer"] else answer


def _database(words: Mapping[str, str]) -> Database:
    return replace(Database.from_mapping(words), file=words["file"], log_file=words["log_file"], source=words["source"])


def _files(paths: Mapping[str, str]) -> Iterator[tuple[str, Header]]:
    for url, path in paths.items():
        with open(path, "rb") as file:
            yield url, Package.read(file, url).header


def _send(answers: BinaryIO, answer: Mapping[str, Any]) -> None:
    answers.write(json.dumps(answer).encode("ascii") + b"\n")
    answers.flush()


def main() -> None:
    """The whole process: descriptors 0 and 1 are the parent's pipes."""
    with open(0, "rb") as requests, open(1, "wb") as answers:
        serve(requests, answers)
