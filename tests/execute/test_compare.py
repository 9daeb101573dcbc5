"""Answers and what is expected of them."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.execute.compare import diff, differences
from imagekit.execute.verdict import Verdict, junit
from imagekit.spec.expectation import Match

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("expected", "actual", "exact", "subset"),
    [
        ({"n": 2}, {"n": 2}, [], []),
        ({"n": 2}, {"n": 3}, ["$.n: expected 2, got 3"], ["$.n: expected 2, got 3"]),
        ({"n": 2}, {"n": 2, "m": 1}, ["$.m: got 1, which is not expected"], []),
        ({"n": 2}, {}, ["$.n: expected 2, and there is none"], ["$.n: expected 2, and there is none"]),
        ([1, 2], [1], ["$: expected 2 items, got 1"], ["$: expected 2 items, got 1"]),
        ([{"a": 1}], [{"a": 1, "b": 2}], ["$[0].b: got 2, which is not expected"], []),
        (1, 1.0, [], []),
        (True, 1, ["$: expected true, got 1"], ["$: expected true, got 1"]),
        (0, False, ["$: expected 0, got false"], ["$: expected 0, got false"]),
        (None, {}, ["$: expected null, got {}"], ["$: expected null, got {}"]),
        ("1", 1, ['$: expected "1", got 1'], ['$: expected "1", got 1']),
    ],
)
def test_differences_are_named_by_their_place(expected, actual, exact, subset):
    assert list(differences(expected, actual, Match.EXACT)) == exact
    assert list(differences(expected, actual, Match.SUBSET)) == subset


@given(JSON)
def test_what_went_through_json_is_the_same(value):
    assert differences(value, json.loads(json.dumps(value)), Match.EXACT) == ()


@given(JSON, JSON)
def test_exactly_the_same_is_also_a_subset(expected, actual):
    if not differences(expected, actual, Match.EXACT):
        assert not differences(expected, actual, Match.SUBSET)


def test_a_diff_shows_both_sides():
    assert list(diff({"n": 1, "m": 2}, {"n": 1, "m": 3})) == [
        "--- expected",
        "+++ answer",
        " {",
        '-  "m": 2,',
        '+  "m": 3,',
        '   "n": 1',
        " }",
    ]


def test_a_report_has_a_suite_for_each_architecture():
    good = Verdict(name="good", architecture="x86_64", seconds=0.25)
    bad = Verdict(name="<bad>", architecture="arm64", seconds=0.5, problems=("$: \x00",), diff=("-1",), log="a\x1bb")
    root = ElementTree.fromstring(junit("app", [good, bad]))
    assert [(suite.get("name"), suite.get("failures")) for suite in root] == [("app x86_64", "0"), ("app arm64", "1")]
    failure = root[1][0].find("failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("$: \ufffd", "$: \ufffd\n-1")
    assert root[1][0].findtext("system-err") == "a\ufffdb"
    assert root[0][0].get("time") == "0.250"
