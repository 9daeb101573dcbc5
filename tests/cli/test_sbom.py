"""What an image consists of, as SPDX: the base's packages as they are afterwards, and what the lock brings."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.sbom import rpm_purl
from tests.support.bench import Bench
from tests.support.packages import samples
from tests.support.packages.bench import TRUSTED, furnish
from tests.support.packages.signing import key


def packages(document: dict[str, Any], architecture: str) -> dict[str, dict[str, Any]]:
    """What an image contains, by name and version."""
    by_id = {one["SPDXID"]: one for one in document["packages"]}
    inside = [
        by_id[one["relatedSpdxElement"]]
        for one in document["relationships"]
        if one["spdxElementId"] == f"SPDXRef-image-{architecture}" and one["relationshipType"] == "CONTAINS"
    ]
    return {f"{one['name']} {one.get('versionInfo', '')}": one for one in inside}


def test_packages_of_the_base_and_of_the_spec_are_listed(amazon: Bench):
    amazon.spec(packages=["jq", "curl", "nginx"], upgrade=["zlib"], repositories=TRUSTED)
    amazon.run("lock").ok()
    document = amazon.run("sbom", "--locked").ok().document
    assert (document["spdxVersion"], document["creationInfo"]["created"]) == ("SPDX-2.3", amazon.locked["created"])
    found = packages(document, "x86-64")
    assert "bash 5.2.15-1.amzn2023" in found
    assert "zlib 1.2.13-2.amzn2023" in found
    assert "zlib 1.2.11-33.amzn2023" not in found, "the newer one is in its place"
    assert not [name for name in found if name.startswith("curl-minimal ")], "curl is in its place"
    jq = found["jq 1.7.1-49.amzn2023"]
    (built,) = (one.built for one in samples.packages("x86_64", key()) if one.nevra == "jq-1.7.1-49.amzn2023.x86_64")
    assert jq["checksums"] == [{"algorithm": "SHA256", "checksumValue": built.sha256}]
    assert jq["downloadLocation"].startswith("https://cdn.amazonlinux.com/al2023/blobstore/")
    assert jq["externalRefs"][0]["referenceLocator"] == (
        "pkg:rpm/amzn/jq@1.7.1-49.amzn2023?arch=x86_64&distro=amzn-2023"
    )
    nginx = packages(document, "arm64")["nginx 1.26.2-1.amzn2023"]["externalRefs"][0]["referenceLocator"]
    assert nginx == "pkg:rpm/amzn/nginx@1.26.2-1.amzn2023?arch=aarch64&distro=amzn-2023&epoch=1"
    base = next(one for one in document["packages"] if one["SPDXID"] == "SPDXRef-base-arm64")
    assert base["externalRefs"][0]["referenceLocator"].startswith("pkg:oci/provided@sha256:")
    assert "comment" not in next(one for one in document["packages"] if one["SPDXID"] == "SPDXRef-image-arm64")


def test_every_identifier_is_one_and_is_there_once(amazon: Bench):
    amazon.spec(packages=["php8.4-cli", "libicu"], repositories=TRUSTED)
    amazon.run("lock").ok()
    document = amazon.run("sbom").ok().document
    ids = [one["SPDXID"] for one in document["packages"]]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", one) for one in ids)
    related = {one[end] for one in document["relationships"] for end in ("spdxElementId", "relatedSpdxElement")}
    assert related == {*ids, "SPDXRef-DOCUMENT"}
    assert amazon.run("sbom").ok().document == document, "the same lock, the same document"
    (one,) = [
        one for one in amazon.run("sbom", "--platform", "arm64").ok().document["packages"] if "image" in one["SPDXID"]
    ]
    assert one["primaryPackagePurpose"] == "CONTAINER"


def test_what_the_images_own_database_does_not_know_is_said(bench: Bench):
    furnish(bench, kind="berkeley")
    bench.spec(packages=["jq"], repositories=TRUSTED, architectures=["x86_64"])
    bench.run("lock").ok()
    document = bench.run("sbom").ok().document
    image = next(one for one in document["packages"] if one["SPDXID"] == "SPDXRef-image-x86-64")
    assert image["comment"].startswith("2 packages are not in the RPM database of the image")
    found = packages(document, "x86-64")
    assert found["jq 1.7.1-49.amzn2023"]["comment"] == "not in the RPM database of the image"
    assert "comment" not in found["bash 5.2.15-1.amzn2023"]
    assert "packages-not-in-database" in bench.run("render", "--format", "oci-config").ok().out


def test_what_the_images_own_package_manager_installs_it_knows(bench: Bench):
    furnish(bench, kind="berkeley")
    bench.spec(packages=["jq"], repositories=TRUSTED, architectures=["x86_64"], engine="docker")
    document = bench.run("sbom").ok().document
    assert "comment" not in packages(document, "x86-64")["jq 1.7.1-49.amzn2023"]
    assert "not-in-database" not in bench.run("render", "--format", "oci-config").ok().out


def test_an_image_of_nothing_has_nothing(bench: Bench):
    bench.spec(os="scratch", architectures=["x86_64"])
    bench.run("lock").ok()
    document = bench.run("--offline", "sbom").ok().document
    assert [one["SPDXID"] for one in document["packages"]] == ["SPDXRef-image-x86-64"]


@pytest.mark.parametrize(
    ("words", "purl"),
    [
        (("jq", "1-1", 0, "noarch", ("", "")), "pkg:rpm/jq@1-1?arch=noarch"),
        (("libstdc++", "1~rc1^2-1", 0, "x86_64", ("amzn", "")), "pkg:rpm/amzn/libstdc%2B%2B@1~rc1%5E2-1?arch=x86_64"),
    ],
)
def test_purls(words: tuple[Any, ...], purl: str):
    assert rpm_purl(*words) == purl


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_purl_is_one_word_whatever_a_package_is_called(name: str, version: str):
    try:
        purl = rpm_purl(name, version, 0, "noarch", ("a b", "?"))
    except UnicodeEncodeError:
        return
    assert re.fullmatch(r"pkg:rpm/[A-Za-z0-9%._~/@?&=:-]*", purl)
