"""Requests on the wire: tries, time, redirects, bounds, and what is said when nobody answers."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from imagekit.errors import RemoteFailed
from imagekit.store.answers import Refused, TooLong, Unanswered
from imagekit.store.hosts import Hosts
from imagekit.store.retry import Retry
from imagekit.store.transport import Request, Transport
from imagekit.store.url import Url
from tests.support import faults
from tests.support.clock import Clock
from tests.support.registry import Handler
from tests.support.registry import Registry as Server


@pytest.fixture
def transport(retry: Retry) -> Iterator[Transport]:
    with Transport(Hosts(), retry) as made:
        yield made


@pytest.fixture
def hurried() -> Iterator[Transport]:
    """Real time, but little of it."""
    with Transport(Hosts(), Retry(idle=0.3, budget=0.9, first=0.01, tries=2, silent_tries=2)) as made:
        yield made


@pytest.fixture
def listening() -> Iterator[Callable[..., str]]:
    """A server that takes connections, sends `said` one byte each `pause`, and reads nothing."""
    stop, threads = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(said: bytes, pause: float) -> None:
            listener.settimeout(0.05)
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    for mark in said:
                        if stop.wait(pause):
                            break
                        try:
                            connection.send(bytes([mark]))
                        except OSError:
                            break
                    stop.wait(5 if not said else 0)

        def listen(said: bytes = b"", pause: float = 0.0) -> str:
            threads.append(threading.Thread(target=serve, args=(said, pause)))
            threads[-1].start()
            return f"http://127.0.0.1:{listener.getsockname()[1]}/"

        yield listen
        stop.set()
        for thread in threads:
            thread.join()


def get(url: str, **more: object) -> Request:
    return Request(method="GET", url=Url.parse(url), **more)  # type: ignore[arg-type]


class TestTries:
    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_what_may_pass_is_tried_again(self, server: Server, transport: Transport, clock: Clock, status: int):
        server.fault("GET", faults.status(status), times=2)
        assert transport.send(get(f"{server.url}/v2/")).status == 200
        assert clock.slept == [0.25, 0.5]

    def test_the_tries_end_and_the_last_answer_is_given(self, server: Server, transport: Transport):
        server.fault("GET", faults.status(503), times=99)
        assert transport.send(get(f"{server.url}/v2/")).status == 503
        assert len(server.requests) == 6

    def test_a_server_that_asks_for_a_pause_gets_it(self, server: Server, transport: Transport, clock: Clock):
        server.fault("GET", faults.status(429, headers={"Retry-After": "7"}))
        assert transport.send(get(f"{server.url}/v2/")).status == 200
        assert clock.slept == [7.0625]

    def test_a_server_that_asks_for_too_long_a_pause_is_not_waited_for(
        self, server: Server, transport: Transport, clock: Clock
    ):
        server.fault("GET", faults.status(429, headers={"Retry-After": "3600"}))
        assert transport.send(get(f"{server.url}/v2/")).status == 429
        assert clock.slept == []

    def test_all_tries_end_within_the_budget(self, server: Server, transport: Transport, clock: Clock):
        server.fault("GET", faults.status(429, headers={"Retry-After": "20"}), times=99)
        started = clock()
        assert transport.send(get(f"{server.url}/v2/")).status == 429
        assert clock() - started <= 45
        assert len(server.requests) == 3

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 501])
    def test_what_does_not_pass_is_not_tried_again(self, server: Server, transport: Transport, status: int):
        server.fault("GET", faults.status(status))
        assert transport.send(get(f"{server.url}/v2/")).status == status
        assert len(server.requests) == 1

    @pytest.mark.parametrize("fault", [faults.hang_up(), faults.raw(b"garbage\r\n\r\n"), faults.raw(b"HTTP/1.1 2")])
    def test_a_broken_connection_is_tried_again(self, server: Server, transport: Transport, fault: faults.Fault):
        server.fault("GET", fault, times=2)
        assert transport.send(get(f"{server.url}/v2/")).status == 200

    def test_a_body_that_breaks_off_is_read_again(self, server: Server, transport: Transport):
        server.files["/f"] = b"0123456789"
        server.fault("GET", faults.cut(4))
        assert transport.send(get(f"{server.url}/f")).body == b"0123456789"

    def test_where_nothing_answers_three_tries_are_enough(self, server: Server, transport: Transport):
        server.fault("GET", faults.hang_up(), times=99)
        with pytest.raises(Unanswered):
            transport.send(get(f"{server.url}/v2/"))
        assert len(server.requests) == 3

    def test_what_must_not_be_repeated_is_not(self, server: Server, transport: Transport):
        server.fault("GET", faults.hang_up())
        with pytest.raises(Unanswered):
            transport.send(get(f"{server.url}/v2/", repeatable=False))
        server.fault("GET", faults.status(503))
        assert transport.send(get(f"{server.url}/v2/", repeatable=False)).status == 503
        assert len(server.requests) == 2

    def test_what_was_not_even_looked_at_may_be_repeated(self, server: Server, transport: Transport):
        server.fault("GET", faults.status(429))
        assert transport.send(get(f"{server.url}/v2/", repeatable=False)).status == 200

    def test_a_streamed_body_is_sent_once(self, server: Server, transport: Transport):
        server.fault("POST", faults.status(503), times=9)
        body = iter([b"ab", b"cd"])
        request = Request(method="POST", url=Url.parse(f"{server.url}/x"), headers={"Content-Length": "4"}, body=body)
        assert transport.send(request).status == 503
        assert len(server.requests) == 1

    def test_a_connection_that_the_server_ended_meanwhile_costs_nothing(self, server: Server, transport: Transport):
        transport.send(get(f"{server.url}/v2/"))
        server.fault("GET", faults.headed({"Connection": "close"}))
        transport.send(get(f"{server.url}/v2/"))
        assert transport.send(get(f"{server.url}/v2/")).status == 200


class TestTime:
    def test_a_server_that_says_nothing_is_left_after_the_idle_time(self, hurried: Transport, listening):
        started = time.monotonic()
        with pytest.raises(Unanswered, match=r"127\.0\.0\.1:[0-9]+ did not answer in time \(GET http") as caught:
            hurried.send(get(listening()))
        assert 0.3 <= time.monotonic() - started < 1.5
        assert caught.value.hint

    def test_a_server_that_drips_its_headers_is_left_when_the_budget_is_spent(self, hurried: Transport, listening):
        started = time.monotonic()
        with pytest.raises(Unanswered, match="did not answer in time"):
            hurried.send(get(listening(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 1000, 0.1)))
        assert 0.8 <= time.monotonic() - started < 2

    def test_a_server_that_drips_a_small_body_is_left_too(self, hurried: Transport, listening):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        started = time.monotonic()
        with pytest.raises(Unanswered, match="did not answer in time"):
            hurried.send(get(listening(head + b"a" * 1000, 0.01)))
        assert 0.8 <= time.monotonic() - started < 2

    def test_a_streamed_body_may_take_longer_than_the_budget(self, hurried: Transport, listening):
        said = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + b"a" * 20
        started = time.monotonic()
        with hurried.open(get(listening(said, 0.02))) as response:
            assert b"".join(response.pieces(20)) == b"a" * 20
        assert time.monotonic() - started > 0.9

    def test_a_server_that_drips_a_streamed_body_is_left_when_its_time_is_over(self, listening):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        patience = Retry(idle=0.3, budget=0.9, tries=1, streaming=0.5, slowest=10_000)
        started = time.monotonic()
        with (
            Transport(Hosts(), patience) as transport,
            transport.open(get(listening(head + b"a" * 1000, 0.01))) as response,
            pytest.raises(Unanswered, match="did not answer in time"),
        ):
            list(response.pieces(1000))
        assert 0.5 <= time.monotonic() - started < 2

    def test_a_streamed_body_that_stands_still_is_left_after_the_idle_time(self, hurried: Transport, server: Server):
        server.fault("GET", faults.endless(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"a", pause=0.6))
        started = time.monotonic()
        with (
            pytest.raises(Unanswered, match="did not answer in time"),
            hurried.open(get(f"{server.url}/v2/")) as response,
        ):
            list(response.pieces(9))
        assert time.monotonic() - started < 1

    def test_a_server_that_does_not_read_is_left_after_the_idle_time(self, hurried: Transport, listening):
        body = iter([b"x" * 65536] * 1024)
        headers = {"Content-Length": str(65536 * 1024)}
        started = time.monotonic()
        with pytest.raises(Unanswered, match="did not answer in time"):
            hurried.send(Request(method="PATCH", url=Url.parse(listening()), headers=headers, body=body))
        assert time.monotonic() - started < 1.5

    def test_the_answer_to_a_streamed_body_has_the_budget_again(self, hurried: Transport, server: Server):
        def body() -> Iterator[bytes]:
            for _ in range(5):
                time.sleep(0.25)
                yield b"x"

        request = Request(method="POST", url=Url.parse(f"{server.url}/x"), headers={"Content-Length": "5"}, body=body())
        assert hurried.send(request).status == 404
        server.fault("POST", faults.endless(b"HTTP/1.1 200 OK\r\n", b"X", pause=0.1))
        started = time.monotonic()
        with pytest.raises(Unanswered, match="did not answer in time"):
            hurried.send(replace(request, body=iter([b"12345"])))
        assert time.monotonic() - started < 2

    def test_endless_continues_end(self, hurried: Transport, server: Server):
        server.fault("GET", faults.endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), times=9)
        with pytest.raises(Unanswered, match="did not answer in time"):
            hurried.send(get(f"{server.url}/v2/"))

    def test_endless_trailers_end(self, retry: Retry, server: Server):
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"
        server.fault("GET", faults.endless(chunked, b"X-A: b\r\n" * 100))
        started = time.monotonic()
        patience = Retry(idle=0.3, budget=0.9, tries=1, silent_tries=1)
        with Transport(Hosts(), patience) as transport, pytest.raises(Unanswered):
            transport.send(get(f"{server.url}/v2/"))
        assert time.monotonic() - started < 2

    def test_endless_trailers_of_a_stream_end(self, server: Server):
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"
        server.fault("GET", faults.endless(chunked, b"X-A: b\r\n" * 100))
        with Transport(Hosts(), Retry(closing=0.3)) as transport, transport.open(get(f"{server.url}/v2/")) as response:
            pieces = response.pieces(2)
            assert next(pieces) == b"ab"
            with pytest.raises(Unanswered, match="did not answer in time"):
                next(pieces)

    def test_a_kept_connection_does_not_inherit_the_time_that_another_request_had_left(self, server: Server):
        def in_two(handler: Handler) -> bool:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            handler.wfile.flush()
            time.sleep(0.5)
            handler.wfile.write(b"ab")
            return True

        server.fault("GET", in_two)
        server.fault("POST", faults.slow(0.4, before_body=True))
        with Transport(Hosts(), Retry(idle=2, budget=0.6, tries=1)) as transport:
            assert transport.send(get(f"{server.url}/v2/")).body == b"ab"
            body, size = iter([b"x" * 65536] * 256), str(65536 * 256)
            request = Request(
                method="POST", url=Url.parse(f"{server.url}/x"), headers={"Content-Length": size}, body=body
            )
            assert transport.send(request).status == 404


class TestBounds:
    def test_a_larger_answer_is_refused(self, server: Server, transport: Transport):
        server.files["/f"] = b"x" * 1001
        with pytest.raises(TooLong, match="larger than 1000 bytes"):
            transport.send(get(f"{server.url}/f"), 1000)
        assert len(transport.send(get(f"{server.url}/f"), 1001).body) == 1001

    def test_an_endless_error_is_cut_and_still_an_error(self, server: Server, transport: Transport):
        server.fault("GET", faults.endless(b"HTTP/1.1 404 Not Found\r\n\r\n", b"x" * 65536))
        answer = transport.send(get(f"{server.url}/f"), 1000)
        assert (answer.status, len(answer.body)) == (404, 1001)

    @pytest.mark.parametrize("piece", [b"X-A: b\r\n", b"X" * 1000, b"X-A: b\r\n\tc\r\n"])
    def test_endless_headers_end(self, server: Server, transport: Transport, piece: bytes):
        server.fault("GET", faults.endless(b"HTTP/1.1 200 OK\r\n", piece * 100), times=9)
        started = time.monotonic()
        with pytest.raises(Unanswered, match="broke"):
            transport.send(get(f"{server.url}/v2/"))
        assert time.monotonic() - started < 5

    def test_a_body_that_calls_itself_compressed_is_not_inflated(self, server: Server, transport: Transport):
        server.files["/f"] = b"\x1f\x8b bomb"
        server.fault("GET", faults.headed({"Content-Encoding": "gzip"}))
        assert transport.send(get(f"{server.url}/f")).body == b"\x1f\x8b bomb"


class TestRedirects:
    @pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
    def test_get_follows(self, server: Server, transport: Transport, code: int):
        server.files["/there"] = b"x"
        server.fault("GET /here", faults.redirect("/there", code))
        answer = transport.send(get(f"{server.url}/here"))
        assert (answer.body, answer.url.target) == (b"x", "/there")

    def test_a_write_does_not_follow(self, server: Server, transport: Transport):
        server.fault("PUT", faults.redirect("/there"))
        assert transport.send(replace(get(f"{server.url}/here"), method="PUT")).status == 307

    def test_a_circle_ends(self, server: Server, transport: Transport):
        server.fault("GET", faults.redirect("/here"), times=99)
        with pytest.raises(RemoteFailed, match="redirects"):
            transport.send(get(f"{server.url}/here"))
        assert len(server.requests) == 8

    def test_a_redirect_without_a_location_is_an_answer(self, server: Server, transport: Transport):
        server.fault("GET", faults.status(302))
        assert transport.send(get(f"{server.url}/here")).status == 302


class TestWords:
    def test_a_closed_port(self, transport: Transport):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(Unanswered, match=rf"127\.0\.0\.1:{port} refuses connections \(GET http://") as caught:
            transport.send(get(f"http://127.0.0.1:{port}/v2/"))
        assert "check that the server runs" in caught.value.hint

    @pytest.mark.parametrize(("code", "pauses"), [(socket.EAI_NONAME, 0), (socket.EAI_AGAIN, 2)])
    def test_a_name_that_nobody_has(
        self, transport: Transport, clock: Clock, monkeypatch: pytest.MonkeyPatch, code: int, pauses: int
    ):
        def resolve(*_: object, **__: object) -> object:
            raise socket.gaierror(code, "no")

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        with pytest.raises(Unanswered, match=r"the host registry\.invalid is not found \(GET https://") as caught:
            transport.send(get("https://registry.invalid/v2/"))
        assert "check the name" in caught.value.hint
        assert len(clock.slept) == pauses, "a name that does not exist will not exist in a second either"

    def test_tls_where_none_is_spoken(self, server: Server, transport: Transport, clock: Clock):
        with pytest.raises(
            Unanswered, match=f"no TLS connection to {server.host}: what answers there speaks"
        ) as caught:
            transport.send(get(f"https://{server.host}/v2/"))
        assert f"--insecure {server.host}" in caught.value.hint
        assert clock.slept == []

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (b"", "it was closed without an answer"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "what answers there does not speak HTTP"),
            (b"HTTP/1.1 9x OK\r\n\r\n", "what answers there does not speak HTTP"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "what answers there does not speak HTTP"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "it ended in the middle of an answer"),
            (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", "the answer has too many headers"),
            (b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000, "a line of the answer's headers is too long"),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                "the answer's headers contradict each other",
            ),
        ],
    )
    def test_a_connection_that_breaks(self, server: Server, transport: Transport, answer: bytes, words: str):
        server.fault("GET", faults.raw(answer), times=9)
        with pytest.raises(Unanswered) as caught:
            transport.send(get(f"{server.url}/v2/"))
        assert caught.value.message == f"the connection to {server.host} broke: {words} (GET {server.url}/v2/)"

    def test_no_message_shows_a_signature(self, server: Server, transport: Transport):
        server.fault("GET", faults.hang_up(), times=9)
        with pytest.raises(Unanswered) as caught:
            transport.send(get(f"{server.url}/f?X-Amz-Signature=hunter2"))
        assert "hunter2" not in f"{caught.value}{caught.value.hint}"

    def test_an_error_can_be_told_again_with_more_words(self):
        """As `imagekit.images` does it: the same class, another message."""
        for error in (Unanswered("a", hint="h"), Refused("a", hint="h", status=404)):
            again = type(error)("b", hint=error.hint, place=error.place)
            assert (again.message, again.hint) == ("b", "h")


def test_the_log_has_each_request_and_no_secret(server: Server, transport: Transport, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    server.fault("GET", faults.status(503))
    server.fault("GET", faults.redirect(f"{server.url}/v2/?token=hunter3"))
    transport.send(get(f"{server.url}/v2/?X-Amz-Signature=hunter2", headers={"Authorization": "Basic hunter4"}))
    assert f"GET {server.url}/v2/?X-Amz-Signature=…: 503 in 0.000 s" in caplog.text
    assert "hunter" not in caplog.text


def test_threads_share_the_connections(server: Server, transport: Transport):
    def fetch() -> None:
        for _ in range(20):
            transport.send(get(f"{server.url}/v2/"))

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 80
    assert len({request.port for request in server.requests}) <= 8


def test_a_request_says_who_asks(server: Server, transport: Transport):
    from imagekit import __version__

    transport.send(get(f"{server.url}/v2/"))
    assert server.requests[0].headers["user-agent"] == f"imagekit/{__version__}"


def test_a_request_shows_neither_headers_nor_body():
    request = get("https://h/", headers={"Authorization": "hunter2"}, body=b"hunter3")
    assert "hunter" not in repr(request)
