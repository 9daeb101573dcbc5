"""URLs: one parser for what is judged, connected to and shown; nothing secret is shown."""

from __future__ import annotations

import pytest

from imagekit.errors import RemoteFailed
from imagekit.store.url import Url, redacted
from imagekit.words import cleaned


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://Registry.Corp/v2/", ("https", "registry.corp", 443, "/v2/")),
        ("http://127.0.0.1:5000", ("http", "127.0.0.1", 5000, "/")),
        ("HTTPS://[::1]:8443/a?b=c#d", ("https", "::1", 8443, "/a?b=c")),
    ],
)
def test_a_url_is_taken_apart(text, parts):
    url = Url.parse(text)
    assert (url.scheme, url.host, url.port, url.target) == parts


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd", "ftp://host/", "//host/", "host/path", "", "https://", "https:///path",
        "https://user@host/", "https://user:pw@host/", "https://@host/", "https://host\\@evil/", "https://host/a\\b",
        "https://ho st/",
        "https://host/\r\nX: y", "https://host/\x00", "https://host:99999/", "https://host:-1/", "https://host:x/",
        "https://[::1/", "https://[v1.x]/", "https://h%6fst/", "https://höst/", "https://-host/", "https://host:/",
        "https://host/" + "a" * 9000,
    ],
    ids=lambda text: repr(text[:24]),
)  # fmt: skip
def test_what_is_not_plainly_one_http_url_is_refused(text):
    with pytest.raises(RemoteFailed, match="not followed"):
        Url.parse(text)


def test_the_password_in_a_url_that_is_refused_is_not_shown():
    with pytest.raises(RemoteFailed) as caught:
        Url.parse("https://user:hunter2@host/path?token=hunter3")
    assert "hunter" not in str(caught.value)


def test_an_authority_has_no_default_port_and_brackets_where_needed():
    assert Url.parse("https://host:443/").authority == "host"
    assert Url.parse("http://host:443/").authority == "host:443"
    assert Url.parse("https://[::1]:5000/").authority == "[::1]:5000"
    assert str(Url.parse("https://[::1]:443/x?y=z")) == "https://[::1]/x?y=z"


def test_a_redacted_url_keeps_what_is_asked_for_and_drops_what_opens_it():
    url = Url.parse("https://host/p?digest=sha256:ab&X-Amz-Signature=abc&_state=def&scope=repository:x:pull&token=")
    shown = url.redacted
    assert "digest=sha256:ab" in shown
    assert "scope=repository:x:pull" in shown
    assert "abc" not in shown
    assert "def" not in shown
    assert "X-Amz-Signature=…" in shown


def test_a_redacted_url_is_bounded_and_obeys_no_terminal():
    shown = Url.parse("https://host/?digest=%1b[31m%0a" + "a" * 5000).redacted
    assert len(shown) <= 500
    assert shown.isprintable()


def test_text_that_should_be_a_url_is_redacted_too():
    assert redacted("https://user:pw@host/a?token=x#y") == "https://host/a"
    assert redacted("\x1b[2Jhttps://h/") == "https://h/"


@pytest.mark.parametrize(
    ("location", "joined"),
    [
        ("/v2/x?a=b", "https://host:8443/v2/x?a=b"),
        ("y", "https://host:8443/a/y"),
        ("//other/z", "https://other/z"),
        ("http://other/z", "http://other/z"),
    ],
)
def test_a_location_is_joined_to_where_it_came_from(location, joined):
    assert str(Url.parse("https://host:8443/a/b?c=d").join(location)) == joined


def test_a_location_that_cannot_be_joined_is_refused():
    with pytest.raises(RemoteFailed):
        Url.parse("https://host/").join("http://[")


def test_a_query_is_added_without_touching_what_is_there():
    url = Url.parse("https://host/u?_state=a%2Fb%3D")
    assert url.with_query([("digest", "sha256:ab")]).target == "/u?_state=a%2Fb%3D&digest=sha256%3Aab"
    assert Url.parse("https://host/u").with_query([("a", "b")]).target == "/u?a=b"
    assert url.with_query([]) == url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("a\r\nb\tc\x00d", "a b c d"),
        ("safe\u202egnirts", "safe gnirts"),
        ("\x9b31mx", "31mx"),
    ],
)
def test_foreign_text_is_one_line_that_no_terminal_obeys(text, shown):
    assert cleaned(text) == shown


def test_foreign_text_is_bounded():
    assert cleaned("x" * 1000, 10) == "xxxxxxxxx…"
