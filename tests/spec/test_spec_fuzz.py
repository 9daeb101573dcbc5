"""Whatever the bytes: a Spec or InvalidSpec, and for every value of a Spec a platform's view or InvalidSpec."""

import copy
import functools
import json
import operator
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagekit.errors import InvalidSpec
from imagekit.findings import Finding, Severity
from imagekit.spec import schema
from imagekit.spec.flatten import for_platform
from imagekit.spec.known import Known, LanguageWords
from imagekit.spec.load import load
from imagekit.spec.text import parse

KNOWN = Known(languages={"a": LanguageWords(words=("w",)), "b": LanguageWords(handler=True)}, systems=("c",))
#: A busy machine is no failure.
UNHURRIED = settings(deadline=None)
GOOD = {"name": "app", "language": "a", "os": "c", "handler": "h"}


FULL = {
    **GOOD,
    "version": "1",
    "kind": "function",
    "base": {"x86_64": "a", "arm64": "b"},
    "architectures": ["x86_64", "arm64"],
    "root": ".",
    "bootstrap": {"path": "a/{version}"},
    "build": [
        "a",
        {"run": "a", "in": "base", "packages": ["a"], "outputs": ["{architecture}"], "secrets": ["A"], "timeout": 1},
        {"run": "a", "in": "host", "directory": "a", "environment": {"A": "b"}, "inputs": ["a"], "only": ["arm64"]},
    ],
    "archives": [
        {
            "source": {"x86_64": "https://a", "arm64": "https://a/{w}"},
            "target": "/a",
            "strip": 1,
            "only": ["arm64", "x86_64"],
        },
        {"source": "https://a", "target": "/a", "strip": 1, "sha256": {"x86_64": "0" * 64, "arm64": "1" * 64}},
    ],
    "files": [
        {"source": "a", "target": "/a", "mode": "0644", "include": ["a"], "exclude": ["b"]},
        {"image": {"x86_64": "a", "arm64": "b"}, "source": "/a", "target": "/b"},
    ],
    "environment": {"A": "{base.A}"},
    "labels": {"a": "b"},
    "push": {"to": ["a/b"], "tags": ["{version}"]},
}


def keys(value: object) -> set[str]:
    if isinstance(value, dict):
        below = [keys(one) for one in value.values()]
        return set(value.get("properties", {})).union(*below)
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


KEYS = sorted(keys(json.loads(schema.text())))
ODD = ["a", "x86_64", "arm64", "{w}", "{version}", "{base.A}", "{", "/a", "../a", "1", "host", "0755", "runtime.yaml"]
URLS = ["https://a", "https://a:b@c", "ftp://a/{w}?sig=1"]
TEXTS = st.sampled_from(ODD + URLS) | st.text(max_size=8)
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers(-3, 99),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | TEXTS, below, max_size=4),
    max_leaves=12,
)
SIGNS = [*"[]{}:,-?*&!|>'\"%@`#\n\t \\", "a", "- ", ": ", "<<: ", "&a ", "*a ", "!!str ", "---\n", "\\U00110000"]
YAML = st.lists(st.sampled_from(SIGNS + KEYS)).map("".join)


def outcome(data: bytes, overrides: tuple[str, ...] = (), refused: bool | None = None) -> None:
    """Load the bytes; an error of any other class than InvalidSpec gets through and fails the test."""

    def read(path: str) -> bytes:
        if path != "runtime.yaml":
            raise FileNotFoundError(2, "No such file or directory")
        return data

    findings: tuple[Finding, ...] = ()
    was_refused = False
    try:
        spec, warnings = load("runtime.yaml", read, KNOWN, overrides)
        assert all(warning.severity is Severity.WARNING for warning in warnings)
        for architecture in spec.architectures:
            for_platform(spec, architecture, {"w": "x"})
    except InvalidSpec as error:
        was_refused, findings = True, error.findings
    assert bool(findings) == was_refused
    assert refused in (None, was_refused)
    assert all(str(finding) and finding.hint and finding.place for finding in findings)


@UNHURRIED
@given(st.binary(max_size=400))
def test_any_bytes(data):
    outcome(data)


@UNHURRIED
@given(YAML)
def test_anything_like_yaml(text):
    outcome(text.encode())
    for pure in (False, True):
        parse("a.yaml", text.encode(), pure=pure)


@UNHURRIED
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5))
def test_any_values_under_any_keys(document):
    outcome(json.dumps({**GOOD, **document}).encode())


def ways(value: object, here: tuple = ()) -> Iterator[tuple]:
    """The paths of all values below one."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in pairs:
        yield (*here, key)
        yield from ways(below, (*here, key))


def test_the_spec_that_is_spoiled_is_good():
    outcome(json.dumps(FULL).encode(), refused=False)


@UNHURRIED
@given(st.lists(st.tuples(st.sampled_from(list(ways(FULL))), VALUES | st.just(Ellipsis)), min_size=1, max_size=4))
def test_a_good_spec_with_some_values_spoiled_or_gone(changes):
    document = copy.deepcopy(FULL)
    for path, value in changes:
        try:
            above = functools.reduce(operator.getitem, path[:-1], document)
            if value is Ellipsis:
                del above[path[-1]]
            else:
                above[path[-1]] = value
        except (LookupError, TypeError):
            continue  # An earlier change took this path away.
    outcome(json.dumps(document).encode())


@UNHURRIED
@given(
    st.lists(st.sampled_from([*KEYS, "0", "1", "-1", "x", ""]), max_size=5).map(".".join),
    st.text(alphabet=st.characters(), max_size=8),
)
def test_any_override(key, text):
    outcome(json.dumps(GOOD).encode(), (f"{key}={text}",))


@pytest.mark.parametrize("size", [1, 200, 5000])
def test_a_spec_of_any_length_is_judged(size):
    items = [{"source": f"{n}", "target": "/a", "only": ["arm64"]} for n in range(size // 4)]
    outcome(json.dumps({**GOOD, "files": items, "environment": {f"A{n}": "{b" for n in range(size)}}).encode())
