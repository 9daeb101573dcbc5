"""The package repositories of a base and a spec together."""

import pytest

from imagekit.errors import InvalidSpec
from imagekit.packages import PackageRepository, together
from imagekit.spec.packages import RepositoryEntry

KEYS = {"keys": ("https://example.com/key",), "fingerprints": ("A" * 40,)}
OWN = PackageRepository(name="own", mirrorlist="https://example.com/{releasever}/{rpm_arch}/list", **KEYS)
TOPICS = PackageRepository(name="own-{topic}", mirrorlist="https://example.com/{topic}/list", enabled=False, **KEYS)


def test_without_a_word_the_base_s_are_used_but_for_topics():
    assert together([OWN, TOPICS], []) == (OWN,)


def test_an_entry_changes_what_it_says_and_nothing_else():
    entry = RepositoryEntry(name="own", priority=5, release="latest")
    (changed,) = together([OWN], [entry])
    assert (changed.priority, changed.release, changed.keys) == (5, "latest", OWN.keys)
    assert not changed.needs_release
    assert changed.of_release("1").mirrorlist == "https://example.com/latest/{rpm_arch}/list"


def test_another_place_and_other_keys_are_whole_ones():
    (changed,) = together([OWN], [RepositoryEntry(name="own", baseurl="https://mirror.corp/", gpgkey=("corp.asc",))])
    assert (changed.baseurl, changed.mirrorlist) == ("https://mirror.corp/", "")
    assert (changed.keys, changed.fingerprints) == (("corp.asc",), ())


def test_a_topic_is_enabled_by_its_name():
    own, topic = together([OWN, TOPICS], [RepositoryEntry(name="own-php8.2")])
    assert (own, topic.mirrorlist) == (OWN, "https://example.com/php8.2/list")
    with pytest.raises(InvalidSpec, match="1 problem"):
        together([OWN, TOPICS], [RepositoryEntry(name="own-")])


def test_what_is_taken_out_needs_neither_place_nor_key():
    assert together([OWN], [RepositoryEntry(name="own", enabled=False), RepositoryEntry(name="x", enabled=False)]) == ()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (RepositoryEntry(name="x", gpgcheck=False), "has neither `baseurl` nor `mirrorlist`"),
        (RepositoryEntry(name="x", baseurl="https://x/"), "has no key that its signatures are checked with"),
        (RepositoryEntry(name="x", baseurl="https://x/", gpgcheck=False, repo_gpgcheck=True), "has no key"),
    ],
)
def test_a_repository_has_a_place_and_keys(entry, words):
    with pytest.raises(InvalidSpec) as raised:
        together([OWN], [entry])
    assert words in raised.value.findings[0].message
    assert raised.value.findings[0].code == "IK0206"


def test_each_architecture_has_its_own_url():
    assert OWN.at("aarch64", "arm64", "arm64").mirrorlist == "https://example.com/{releasever}/aarch64/list"
    assert OWN.needs_release
