"""Placeholders: what they are, what they are not, and that filling in is exact."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagekit.errors import InvalidSpec
from imagekit.findings import Place
from imagekit.spec import placeholders

#: A busy machine is no failure.
UNHURRIED = settings(deadline=None)
WORD = st.from_regex(r"[a-z][a-z0-9_]{0,8}(\.[A-Za-z_][A-Za-z0-9_]{0,8})?", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("a{version}b{rpm_arch}{version}", ("version", "rpm_arch")),
        ("{base.PATH}", ("base.PATH",)),
        ("{{version}}", ()),
        ("{{{version}}}", ("version",)),
        ("${version}", ("version",)),
        ("{ version }{Version}{}", ()),
    ],
)
def test_the_words_of_a_text(text, words):
    assert placeholders.words(text) == words


@pytest.mark.parametrize(
    ("text", "expanded"),
    [("{a}-{b.C}", "1-2"), ("{{a}}", "{a}"), ("{{{a}}}", "{1}"), ("$a $$ ${a}", "$a $$ $1"), ("{a}{a}", "11")],
)
def test_placeholders_are_filled_in(text, expanded):
    assert placeholders.expand(text, {"a": "1", "b.C": "2"}) == expanded


@pytest.mark.parametrize("text", ["{b}", "{", "}", "{a", "a}", "{}", "{a b}", "{A}", "{{}", "{a.}", "{a.b.c}"])
def test_what_is_no_known_placeholder_is_refused_at_its_place(text):
    place = Place(file="a.yaml", line=2, column=3)
    with pytest.raises(InvalidSpec) as caught:
        placeholders.expand(text, {"a": "1"}, place)
    assert {(one.code, one.place) for one in caught.value.findings} == {("IK0105", place)}


def test_a_value_is_not_looked_at_again():
    assert placeholders.expand("{a}", {"a": "{a}"}) == "{a}"


@UNHURRIED
@given(st.text())
def test_escaped_text_expands_to_itself(text):
    assert placeholders.expand(placeholders.escape(text), {}) == text


@UNHURRIED
@given(st.lists(st.tuples(st.text(), WORD)), st.dictionaries(WORD, st.text()))
def test_filling_in_is_joining(pieces, values):
    values = {**{word: f"<{word}>" for _, word in pieces}, **values}
    template = "".join(f"{placeholders.escape(text)}{{{word}}}" for text, word in pieces)
    assert placeholders.expand(template, values) == "".join(text + values[word] for text, word in pieces)
    assert placeholders.words(template) == tuple(dict.fromkeys(word for _, word in pieces))


@UNHURRIED
@given(st.text(alphabet="{}a.$ "))
def test_a_text_expands_or_has_findings(text):
    found = placeholders.problems(text, ("a",), None)
    if found:
        with pytest.raises(InvalidSpec):
            placeholders.expand(text, {"a": "x"})
    else:
        assert placeholders.sample(text, {"a": "x"}) == placeholders.expand(text, {"a": "x"})
