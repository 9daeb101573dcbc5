"""Which package manager a base has, and what each is told."""

from __future__ import annotations

import pytest

from imagekit.engines.docker.managers import Kind, Manager, repository_file
from imagekit.errors import BuildFailed
from imagekit.rootfs.base_layout import BaseLayout


def layout(links: dict[str, str], *files: str) -> BaseLayout:
    return BaseLayout(symlinks=links, files=frozenset(files))


@pytest.mark.parametrize(
    ("known", "kind", "program"),
    [
        (layout({"usr/bin/dnf": "dnf-3"}, "usr/bin/dnf-3"), Kind.DNF, "/usr/bin/dnf"),
        (layout({"usr/bin/dnf": "microdnf"}, "usr/bin/microdnf"), Kind.MICRODNF, "/usr/bin/dnf"),
        (layout({"usr/bin/dnf": "dnf5"}, "usr/bin/dnf5"), Kind.DNF5, "/usr/bin/dnf"),
        (layout({}, "usr/bin/microdnf"), Kind.MICRODNF, "/usr/bin/microdnf"),
        (layout({}, "usr/bin/yum"), Kind.YUM, "/usr/bin/yum"),
        (layout({"usr/bin/yum": "dnf-3"}, "usr/bin/dnf-3"), Kind.DNF, "/usr/bin/yum"),
    ],
)
def test_the_program_behind_all_links_counts(known, kind, program):
    assert Manager.of(known) == Manager(kind=kind, program=program)


def test_a_base_without_one_is_told():
    with pytest.raises(BuildFailed, match="neither dnf, microdnf nor yum") as raised:
        Manager.of(layout({"usr/bin/dnf": "nowhere"}))
    assert "engine: native" in raised.value.hint


@pytest.mark.parametrize("kind", list(Kind))
def test_nothing_but_what_is_locked_can_be_installed(kind):
    words = Manager(kind=kind, program="/usr/bin/x").install(["a-1-1.noarch"])
    assert (words[:2], words[-1]) == (("/usr/bin/x", "install"), "a-1-1.noarch")
    assert {"--disablerepo=*", "--enablerepo=imagekit", "-y"} < set(words)


def test_the_repository_is_in_the_container():
    assert b"baseurl=file:///.imagekit/packages\n" in repository_file(".imagekit/packages")
