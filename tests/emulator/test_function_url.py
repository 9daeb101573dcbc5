"""Function URLs: requests as events of payload format 2.0, answers as responses."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from imagekit.emulator.settings import LARGEST_EVENT
from tests.emulator.conftest import Local

ECHO = """
    while True:
        event = take()
        respond(event, event.body)
"""


class Response:
    """What came back."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.body = answer.status, answer.read()
        self.headers = answer.headers

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    url: str, target: str = "/", method: str = "GET", body: bytes = b"", headers: Mapping[str, str] = {}
) -> Response:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    try:
        connection.request(method, target, body or None, dict(headers))
        return Response(connection.getresponse())
    finally:
        connection.close()


def test_a_request_is_an_event_of_format_2(local: Local) -> None:
    local.script(ECHO)
    url = local.serve_url()
    headers = {"Cookie": "a=1; b=2", "User-Agent": "test", "X-Own": "x", "Content-Type": "text/plain"}
    event = ask(url, "/orders/caf%C3%A9?n=1&n=2&empty=", "PUT", "héllo".encode(), headers).json
    context = event["requestContext"]
    assert (event["version"], event["routeKey"], context["stage"]) == ("2.0", "$default", "$default")
    assert event["rawPath"] == "/orders/café"
    assert event["rawQueryString"] == "n=1&n=2&empty="
    assert event["queryStringParameters"] == {"n": "1,2", "empty": ""}
    assert event["cookies"] == ["a=1", "b=2"]
    assert (event["body"], event["isBase64Encoded"]) == ("héllo", False)
    assert event["headers"]["x-own"] == "x"
    assert event["headers"]["x-amzn-trace-id"].startswith("Root=1-")
    assert context["http"] == {
        "method": "PUT",
        "path": "/orders/café",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "test",
    }
    assert abs(context["timeEpoch"] / 1000 - time.time()) < 5
    time.strptime(context["time"], "%d/%b/%Y:%H:%M:%S +0000")


def test_what_is_not_there_is_left_out_and_bytes_are_base64(local: Local) -> None:
    local.script(ECHO)
    url = local.serve_url()
    assert not {"body", "cookies", "queryStringParameters"} & set(ask(url).json)
    event = ask(url, method="POST", body=b"\xff\x00").json
    assert (event["body"], event["isBase64Encoded"]) == (base64.b64encode(b"\xff\x00").decode(), True)


def test_the_url_is_also_below_a_path_of_the_api(local: Local) -> None:
    local.script(ECHO)
    assert ask(local.serve(), "/lambda-url/f/a/b").json["rawPath"] == "/a/b"


@pytest.mark.parametrize("streams", [False, True])
def test_a_document_with_a_status_is_a_response(local: Local, streams: bool) -> None:
    document = {
        "statusCode": 201,
        "headers": {"X-Own": "x", "Content-Type": "text/plain", "Content-Length": "99"},
        "cookies": ["a=1", "b=2; Secure"],
        "body": base64.b64encode(b"\xff").decode(),
        "isBase64Encoded": True,
    }
    local.script(f"event = take(); respond(event, {json.dumps(document).encode()!r}); take()", url_streams=streams)
    response = ask(local.serve_url())
    if streams:  # a URL that streams takes nothing for a response but what says so
        assert (response.status, response.json) == (200, document)
        return
    assert (response.status, response.body) == (201, b"\xff")
    assert (response.headers["X-Own"], response.headers["Content-Type"]) == ("x", "text/plain")
    assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2; Secure"]


@pytest.mark.parametrize("answer", [b'"text"', b'{"a":1}', b"[1]", b"no json"])
def test_any_other_answer_is_the_body(local: Local, answer: bytes) -> None:
    local.script(f"event = take(); respond(event, {answer!r}); take()")
    response = ask(local.serve_url())
    assert (response.status, response.body, response.headers["Content-Type"]) == (200, answer, "application/json")


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "teapot"},
        {"statusCode": 99},
        {"statusCode": True},
        {"statusCode": 200, "headers": [1]},
        {"statusCode": 200, "headers": {"bad name": "x"}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "body": "%%", "isBase64Encoded": True},
    ],
)
def test_what_cannot_be_a_response_is_a_502(local: Local, answer: dict[str, object]) -> None:
    local.script(f"event = take(); respond(event, {json.dumps(answer).encode()!r}); take()")
    response = ask(local.serve_url())
    assert (response.status, response.body) == (502, b"Internal Server Error")


def test_a_header_cannot_smuggle_another(local: Local) -> None:
    document = {"statusCode": 200, "headers": {"X-Own": "x\r\nX-Other: y"}}
    local.script(f"event = take(); respond(event, {json.dumps(document).encode()!r}); take()")
    response = ask(local.serve_url())
    assert "X-Other" not in response.headers
    assert response.headers["X-Own"] == "x  X-Other: y"


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("how", ["fail(event)", "os._exit(1)", "time.sleep(60)"])
def test_a_function_that_fails_is_a_502(local: Local, streams: bool, how: str) -> None:
    local.script(f"event = take(); {how}; take()", url_streams=streams, timeout=0.3)
    assert ask(local.serve_url()).status == 502


PRELUDE = rb"""
    kind = "application/vnd.awslambda.http-integration-response"
    event = take()
    def pieces():
        for byte in b'{"statusCode":202,"headers":{"X-Own":"x"},"cookies":["a=1"]}':
            yield bytes([byte])
        yield bytes(5)
        yield bytes(3) + b"bo"
        yield b"dy\0\0\0\0\0\0\0\0end"
    stream(event, pieces(), kind=kind)
    take()
"""


@pytest.mark.parametrize("streams", [False, True])
def test_a_stream_for_http_begins_with_its_head(local: Local, streams: bool) -> None:
    local.script(PRELUDE.decode(), url_streams=streams)
    response = ask(local.serve_url())
    assert (response.status, response.body) == (202, b"body" + bytes(8) + b"end")
    assert (response.headers["X-Own"], response.headers["Set-Cookie"]) == ("x", "a=1")
    assert (response.headers["Transfer-Encoding"] == "chunked") == streams


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("prelude", [b"no json" + bytes(8), b"[]" + bytes(8), b"{}", b'{"statusCode":1}' + bytes(8)])
def test_a_stream_for_http_with_a_wrong_head_is_a_502(local: Local, streams: bool, prelude: bytes) -> None:
    local.script(
        f"""
        event = take()
        stream(event, [{prelude!r}], kind="application/vnd.awslambda.http-integration-response")
        take()
        """,
        url_streams=streams,
    )
    assert ask(local.serve_url()).status == 502


def test_any_other_stream_is_passed_on_as_it_is(local: Local) -> None:
    local.script("event = take(); stream(event, [b'a', b'b'], kind='text/event-stream'); take()", url_streams=True)
    response = ask(local.serve_url())
    assert (response.status, response.body, response.headers["Content-Type"]) == (200, b"ab", "text/event-stream")


def test_an_error_in_the_middle_of_a_stream_ends_the_connection(local: Local) -> None:
    local.script(
        """
        trailers = {"Lambda-Runtime-Function-Error-Type": "Late", "Lambda-Runtime-Function-Error-Body": "e30="}
        event = take()
        stream(event, [b"half"], trailers)
        take()
        """,
        url_streams=True,
    )
    with pytest.raises(http.client.IncompleteRead):
        ask(local.serve_url())


def test_a_request_that_is_too_large_is_refused(local: Local) -> None:
    local.script(ECHO)
    assert ask(local.serve_url(), method="POST", body=b"x" * (LARGEST_EVENT + 1)).status == 413
