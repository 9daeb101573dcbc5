"""The page beside the API: what it is made of, what it tells, and whose requests are taken."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import pytest

from imagekit.emulator.connection import Exchange
from imagekit.emulator.gate import Allowed, Gate
from imagekit.emulator.happenings import (
    EnvironmentEnded,
    EnvironmentReady,
    EnvironmentStarted,
    Happening,
    LogLine,
)
from imagekit.emulator.http import Head
from imagekit.emulator.page.about import About, Template
from imagekit.emulator.page.history import MOST, MOST_TEXT, History
from imagekit.emulator.page.live import Live
from imagekit.emulator.page.records import LARGEST_LINE
from imagekit.emulator.page.site import Site
from imagekit.errors import UsageError
from tests.emulator.conftest import Heard, Local

ECHO = "while True:\n    event = take(); print('seen', flush=True); respond(event, event.body)"
INVOKE = "/2015-03-31/functions/orders/invocations"
ABOUT = About(
    run="one",
    name="orders",
    image="registry/orders:v1",
    architecture="arm64",
    memory=256,
    timeout=3.0,
    tests=(Template(name="a <b>test</b>", event='{"n":12345678901234567890}'),),
)


class Told(Heard):
    """A listener that keeps all and tells the page."""

    def __init__(self, live: Live) -> None:
        super().__init__()
        self._live = live

    def heard(self, happening: Happening) -> None:
        super().heard(happening)
        self._live.heard(happening)


class Open:
    """A function with its page, served."""

    def __init__(self, local: Local, script: str = ECHO, **settings: Any) -> None:
        self.site = Site(ABOUT)
        self.local = local
        local.heard = Told(self.site.live)
        local.script(script, **settings)
        self.url = local.serve(self.site)
        self.host = self.url.removeprefix("http://")

    def ask(
        self, target: str = "/", method: str = "GET", body: bytes = b"", headers: Mapping[str, str] = {}
    ) -> tuple[http.client.HTTPResponse, bytes]:
        with closing(http.client.HTTPConnection(self.host, timeout=20)) as connection:
            connection.request(method, target, body or None, dict(headers))
            answer = connection.getresponse()
            return answer, answer.read()

    def status(self, *arguments: Any, **named: Any) -> int:
        return self.ask(*arguments, **named)[0].status

    @contextmanager
    def watching(self, last: str = "") -> Iterator[Iterator[dict[str, Any]]]:
        """The messages as a browser gets them."""
        with closing(http.client.HTTPConnection(self.host, timeout=20)) as connection:
            connection.request("GET", "/page/happenings", headers={"Last-Event-ID": last} if last else {})
            answer = connection.getresponse()
            assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
            with closing(answer):
                yield messages(answer)


def messages(answer: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    id = ""
    while line := answer.readline().decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if name == "id":
            id = value
        elif name == "data":
            yield {**json.loads(value), "id": id}
            assert answer.readline() == b"\n"


def until(watched: Iterator[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Happenings up to the first of this kind."""
    found: list[dict[str, Any]] = []
    for message in watched:
        found += message["happenings"]
        if any(item["kind"] == kind for item in found):
            return found
    raise AssertionError(f"no {kind} in {found}")


# What it is made of.


def test_the_page_is_one_document_and_one_script_that_run_nothing_else(local: Local) -> None:
    opened = Open(local)
    answer, html = opened.ask("/")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    rules = dict(rule.split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split("; "))
    assert (rules["default-src"], rules["script-src"], rules["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert re.findall(rb"<script[^>]*>", html) == [b'<script src="/page/script.js" defer>']
    assert not re.search(rb'https?://|\son[a-z]+="|\sstyle="', html)
    answer, script = opened.ask("/page/script.js")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(rb"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function", script)
    assert not re.search(rb"https?://(?!www\.w3\.org/2000/svg)", script)


def test_every_field_of_the_page_has_a_label(local: Local) -> None:
    _, html = Open(local).ask("/")
    labelled = set(re.findall(rb'<label[^>]* for="([a-z]+)"', html))
    for name in re.findall(rb'<(?:select|textarea) id="([a-z]+)"', html):
        assert name in labelled
    for element in re.findall(rb"<input[^>]*>", html):
        assert re.search(rb"<label[^>]*>" + re.escape(element) + rb" \w+", html), element


def test_the_page_is_told_of_the_function_and_of_events_to_begin_with(local: Local) -> None:
    _, body = Open(local).ask("/page/about.json")
    about = json.loads(body)
    assert (about["name"], about["architecture"], about["memory"], about["timeout"]) == ("orders", "arm64", 256, 3.0)
    tests, aws = about["groups"]
    assert tests["templates"] == [{"name": "a <b>test</b>", "event": '{"n":12345678901234567890}'}]
    events = {item["name"]: json.loads(item["event"]) for item in aws["templates"]}
    assert events["API Gateway, HTTP API (format 2.0)"]["version"] == "2.0"
    assert events["SQS"]["Records"][0]["eventSource"] == "aws:sqs"
    sources = {event["Records"][0].get("eventSource") for event in events.values() if "Records" in event}
    assert {"aws:s3", "aws:dynamodb", "aws:kinesis"} <= sources
    assert all(set(item) == {"name", "event"} for item in aws["templates"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/page/", 404),
        ("GET", "/page/site.py", 404),
        ("GET", "/page/../page/about.json", 404),
        ("POST", "/", 405),
        ("POST", "/page/happenings", 405),
        ("GET", "/favicon.ico", 204),
        ("GET", "/?x=1", 200),
    ],
)
def test_only_its_own_paths_are_the_page(local: Local, method: str, path: str, status: int) -> None:
    assert Open(local).status(path, method) == status


# What it tells.


def test_what_happens_is_told_live(local: Local) -> None:
    opened = Open(local)
    with opened.watching() as watched:
        assert next(watched) | {"id": ""} == {"run": "one", "fresh": True, "left_out": 0, "happenings": [], "id": ""}
        answer, body = opened.ask(INVOKE, "POST", b'{"n":1}')
        found = until(watched, "done")
    assert body == b'{"n":1}'
    kinds = [item["kind"] for item in found]
    assert kinds.index("started") < kinds.index("ready") < kinds.index("begun") < kinds.index("done")
    by_kind = {item["kind"]: item for item in found}
    done = by_kind["done"]
    assert done["id"] == by_kind["begun"]["id"] == answer.headers["X-Amzn-RequestId"]
    assert (done["status"], done["environment"], by_kind["begun"]["size"], done["size"]) == ("success", 1, 7, 7)
    assert done["billed"] >= done["duration"] > 0
    assert done["init"] == by_kind["ready"]["init"] > 0
    assert by_kind["memory"]["peak"] > 0
    line = next(item for item in found if item["kind"] == "log" and item["source"] == "function")
    assert (line["text"], line["id"], line["cut"]) == ("seen", done["id"], 0)


def test_a_page_that_is_opened_later_is_told_what_was(local: Local) -> None:
    opened = Open(local)
    opened.ask(INVOKE, "POST", b"1")
    with opened.watching() as watched:
        found = until(watched, "done")
    assert found[0]["kind"] == "started"


def test_a_page_that_comes_back_is_told_only_what_it_missed(local: Local) -> None:
    opened = Open(local)
    opened.ask(INVOKE, "POST", b"1")
    with opened.watching() as watched:
        last = next(watched)["id"]
    opened.ask(INVOKE, "POST", b"2")
    with opened.watching(last) as watched:
        message = next(watched)
    assert not message["fresh"]
    assert [item["kind"] for item in message["happenings"]].count("begun") == 1


@pytest.mark.parametrize("last", ["other.1", "one.99999", "one.x", "one." + "9" * 5000, "one.\xb2", "."])
def test_a_page_of_another_run_begins_anew(local: Local, last: str) -> None:
    opened = Open(local)
    opened.ask(INVOKE, "POST", b"1")
    with opened.watching(last) as watched:
        message = next(watched)
    assert message["fresh"]
    assert message["happenings"][0]["kind"] == "started"


def test_the_end_of_environments_is_told_before_the_connection_ends(local: Local) -> None:
    opened = Open(local)
    opened.ask(INVOKE, "POST", b"1")
    with opened.watching() as watched:
        next(watched)
        local.close()
        assert until(watched, "ended")[-1]["kind"] == "ended"
        assert next(watched, None) is None


def test_a_page_that_went_is_forgotten_and_too_many_make_room(local: Local) -> None:
    opened = Open(local)
    with opened.watching() as first:
        next(first)
        for _ in range(8):
            with opened.watching() as watched:
                next(watched)
            local.until(lambda: opened.site.live.readers == 1)
        held = [socket.create_connection(("127.0.0.1", int(opened.host.rpartition(":")[2]))) for _ in range(8)]
        for sock in held:
            sock.sendall(b"GET /page/happenings HTTP/1.1\r\n\r\n")
        assert next(first, None) is None  # the oldest of nine
        local.until(lambda: opened.site.live.readers == 8)
        for sock in held:
            sock.close()
    local.until(lambda: opened.site.live.readers == 0)


def test_a_page_that_does_not_read_is_dropped_and_slows_nobody(local: Local) -> None:
    noise = """
        import sys
        line = "x" * 16000 + "\\n"
        while True:
            event = take()
            for _ in range(300):
                sys.stdout.write(line)
            sys.stdout.flush()
            respond(event, b"1")
    """
    opened = Open(local, noise, timeout=30)
    with socket.create_connection(("127.0.0.1", int(opened.host.rpartition(":")[2]))) as sock:
        sock.sendall(b"GET /page/happenings HTTP/1.1\r\n\r\n")
        local.until(lambda: opened.site.live.readers == 1)
        for _ in range(40):
            assert opened.ask(INVOKE, "POST", b"1")[1] == b"1"
            if not opened.site.live.readers:
                break
        local.until(lambda: opened.site.live.readers == 0)


# What is kept.


def line(number: int, text: str = "x") -> LogLine:
    return LogLine(environment=1, at=float(number), request_id="r", source="function", text=text)


def test_the_history_is_bounded_by_number_and_by_text() -> None:
    history = History()
    for number in range(3 * MOST):
        history.add(line(number))
    assert len(history.everything()) == MOST
    for number in range(100):
        history.add(line(number, "x" * (MOST_TEXT // 10)))
    assert len(history.everything()) == 10
    history.add(line(0, "x" * (2 * MOST_TEXT)))
    assert history.everything() == []


def test_how_environments_stand_outlives_the_history() -> None:
    history = History()
    history.add(EnvironmentStarted(environment=1, at=1.0))
    history.add(EnvironmentReady(environment=1, at=2.0, init=5.0))
    history.add(EnvironmentStarted(environment=2, at=3.0))
    history.add(EnvironmentEnded(environment=2, at=4.0))
    for number in range(MOST):
        history.add(line(number))
    kinds = [type(item) for _, item in history.everything()[:3]]
    assert kinds == [EnvironmentStarted, EnvironmentReady, LogLine]
    assert history.since(2) is None
    assert history.since(history.last) == []


def served(live: Live, happenings: Callable[[], list[Happening]], local: Local) -> list[dict[str, Any]]:
    """What a page is told of happenings that come at once."""

    class Only:
        def handle(self, exchange: Exchange) -> bool:
            live.attach(exchange, "")
            for happening in happenings():
                live.heard(happening)
            return True

    local.script(ECHO)
    url = local.serve(Only())
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)) as connection:
        connection.request("GET", "/any")
        with closing(connection.getresponse()) as answer:
            got = messages(answer)
            return [next(got), next(got)]


def test_what_comes_too_fast_is_left_out_but_for_what_is_rare(local: Local) -> None:
    def burst() -> list[Happening]:
        return [EnvironmentStarted(environment=7, at=0.0), *(line(number) for number in range(1000))]

    first, second = served(Live("one"), burst, local)
    assert first["happenings"] == []
    assert second["left_out"] == 700
    assert [item["kind"] for item in second["happenings"]] == ["started", *["log"] * 300]
    assert second["happenings"][-1]["at"] == 999.0


def test_lines_that_come_at_once_are_kept_each_by_itself(local: Local) -> None:
    _, second = served(Live("one"), lambda: [line(1, "one\ntwo\nthree")], local)
    assert [item["text"] for item in second["happenings"]] == ["one", "two", "three"]


def test_a_long_line_is_cut(local: Local) -> None:
    _, second = served(Live("one"), lambda: [line(1, "é" * (LARGEST_LINE + 5))], local)
    (found,) = second["happenings"]
    assert (len(found["text"]), found["cut"]) == (LARGEST_LINE, 5)


# Whose requests are taken.


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "Orders.localhost"}, 200),
        ({"Host": "localhost."}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Host": "attacker.example"}, 403),
        ({"Host": "attacker.example:9000"}, 403),
        ({"Host": "127.0.0.1.attacker.example"}, 403),
        ({"Host": "localhost.attacker.example"}, 403),
        ({"Host": "192.0.2.1"}, 403),
        ({"Host": "[2001:db8::1]"}, 403),
        ({"Origin": "https://attacker.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Host": "localhost:9000", "Origin": "http://localhost:9000"}, 200),
        ({"Host": "localhost:9000", "Origin": "http://127.0.0.1:9000"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
    ],
)
@pytest.mark.parametrize("target", [("POST", INVOKE), ("POST", "/lambda-url/orders/"), ("GET", "/")])
def test_only_this_machine_s_own_pages_and_programs_are_answered(
    local: Local, headers: Mapping[str, str], status: int, target: tuple[str, str]
) -> None:
    opened = Open(local)
    method, path = target
    assert opened.status(path, method, b"1" if method == "POST" else b"", headers) == status


def test_what_is_refused_never_reaches_the_function(local: Local) -> None:
    opened = Open(local)
    answer, body = opened.ask(INVOKE, "POST", b"1", {"Origin": "https://attacker.example"})
    assert answer.headers["X-Amzn-ErrorType"] == "AccessDeniedException"
    said = json.loads(body)["message"]
    assert said == "pages of 'https://attacker.example' may not call this server; --allow-origin lets them"
    with opened.watching() as watched:
        assert next(watched)["happenings"] == []


def test_the_function_url_has_the_same_rules(local: Local) -> None:
    local.script(ECHO)
    url = local.serve_url().removeprefix("http://")
    with closing(http.client.HTTPConnection(url, timeout=20)) as connection:
        connection.request("GET", "/", headers={"Host": "attacker.example"})
        assert connection.getresponse().status == 403


def head(method: str = "GET", **headers: str) -> Head:
    return Head(
        method=method,
        target="/",
        version="HTTP/1.1",
        headers={key.replace("_", "-"): value for key, value in headers.items()},
    )


def test_a_link_from_another_site_opens_the_page_and_sends_nothing() -> None:
    gate = Gate(address="127.0.0.1", allowed=Allowed())
    assert not gate.refusal(head(sec_fetch_site="cross-site", sec_fetch_mode="navigate"))
    assert gate.refusal(head("POST", sec_fetch_site="cross-site", sec_fetch_mode="navigate"))


@pytest.mark.parametrize(
    ("address", "host", "taken"),
    [
        ("0.0.0.0", "192.0.2.1:9000", True),
        ("::", "[2001:db8::1]:9000", True),
        ("0.0.0.0", "other.example", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "127.0.0.1", False),
        ("::1", "[0:0:0:0:0:0:0:1]:9000", True),
        ("::1", "127.0.0.1", True),
    ],
)
def test_numbers_are_names_of_who_listens_there(address: str, host: str, taken: bool) -> None:
    assert (not Gate(address=address, allowed=Allowed()).refusal(head(host=host))) == taken


def test_further_names_and_origins_are_allowed() -> None:
    allowed = Allowed.from_texts(["Host.Docker.Internal"], ["http://localhost:3000/"])
    gate = Gate(address="127.0.0.1", allowed=allowed)
    assert not gate.refusal(head(host="host.docker.internal:9000"))
    assert not gate.refusal(head(host="localhost:9000", origin="http://localhost:3000"))
    assert gate.refusal(head(host="localhost:9000", origin="http://localhost:3001"))


@pytest.mark.parametrize(("names", "origins"), [(["http://x"], []), ([""], []), ([], ["localhost:3000"]), ([], ["*"])])
def test_what_is_no_name_or_origin_is_said(names: list[str], origins: list[str]) -> None:
    with pytest.raises(UsageError):
        Allowed.from_texts(names, origins)
