"""Patience: what is tried again, how long is waited, when it is enough."""

from __future__ import annotations

import pytest

from imagekit.store.retry import Retry, asked_pause, passes
from tests.support.clock import Clock


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_what_may_pass(status):
    assert passes(status)


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 409, 416, 501, 505])
def test_what_does_not_pass(status):
    assert not passes(status)


def test_the_pause_is_a_random_part_of_a_doubling_bound(clock: Clock):
    for chance in (0.0, 0.25, 0.999):
        retry = Retry(clock=clock, sleep=clock.sleep, random=lambda chance=chance: chance, budget=1000, tries=99)
        end = clock() + 1000
        found = [retry.pause(attempt, end) for attempt in range(1, 8)]
        assert found == [chance * bound for bound in (0.5, 1, 2, 4, 8, 10, 10)]


def test_the_systems_chance_is_between_nought_and_one():
    found = [Retry().random() for _ in range(100)]
    assert all(0 <= number < 1 for number in found)
    assert len(set(found)) > 90


def test_what_the_server_asks_for_is_kept_to(clock: Clock):
    retry = Retry(clock=clock, sleep=clock.sleep, random=lambda: 0.0)
    assert retry.pause(1, clock() + 45, 7.0) == 7.0


def test_no_pause_reaches_beyond_the_end(clock: Clock):
    retry = Retry(clock=clock, sleep=clock.sleep, random=lambda: 0.5)
    assert retry.pause(1, clock() + 45, 46.0) is None
    assert retry.pause(1, clock() + 0.1) is None


def test_the_tries_are_counted(clock: Clock):
    retry = Retry(clock=clock, sleep=clock.sleep, random=lambda: 0.5, tries=2)
    assert retry.pause(1, clock() + 45) is not None
    assert retry.pause(2, clock() + 45) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "12"}, 12.0),
        ({"Retry-After": " 0 "}, 0.0),
        ({"Retry-After": "9" * 60}, 1_000_000.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, None),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "Fri, 31 Dec 1999 23:59:29 GMT"}, 30.0),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "Sat, 01 Jan 2000 00:59:29 GMT"}, 0.0),
        ({"Retry-After": "Fri, 31 Dec 99999999999 23:59:59 GMT", "Date": "Sat, 01 Jan 2000 00:59:29 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_beside_the_answers_own(headers, seconds):
    assert asked_pause(headers) == seconds
