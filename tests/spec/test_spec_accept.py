"""The quick yes of the schema is jsonschema's yes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from imagekit import data
from imagekit.spec import schema
from imagekit.spec.accept import accepts, matches
from imagekit.spec.text import parse

SCHEMA = schema.document(["a", "nodejs"], ["al2023", "b"])
JUDGE = Draft202012Validator(SCHEMA)


def parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for below in value.values():
            yield from parts(below)
    elif isinstance(value, list):
        for below in value:
            yield from parts(below)


#: Every example in the schema, by the schema of its place: right values of each kind.
EXAMPLES = [
    (part, example)
    for part in parts(SCHEMA)
    for example in (part["examples"] if isinstance(part.get("examples"), list) else ())
]
KEYS = sorted({key for part in parts(SCHEMA) for key in part.get("properties", ()) if isinstance(key, str)})
# Python's `$`, which jsonschema itself goes by, takes a last line break too.
TEXTS = st.text(max_size=6).map(str.rstrip) | st.sampled_from(["a", "x86_64", "0" * 64, "1.2", "{a}", ""])
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers(-2, 10**6) | st.sampled_from([0.5, 2.5]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | TEXTS, below, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("spec", sorted(path.name for path in data.specs().iterdir() if path.is_dir()))
def test_every_example_spec_is_plainly_right(spec):
    from imagekit import base, language

    names = schema.document(language.known(), base.known())
    node, findings = parse("runtime.yaml", (data.specs() / spec / "runtime.yaml").read_bytes())
    assert node is not None
    assert not findings
    assert accepts(schema.value(node, [names], names), names, names)


@pytest.mark.parametrize(("part", "example"), EXAMPLES, ids=lambda value: json.dumps(value)[:30])
def test_every_example_of_the_schema_is_plainly_right(part, example):
    assert accepts(example, part, SCHEMA)


@settings(deadline=None)
@given(VALUES, st.sampled_from(list(parts(SCHEMA["properties"])) + list(parts(SCHEMA["$defs"]))))
def test_it_says_what_jsonschema_says_of_any_value(value, part):
    if "$ref" in part or "type" in part or "anyOf" in part:
        assert accepts(value, part, SCHEMA) == JUDGE.evolve(schema={**part, "$defs": SCHEMA["$defs"]}).is_valid(value)


@settings(deadline=None)
@given(st.data())
def test_it_says_what_jsonschema_says_of_a_spec_with_one_odd_value(draw):
    document = {"name": "app", "language": "a", "os": "b", "handler": "h"}
    for key, part in SCHEMA["properties"].items():
        if part.get("examples"):
            document[key] = copy.deepcopy(draw.draw(st.sampled_from(part["examples"])))
    assert accepts(document, SCHEMA, SCHEMA)
    places = [inner for inner in parts(document) if inner]
    place = draw.draw(st.sampled_from(places))
    place[draw.draw(st.sampled_from(sorted(place)) | TEXTS)] = draw.draw(VALUES)
    assert accepts(document, SCHEMA, SCHEMA) == JUDGE.is_valid(document)


@pytest.mark.parametrize("word", ["uniqueItems", "const", "oneOf", "if", "format", "patternProperties", "made-up"])
def test_a_word_that_it_does_not_know_is_left_to_jsonschema(word):
    assert not accepts([], {"type": "array", word: True}, SCHEMA)


@pytest.mark.parametrize(("value", "right"), [(True, False), (1, True), (1.0, False), ("1", False), (None, False)])
def test_a_truth_value_is_no_number(value, right):
    assert accepts(value, {"type": "integer"}, {}) == right


def test_the_end_of_a_pattern_is_the_end_of_the_text():
    assert matches("^a$", "a")
    assert not matches("^a$", "a\n")
