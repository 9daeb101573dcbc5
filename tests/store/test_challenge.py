"""WWW-Authenticate: what servers really send, and what they should not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.store.challenge import Challenge


def parsed(*values: str) -> list[tuple[str, dict[str, str]]]:
    return [(found.scheme, dict(found.parameters)) for found in Challenge.all_from(values)]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        ("BASIC Realm=plain", [("basic", {"realm": "plain"})]),
        ('Basic realm="a \\"b\\" c"', [("basic", {"realm": 'a "b" c'})]),
        ("Negotiate, Basic realm=x, NTLM", [("negotiate", {}), ("basic", {"realm": "x"}), ("ntlm", {})]),
        ('Bearer realm = "x" , service = y', [("bearer", {"realm": "x", "service": "y"})]),
        ("Bearer realm=https://h/token,service=y", [("bearer", {"realm": "https://h/token", "service": "y"})]),
        ('Bearer realm="first",realm="second"', [("bearer", {"realm": "first"})]),
        ('Bearer realm="never closed', [("bearer", {"realm": ""})]),
        ('Bearer realm="x";service=y, Basic', [("bearer", {"realm": "x"}), ("basic", {})]),
        ("", []),
        ("realm=x", []),
        ('"', []),
    ],
)
def test_a_value_is_schemes_with_parameters(value, found):
    assert parsed(value) == found


def test_several_headers_are_read():
    assert [scheme for scheme, _ in parsed("Basic realm=x", "Bearer realm=y")] == ["basic", "bearer"]


@given(st.text(max_size=300) | st.text(alphabet='Bearer realm="\\,= \t/:', max_size=300))
def test_any_text_is_read_in_bounded_time_and_without_a_crash(text):
    for found in Challenge.all_from([text]):
        assert found.scheme == found.scheme.lower()


def test_a_long_value_takes_no_long_time():
    import time

    started = time.monotonic()
    for mark in ('"', "\\", ",", " ", "a", "a=", 'a="\\'):
        Challenge.all_from(["Bearer " + mark * 1_000_000])
    assert time.monotonic() - started < 2
