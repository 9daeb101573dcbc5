"""Hostile text: every file gives a tree or findings, quickly, with both of PyYAML's parsers."""

import time

import pytest

from imagekit.spec.node import MappingNode, ScalarNode, walk
from imagekit.spec.text import MAX_BYTES, parse

BOTH = pytest.mark.parametrize("pure", [False, True], ids=["libyaml", "python"])


def rows(data: bytes, pure: bool = False) -> list[tuple[str, str]]:
    _, findings = parse("a.yaml", data, pure=pure)
    return [(f"{finding.place}", finding.code) for finding in findings]


@BOTH
def test_every_scalar_knows_its_place_and_whether_it_was_quoted(pure):
    node, findings = parse("a.yaml", 'name: "x"\nfiles:\n  - source: ü/y\n'.encode(), pure=pure)
    assert not findings
    found = {path: (str(place), value) for path, place, value in walk(node)}
    place, value = found["files", 0, "source"]
    assert place == "a.yaml:3:5"
    assert (value.text, value.plain, str(value.place)) == ("ü/y", True, "a.yaml:3:13")
    assert value.place.excerpt == "  - source: ü/y"
    assert not found["name",][1].plain


@BOTH
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", [("a.yaml:1:1", "IK0103")]),
        (b"# nothing\n", [("a.yaml:1:1", "IK0103")]),
        (b"- a\n", [("a.yaml:1:1", "IK0103")]),
        (b"words\n", [("a.yaml:1:1", "IK0103")]),
        (b"a: \xff\n", [("a.yaml:1:1", "IK0002")]),
        (b"a: b\nc: \x00\n", [("a.yaml:2:4", "IK0002")]),
        (b'a: "\\0"\n', [("a.yaml:1:4", "IK0003")]),
        (b"a: b: c\n", [("a.yaml:1:5", "IK0002")]),
        (b"a:\n\t- b\n", [("a.yaml:2:1", "IK0002")]),
        (b"a: 1\nb: 2\na: 3\n", [("a.yaml:3:1", "IK0004")]),
        (b"a: !x 1\nb: !!str 2\n", [("a.yaml:1:4", "IK0003"), ("a.yaml:2:4", "IK0003")]),
        (b"a: &a {b: 1}\n<<: *a\n", [("a.yaml:2:1", "IK0003")]),
        (b"? [a]\n: 1\n", [("a.yaml:1:3", "IK0003")]),
        (b"{a}: 1\n", [("a.yaml:1:1", "IK0003")]),
        (b"a: *b\n", [("a.yaml:1:4", "IK0003")]),
        (b"a: &a [*a]\n", [("a.yaml:1:8", "IK0003")]),
        (b"a: 1\n---\nb: 1\n", [("a.yaml:2:1", "IK0003")]),
    ],
)
def test_what_a_spec_may_not_hold_is_found_at_its_place(data, expected, pure):
    assert rows(data, pure) == expected


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b"path: {arch}/x\n", 'put text that begins with a placeholder in quotes: "{version}/…"'),
        (b"x: [*.js]\n", 'put text that begins with * or & in quotes: "*.js"'),
        (b"x: @y\n", "put text that begins with this character in quotes"),
        (b"x:\n\t- y\n", "indent with spaces, never with tabs"),
        (b"x: y: z\n", 'put text that holds ": " in quotes, and check the indentation'),
        (b'x: "\\w"\n', "write \\\\ for a backslash, or use single quotes"),
        (b"x: 'y\n", "close the quote, bracket or brace that is still open"),
        (b"a: 1\na: 2\n", "remove one; the other is in line 1"),
        (b"x: !y 1\n", "remove it: the schema says what type a value has; put text that begins with ! in quotes"),
    ],
)
def test_the_hint_says_how_to_write_it(data, hint):
    _, (finding,) = parse("a.yaml", data)
    assert finding.hint == hint


@BOTH
def test_an_alias_stands_for_its_anchor(pure):
    node, findings = parse("a.yaml", b"a: &x {b: [1]}\nc: *x\n", pure=pure)
    assert isinstance(node, MappingNode)
    assert not findings
    assert node.entries["a"].value == node.entries["c"].value


@BOTH
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"x" * (10 << 20), id="10 MB of text"),
        pytest.param(b"a: " + b"[" * 20_000, id="brackets"),
        pytest.param(b"a: " + b"{b: " * 20_000, id="braces"),
        pytest.param(b"- " * 30_000, id="dashes"),
        pytest.param(b"? " * 30_000, id="question marks"),
        pytest.param(b"a: &a [x]\nb: [" + b"*a," * 300_000 + b"]\n", id="aliases"),
        pytest.param(
            b"a0: &a0 [x,x,x,x,x,x,x,x]\n"
            + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 8)) for n in range(1, 60)),
            id="aliases of aliases",
        ),
        pytest.param(
            b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [*a%d]\n" % (n, n, n - 1) for n in range(1, 99)),
            id="depth by aliases",
        ),
    ],
)
def test_a_bomb_is_one_finding_and_takes_no_time(data, pure):
    started = time.monotonic()
    node, findings = parse("a.yaml", data, pure=pure)
    assert node is None
    assert [finding.code for finding in findings] == ["IK0005"]
    assert time.monotonic() - started < 20


def test_long_lines_with_signs_of_credentials_take_no_time():
    for piece in (b"a:a@", b"?a=", b"????", b"://a@", b"a:a:", b"&sig=1"):
        started = time.monotonic()
        parse("a.yaml", b"x: ['" + b"','".join([piece * 40_000] * 5) + b"']\n")
        assert time.monotonic() - started < 20


def test_a_file_as_large_as_allowed_is_read():
    data = b"a: '" + b"x" * (MAX_BYTES - 5) + b"'"
    node, findings = parse("a.yaml", data)
    assert not findings
    assert node is not None
    assert isinstance(node.entries["a"].value, ScalarNode)


def test_a_byte_order_mark_is_no_text():
    node, findings = parse("a.yaml", b"\xef\xbb\xbfa: 1\n")
    assert not findings
    assert node is not None
    assert list(node.entries) == ["a"]
