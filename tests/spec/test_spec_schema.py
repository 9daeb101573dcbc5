"""The schema: it is one, it describes everything, and it agrees with the rest of imagekit."""

import json
from collections.abc import Iterator

import pytest
from jsonschema import Draft202012Validator

from imagekit.architecture import ARCHITECTURES
from imagekit.findings import Place
from imagekit.spec import schema
from imagekit.spec.node import Entry, MappingNode, ScalarNode, SequenceNode

DOCUMENT = schema.document(["b", "a"], ["d", "c"])


def parts(value: object) -> Iterator[dict]:
    if isinstance(value, dict):
        yield value
        for below in value.values():
            yield from parts(below)
    elif isinstance(value, list):
        for below in value:
            yield from parts(below)


def properties() -> Iterator[tuple[str, dict]]:
    for part in parts(json.loads(schema.text())):
        yield from part.get("properties", {}).items() if part.get("type") == "object" else ()


def test_it_is_a_json_schema():
    Draft202012Validator.check_schema(DOCUMENT)


def test_it_has_the_names_that_it_is_given():
    assert DOCUMENT["properties"]["language"]["enum"] == ["a", "b"]
    assert DOCUMENT["properties"]["os"]["enum"] == ["c", "d"]
    assert "enum" not in json.loads(schema.text())["properties"]["language"]


def test_no_mapping_takes_keys_that_it_does_not_name():
    for part in parts(DOCUMENT):
        if part.get("type") == "object":
            assert part["additionalProperties"] is False or "$ref" in part["additionalProperties"]


def test_every_key_is_described_and_has_an_example():
    for name, part in properties():
        if set(part) != {"$ref"}:
            assert part["description"].endswith("."), name
            if name not in {"language", "os", *(one.name for one in ARCHITECTURES)}:
                assert part["examples"], name


def test_every_example_is_valid():
    for part in parts(DOCUMENT):
        whole = {**part, "$defs": DOCUMENT["$defs"]}
        for example in part.get("examples", ()) if isinstance(part.get("examples"), list) else ():
            assert Draft202012Validator(whole).is_valid(example), (example, part.get("description"))


def test_it_names_the_architectures_of_the_one_table():
    names = [one.name for one in ARCHITECTURES]
    assert DOCUMENT["$defs"]["architecture"]["enum"] == names
    by_architecture = [part for part in parts(DOCUMENT) if "arm64" in part.get("properties", ())]
    assert len(by_architecture) == 2
    for part in by_architecture:
        assert list(part["properties"]) == names


PLACE = Place(file="a.yaml")


def plain(text: str) -> ScalarNode:
    return ScalarNode(text=text, plain=True, place=PLACE)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("3.10", "string", "3.10"),
        ("no", "string", "no"),
        ("0755", "string", "0755"),
        ("true", "string", "true"),
        ("null", "string", None),
        ("", "string", None),
        ("~", "integer", None),
        ("true", "boolean", True),
        ("yes", "boolean", "yes"),
        ("True", "boolean", "True"),
        ("12", "integer", 12),
        ("-1", "integer", -1),
        ("012", "integer", "012"),
        ("1.0", "integer", "1.0"),
        ("9" * 5000, "integer", "9" * 5000),
    ],
)
def test_a_scalar_is_read_by_the_type_at_its_place(text, kind, value):
    read = schema.value(plain(text), [{"type": kind}], {})
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("True", True),
        ("FALSE", False),
        ("Null", None),
        ("012", 12),
        ("0o17", 15),
        ("0xfF", 255),
        ("+1", 1),
        ("1.5e3", 1500.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.inf", float("-inf")),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("2027-01-31", "2027-01-31"),
    ],
)
def test_a_place_without_a_type_takes_the_core_schema(text, value):
    entries = {"a": Entry(key_place=PLACE, value=SequenceNode(items=(plain(text),), place=PLACE))}
    node = MappingNode(entries=entries, place=PLACE)
    read = schema.value(node, [{"type": "object", "properties": {"a": {"description": "free"}}}], {})
    assert read == {"a": [value]}
    assert type(read["a"][0]) is type(value)
    quoted = ScalarNode(text=text, plain=False, place=PLACE)
    assert schema.value(quoted, [{}], {}) == text
