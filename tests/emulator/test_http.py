"""Requests read from bytes: whole, cut anywhere, wrong, and nonsense."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.emulator.http import LARGEST_HEAD, BadRequestError, End, Head, RequestReader, response_head
from tests.emulator.conftest import Local

Read = list[tuple[Head, bytes, dict[str, str]]]


def read(pieces: Sequence[bytes]) -> Read:
    """All complete requests in these pieces."""
    reader = RequestReader()
    found: Read = []
    head, body = None, b""
    for piece in pieces:
        reader.feed(piece)
        while (part := reader.next()) is not None:
            if isinstance(part, Head):
                head, body = part, b""
            elif isinstance(part, End):
                assert head is not None
                found.append((head, body, dict(part.trailers)))
            else:
                assert part
                body += part
    return found


#: How what is no request may be refused, 0 for not at all.
_REFUSALS = (0, 400, 431, 501, 505)


def refusal(pieces: Sequence[bytes]) -> int:
    """The status with which these pieces are refused, 0 when they are not."""
    try:
        read(pieces)
    except BadRequestError as error:
        return error.status
    return 0


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


_TOKEN = st.text("abcdefgh-XYZ09_", min_size=1, max_size=20)
_VALUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_categories=["Cc", "Zs"]), max_size=40)
_HEADERS = st.dictionaries(_TOKEN.map(lambda name: f"x-{name}".lower()), _VALUE, max_size=6)


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, tuple[str, str, dict[str, str], bytes, dict[str, str]]]:
    """A request, and what it says: method, target, headers of its own, body, trailers."""
    method, target = draw(_TOKEN), "/" + draw(_TOKEN)
    headers, body = draw(_HEADERS), draw(st.binary(max_size=300))
    end = draw(st.sampled_from((b"\r\n", b"\n")))
    trailers: dict[str, str] = {}
    lines = [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
    if draw(st.booleans()):
        trailers = draw(_HEADERS)
        lines.append(b"Transfer-Encoding: chunked")
        content = b"".join(
            b"%x%b\r\n%b\r\n" % (len(piece), draw(st.sampled_from((b"", b";a=b", b" "))), piece)
            for piece in cut(body, draw(st.lists(st.integers(0, 300), max_size=4)))
            if piece
        )
        ending = [f"{name}: {value}".encode("latin-1") + end for name, value in trailers.items()]
        content += b"0\r\n" + b"".join(ending) + end
    else:
        lines.append(b"Content-Length: %d" % len(body))
        content = body
    data = end.join([f"{method} {target} HTTP/1.1".encode(), *lines, b"", b""]) + content
    return data, (method, target, headers, body, trailers)


@given(st.lists(requests(), min_size=1, max_size=4), st.lists(st.integers(0, 3000), max_size=12))
def test_requests_cut_anywhere_read_the_same(made, places) -> None:
    found = read(cut(b"".join(data for data, _ in made), places))
    own = [
        (
            head.method,
            head.target,
            {name: value for name, value in head.headers.items() if name.startswith("x-")},
            body,
            trailers,
        )
        for head, body, trailers in found
    ]
    assert own == [said for _, said in made]


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_nonsense_is_refused_or_waits_for_more(pieces) -> None:
    assert refusal(pieces) in _REFUSALS


@given(requests(), st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_a_request_with_wrong_bytes_is_read_or_refused(made, place, wrong) -> None:
    data, _ = made
    place %= len(data)
    assert refusal([data[:place] + wrong + data[place + len(wrong) :]]) in _REFUSALS


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"G\x00T / HTTP/1.1\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nname : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5000, 400),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * (LARGEST_HEAD + 100), 431),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 2000 + b"\r\n", 431),
    ],
)
def test_what_is_not_http_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(BadRequestError) as refused:
        read([data])
    assert refused.value.status == status


def test_several_headers_of_one_name_are_one(local: Local) -> None:
    ((head, _, _),) = read([b"GET /a?b HTTP/1.1\r\nX-A: 1\r\nx-a:  2 \r\n\r\n"])
    assert head.header("x-a") == "1, 2"
    assert (head.path, head.query) == ("/a", "b")


def test_a_value_cannot_end_its_line() -> None:
    assert response_head(200, [("A", "b\r\nC: d")]).count(b"\r\n") == 3


def talk(url: str, data: bytes) -> bytes:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(data)
        found = b""
        while piece := connection.recv(65536):
            found += piece
        return found


INVOKE = b"POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: localhost\r\n"


def test_a_connection_carries_many_requests_even_before_their_answers(local: Local) -> None:
    local.script("echo()")
    one = INVOKE + b"Content-Length: 1\r\n\r\n"
    last = INVOKE + b"Content-Length: 1\r\nConnection: close\r\n\r\n"
    said = talk(local.serve(), b"".join(one + b"%d" % number for number in range(5)) + last + b"7")
    assert said.count(b"HTTP/1.1 200 OK\r\n") == 6
    bodies = [part.partition(b"\r\n\r\n")[2][:1] for part in said.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [b"0", b"1", b"2", b"3", b"4", b"7"]


def test_an_old_client_gets_its_answer_and_the_end_of_the_connection(local: Local) -> None:
    local.script("echo()")
    data = b"POST /2015-03-31/functions/f/invocations HTTP/1.0\r\nContent-Length: 1\r\n\r\n1"
    said = talk(local.serve(), data)
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert said.endswith(b"\r\n\r\n1")


def test_a_client_that_asks_whether_to_go_on_is_told_so(local: Local) -> None:
    local.script("echo()")
    data = INVOKE + b"Content-Length: 1\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n1"
    assert talk(local.serve(), data).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_nonsense_is_answered_and_harms_nobody(local: Local) -> None:
    local.script("echo()")
    url = local.serve()
    assert talk(url, b"\x16\x03\x01 tls?\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert talk(url, INVOKE + b"Content-Length: 1\r\nConnection: close\r\n\r\n1").endswith(b"\r\n\r\n1")
