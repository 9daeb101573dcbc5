"""Versions in rpm's order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import BuildFailed
from imagekit.rpm.evr import Evr, Nevra, compare

#: Pairs out of rpm's own test of rpmvercmp (tests/rpmvercmp.at), older first.
OLDER = [
    *(("1.0", "2.0"), ("2.0", "2.0.1"), ("2.0.1", "2.0.1a"), ("5.5p1", "5.5p2"), ("5.5p1", "5.5p10")),
    *(("10xyz", "10.1xyz"), ("xyz10", "xyz10.1"), ("xyz.4", "8"), ("xyz.4", "2"), ("5.5p2", "5.6p1")),
    *(("6.0", "6.0.rc1"), ("10a2", "10b2"), ("1.0a", "1.0aa"), ("10.0001", "10.0039"), ("4.999.9", "5.0")),
    *(("20101121", "20101122"), ("1.0~rc1", "1.0"), ("1.0~rc1", "1.0~rc2"), ("1.0~rc1~git123", "1.0~rc1")),
    *(("1.0", "1.0^"), ("1.0", "1.0^git1"), ("1.0^git1", "1.0^git2"), ("1.0^git1", "1.01"), ("1.0^20160101", "1.0.1")),
    *(("1.0^20160101^git1", "1.0^20160102"), ("1.0~rc1", "1.0~rc1^git1"), ("1.0^git1~pre", "1.0^git1")),
    *(("1.0^20160101", "1.0^20160101^git1"), ("a", "1"), ("1.0~~", "1.0~")),
]  # fmt: skip
SAME = ["1.0 1.00", "1.0 1.0.", "a a", "2_0 2.0", "fc4 fc.4", "+ _", "1.0~rc1 1.0~rc1", "001 1", "1.0^ 1.0^"]
TEXTS = st.text("0129abZ.~^_-+é ", max_size=12)


@pytest.mark.parametrize(("older", "newer"), OLDER)
def test_older_and_newer(older, newer):
    assert compare(older, newer) == -1
    assert compare(newer, older) == 1


@pytest.mark.parametrize("pair", SAME)
def test_the_same(pair):
    assert compare(*pair.split()) == compare(*reversed(pair.split())) == 0


def test_numbers_may_have_any_number_of_digits():
    assert compare("9" * 10_000, "1" + "0" * 10_000) == -1
    assert compare("0" * 10_000 + "7", "7") == 0


@given(TEXTS, TEXTS, TEXTS)
def test_it_is_an_order(one, two, three):
    assert compare(one, two) == -compare(two, one)
    if compare(one, two) <= 0 and compare(two, three) <= 0:
        assert compare(one, three) <= 0


def test_epoch_then_version_then_release():
    texts = ["1.0-1", "1.0-2", "1.1-1", "1:0.1-1", "1:0.1-1.1"]
    versions = [Evr.parse(text) for text in texts]
    assert [str(version) for version in sorted(versions)] == texts
    assert versions[0] < versions[1] <= versions[2]
    assert versions[3] > versions[2] >= versions[1]


@pytest.mark.parametrize("text", ["1.0", "1.0-1.amzn2023", "2:7.4-3~beta^1"])
def test_versions_as_text(text):
    assert str(Evr.parse(text)) == text


def test_an_epoch_of_zero_is_left_out():
    assert str(Evr.parse("0:1.0-1")) == "1.0-1"
    assert Evr.parse("0:1.0-1") == Evr(version="1.0", release="1")


@pytest.mark.parametrize("text", ["a:1.0", ":1.0", "-1:1.0", "²:1", "99999999999:1"])
def test_an_epoch_is_a_number(text):
    with pytest.raises(BuildFailed, match="no version"):
        Evr.parse(text)


@pytest.mark.parametrize("text", ["jq-1.6-11.amzn2023.x86_64", "php8.4-cli-1:8.4.0-1.aarch64", "a-1-1.noarch"])
def test_full_names(text):
    nevra = Nevra.parse(text)
    assert str(nevra) == text
    assert Nevra(name=nevra.name, evr=nevra.evr, arch=nevra.arch) == nevra


def test_the_parts_of_a_full_name():
    nevra = Nevra.parse("php8.4-cli-1:8.4.0-1.fc40.aarch64")
    assert (nevra.name, nevra.arch) == ("php8.4-cli", "aarch64")
    assert nevra.evr == Evr(epoch=1, version="8.4.0", release="1.fc40")


@pytest.mark.parametrize("text", ["", "jq", "jq-1.6", "jq-1.6.x86_64", "-1-1.x", "a--1.x", "a-1-.x", "a-1-1."])
def test_what_is_no_full_name(text):
    with pytest.raises(BuildFailed, match="no package"):
        Nevra.parse(text)
