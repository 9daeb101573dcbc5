"""The lock as a value: what it says, when it is stale, what a stranger's bytes can do to it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import InvalidFile
from imagekit.lock import (
    Lock,
    LockedArchive,
    LockedImage,
    LockedPlatform,
    Making,
    PlatformRequest,
    Request,
    differences,
    missing,
)
from imagekit.lock_changes import changes, moved_packages
from imagekit.lock_packages import (
    LockedKey,
    LockedPackage,
    LockedPackages,
    LockedRepository,
    Reason,
    Why,
)
from imagekit.oci.digest import Digest
from imagekit.packages import PackageRepository, PackageRequest

ONE, TWO, THREE = (Digest.of(text) for text in (b"one", b"two", b"three"))
URL = "https://example.com/tool.tar.gz"
MAKING = Making(codec="gzip/1", layer_format=1, generated={"runtime client": "sha256:00"})
CORP = PackageRepository(name="corp", baseurl="https://example.com/", keys=("keys/corp.asc",))
REQUEST = Request(
    platforms=(
        PlatformRequest(
            architecture="arm64",
            base="corp/base:1",
            images=("corp/tool:2",),
            archives={URL: TWO.hex},
            packages=PackageRequest(architecture="aarch64", install=("jq",), remove=("curl",), repositories=(CORP,)),
        ),
    )
)


def package(nevra: str, why: Why, what: str, of: str = "") -> LockedPackage:
    because = Reason(why=why, what=what, of=of)
    url = f"https://example.com/{nevra}.rpm"
    return LockedPackage(nevra=nevra, repository="corp", url=url, size=7, digest=ONE, because=because)


KEY = LockedKey(fingerprint="A" * 40, url="keys/corp.asc", digest=THREE)
PACKAGES = LockedPackages(
    asked=("jq",),
    install=(
        package("jq-1:1.7-1.aarch64", Why.ASKED, "jq"),
        package("oniguruma-6.9-1.aarch64", Why.REQUIRES, "libonig.so.5()(64bit)", "jq"),
        package("words-1-1.noarch", Why.RECOMMENDS, "words", "oniguruma"),
    ),
    removed={"curl-8-1.aarch64": Reason(why=Why.REMOVED, what="curl")},
    repositories={"corp": LockedRepository(url="https://example.com/", revision="17", repomd=TWO, keys=(KEY,))},
)
LOCK = Lock(
    imagekit="1.0.0",
    created="2026-01-02T03:04:05Z",
    request=REQUEST.digest,
    making=MAKING,
    platforms=(
        LockedPlatform(
            architecture="arm64",
            base=LockedImage(reference="corp/base:1", manifest=ONE, config=TWO, index=THREE),
            images={"corp/tool:2": LockedImage(reference="corp/tool:2", manifest=TWO, config=ONE)},
            archives={URL: LockedArchive(url=URL, digest=TWO, size=7)},
            packages=PACKAGES,
        ),
    ),
)


def asked(**changes: Any) -> Request:
    """The request with another platform request."""
    return Request(platforms=(replace(REQUEST.platforms[0], **changes),))


def why(request: Request = REQUEST, making: Making = MAKING) -> list[str]:
    return list(differences(LOCK, request, making))


def test_the_bytes_are_canonical_and_one_value_a_line():
    data = LOCK.to_bytes()
    assert Lock.from_bytes(data, "runtime.lock") == LOCK
    assert data == (json.dumps(json.loads(data), indent=2, sort_keys=True) + "\n").encode()
    assert b'  "format": 1,\n' in data


def test_an_engine_that_runs_what_is_in_the_image_stands_in_the_lock():
    (platform,) = LOCK.platforms
    lock = replace(LOCK, platforms=(replace(platform, engine="docker"),))
    document = json.loads(lock.to_bytes())["platforms"]["arm64"]
    assert document["engine"] == {"name": "docker", "reproducible": False}
    assert Lock.from_bytes(lock.to_bytes(), "runtime.lock") == lock
    assert b"engine" not in LOCK.to_bytes()
    asked_for = asked(engine="docker")
    assert list(differences(replace(lock, request=asked_for.digest), asked_for, MAKING)) == []


def test_a_lock_fits_the_request_it_was_made_for():
    assert why() == []


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (asked(base="corp/base:2"), "arm64: the base is corp/base:2, locked is corp/base:1"),
        (asked(engine="docker"), "arm64: the engine is docker, locked is native"),
        (asked(base=""), "arm64: the base is an empty one, locked is corp/base:1"),
        (asked(images=("corp/tool:2", "corp/new:1")), "arm64: the image corp/new:1 is not locked"),
        (asked(images=()), "arm64: corp/tool:2 is locked but no longer asked for"),
        (asked(archives={}), f"arm64: {URL} is locked but no longer asked for"),
        (asked(archives={URL: ONE.hex}), f"arm64: the archive {URL} has another sha256 in the spec"),
        (asked(archives={URL: ""}), "what the spec asks for is written otherwise than when the lock was made"),
        (
            Request(platforms=(*REQUEST.platforms, PlatformRequest(architecture="x86_64"))),
            "x86_64 is not locked",
        ),
        (
            asked(packages=PackageRequest(architecture="aarch64", install=("jq", "zip"), remove=("curl",))),
            "arm64: the package zip is not locked",
        ),
        (
            asked(packages=PackageRequest(architecture="aarch64", remove=("curl",))),
            "arm64: the package jq is locked but no longer asked for",
        ),
        (asked(packages=None), "arm64: the package jq is locked but no longer asked for"),
        (
            asked(packages=PackageRequest(architecture="aarch64", install=("jq",), repositories=(CORP,))),
            "what the spec asks for is written otherwise than when the lock was made",
        ),
    ],
)
def test_a_stale_lock_says_what_the_spec_asks_for_now(request_, sentence):
    assert why(request_) == [sentence]


@pytest.mark.parametrize(
    ("corp", "sentence"),
    [
        ((), "arm64: the package repository corp is locked but no longer the spec's"),
        ((replace(CORP, keys=("keys/new.asc",)),), "corp is locked with other keys than the spec trusts"),
        ((replace(CORP, fingerprints=("B" * 40,)),), "corp is locked with other keys than the spec trusts"),
        ((replace(CORP, fingerprints=("A" * 40, "B" * 40)),), ""),
        ((replace(CORP, checks_packages=False),), ""),
    ],
)
def test_a_lock_lets_packages_in_from_those_alone_that_the_spec_trusts(corp, sentence):
    request = asked(packages=replace(REQUEST.platforms[0].packages, repositories=corp))
    found = missing(LOCK, request)
    assert len(found) == bool(sentence)
    assert sentence in "".join(found)


def test_an_architecture_that_is_no_longer_built_for_is_named():
    assert why(Request(platforms=())) == ["arm64 is locked but no longer asked for"]


@pytest.mark.parametrize(
    ("making", "sentence"),
    [
        (
            replace(MAKING, codec="gzip/2"),
            "the lock's layers are compressed by gzip/1, this run's would be by gzip/2",
        ),
        (replace(MAKING, layer_format=2), "the lock is for layer format 1, this imagekit writes 2"),
        (
            replace(MAKING, generated={"runtime client": "sha256:11"}),
            "this imagekit would put another version of the runtime client into the image",
        ),
    ],
)
def test_a_stale_lock_says_what_this_imagekit_makes_otherwise(making, sentence):
    assert why(making=making) == [sentence]


def test_a_lock_that_was_merged_by_hand_does_not_hide_what_it_lost():
    torn = replace(LOCK, platforms=(replace(LOCK.platforms[0], images={}),))
    assert differences(torn, REQUEST, MAKING) == ("arm64: the image corp/tool:2 is not locked",)


def test_packages_that_are_not_locked_at_all_are_missing():
    torn = replace(LOCK, platforms=(replace(LOCK.platforms[0], packages=None),))
    assert missing(torn, REQUEST) == ("arm64: no packages are locked",)


def test_a_package_is_there_for_another_one_up_to_what_the_spec_asks_for():
    assert [item.name for item in PACKAGES.way_to("words")] == ["words", "oniguruma", "jq"]
    assert [item.name for item in PACKAGES.way_to("jq-1:1.7-1.aarch64")] == ["jq"]
    assert PACKAGES.way_to("curl") == ()
    assert PACKAGES.with_what_came_along(["oniguruma", "nothing"]) == {"oniguruma", "words"}


def test_a_way_that_goes_in_circles_ends():
    circle = replace(PACKAGES, install=tuple(package(f"{a}-1-1.noarch", Why.REQUIRES, "x", b) for a, b in ("ab", "ba")))
    assert [item.name for item in circle.way_to("a")] == ["a", "b"]


def test_packages_that_move_between_two_locks():
    moved = replace(
        PACKAGES,
        install=(package("jq-1:1.8-1.aarch64", Why.ASKED, "jq"), *PACKAGES.install[1:2]),
        removed={},
    )
    fresh = replace(LOCK, platforms=(replace(LOCK.platforms[0], packages=moved),))
    assert [(row.name, row.locked, row.now) for row in moved_packages(LOCK, fresh)] == [
        ("curl", "removed", "nothing"),
        ("jq", "1:1.7-1.aarch64", "1:1.8-1.aarch64"),
        ("words", "1-1.noarch", "nothing"),
    ]
    assert moved_packages(LOCK, LOCK) == ()
    assert len(moved_packages(None, LOCK)) == 4


def test_what_is_missing_is_less_than_what_differs():
    assert missing(LOCK, asked(base="corp/base:2", archives={})) == ()
    assert missing(LOCK, asked(base="")) == ("arm64: a base is locked",)
    assert missing(LOCK, asked(engine="docker")) == ("arm64: the engine is docker, locked is native",)
    assert missing(LOCK, asked(images=("corp/new:1",))) == ("arm64: the image corp/new:1 is not locked",)


def test_changes_are_names_in_both_locks_with_other_bytes():
    platform = LOCK.platforms[0]
    moved = LockedImage(reference="corp/base:1", manifest=TWO, config=TWO, index=ONE)
    new = LockedImage(reference="corp/new:1", manifest=ONE, config=ONE)
    fresh = replace(LOCK, platforms=(replace(platform, base=moved, images={**platform.images, "corp/new:1": new}),))
    assert [change.to_mapping() for change in changes(LOCK, fresh)] == [
        {"architecture": "arm64", "name": "corp/base:1", "locked": str(THREE), "now": str(ONE)}
    ]
    assert changes(LOCK, LOCK) == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.lock: not a lock that can be read: it is not JSON from line 1, column 1"),
        (b"{\n  ,", "x.lock: not a lock that can be read: it is not JSON from line 2, column 3"),
        (b"<<<<<<< HEAD\n", "x.lock: a merge has left both sides in it"),
        (b"{\r\n=======\r\n", "x.lock: a merge has left both sides in it"),
        (b"[" * 100_000, "x.lock: not a lock that can be read: it is nested too deeply"),
        (b"\xff", "x.lock: not a lock that can be read: byte 0 is not UTF-8"),
        (b"[]", "x.lock: not a lock that can be read: a value is not of the kind that "),
        (b"{}", "x.lock: not a lock that can be read: 'format' is missing"),
        (b'{"format": 2}', "x.lock: a lock of format 2; this imagekit reads format 1"),
        (
            LOCK.to_bytes().replace(b"2026-01-02T03:04:05Z", b"yesterday"),
            "x.lock: not a lock that can be read: 'yesterday' is no time",
        ),
        (LOCK.to_bytes().replace(b'"corp/base:1"', b"7"), "x.lock: not a lock that can be read: '7' is no text"),
    ],
)
def test_what_is_no_lock_is_said_in_one_sentence(data, message):
    with pytest.raises(InvalidFile) as caught:
        Lock.from_bytes(data, "x.lock")
    assert caught.value.message.startswith(message)
    assert "delete" in caught.value.hint


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.integers(min_value=0, max_value=20), min_size=1, max_size=6), _JSON)
def test_a_spoiled_lock_is_read_or_refused(way, value):
    document = spoiled = json.loads(LOCK.to_bytes())
    for step in way[:-1]:
        inner = list(spoiled.values())[step % len(spoiled)]
        if not isinstance(inner, dict) or not inner:
            break
        spoiled = inner
    spoiled[list(spoiled)[way[-1] % len(spoiled)]] = value
    try:
        lock = Lock.from_bytes(json.dumps(document).encode(), "x.lock")
    except InvalidFile:
        return
    differences(lock, REQUEST, MAKING)
    missing(lock, REQUEST)
    assert Lock.from_bytes(lock.to_bytes(), "x.lock") == lock
