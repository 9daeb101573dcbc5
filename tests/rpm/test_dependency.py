"""Rich dependencies."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import BuildFailed
from imagekit.rpm.dependency import Dependency, operands


@pytest.mark.parametrize(
    ("rich", "names"),
    [
        ("(a or b)", "a b"),
        ("(b and a and b)", "a b"),
        ("(a >= 1.0-2 or b = 3)", "a b"),
        ("( a   or\tb )", "a b"),
        ("(a)", "a"),
        ("(perl(:MODULE(5)) and lib.so.1(GLIBC_2.2)(64bit))", "lib.so.1(GLIBC_2.2)(64bit) perl(:MODULE(5))"),
        ("(a if b)", "a !b"),
        ("(a if b else c)", "a b c !b"),
        ("(a unless b)", "a !b"),
        ("(a if (b or c))", "a !b !c"),
        ("(a and (b if c) and d)", "a b d !c"),
        ("((a if b) if c)", "a !b !c"),
        ("(a with b)", "a b"),
        ("(a without b)", "a b"),
        ("(rpmlib(X) or b)", "b"),
    ],
)
def test_names_in_rich_dependencies(rich, names):
    assert operands(rich) == tuple(names.split())


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "()", "(a", "(a or", "(a or )", "(a or b", "(a or b) c", "(a or b))", "(a b)", "(or b)x", "(a >= )"),
        *("(a or b and c)", "(a if b if c)", "(a else b)", "(a nor b)", "(a without b without c)", "((a)"),
        "(" * 100_000 + "a" + ")" * 100_000,
    ],
)
def test_what_is_no_rich_dependency(text):
    with pytest.raises(BuildFailed, match="no rich dependency"):
        operands(text)


@given(st.lists(st.sampled_from(["(", ")", "a", " ", "if", "else", "or", ">=", "1", "f(x)"]), max_size=20))
def test_anything_is_read_or_refused(words):
    with contextlib.suppress(BuildFailed):
        assert all(operands("(" + " ".join(words)))


def test_dependencies_as_text():
    assert str(Dependency(name="a", flags=12, evr="1.0")) == "a >= 1.0"
    assert str(Dependency(name="a")) == "a"
    assert Dependency(name="(a or b)").is_rich
    assert Dependency(name="rpmlib(X)", flags=(1 << 24) | 10, evr="4.0-1").is_of_rpm
