"""What the other tests of packages stand on: rpm and dnf read the stand-ins as they read real ones."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.support.commands import good, run
from tests.support.packages import samples, site, system
from tests.support.packages.package import GHOST, Item, Package, program
from tests.support.packages.payloads import COMPRESSORS
from tests.support.tools import need

pytestmark = pytest.mark.real

FILES = {
    "usr/bin/tool": program(b"a tool", 0o4755),
    "usr/share/one": Item(b"the same", same="a"),
    "usr/share/other/one": Item(b"the same", same="a"),
    "etc/ghost": Item(flags=GHOST),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home where rpm is told that its database is where other distributions have it."""
    (tmp_path / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(params=["sqlite", "logged", "berkeley"])
def root(request: pytest.FixtureRequest, home: Path) -> Path:
    """A system with the base's packages and a database of one kind."""
    for name, node in system.database_files(system.installed(), request.param).items():
        lay(home / "root" / name, node.data or b"")
    if request.param == "berkeley":
        (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n%_db_backend bdb_ro\n")
    return home / "root"


def lay(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.mark.parametrize("compressor", sorted(COMPRESSORS))
def test_rpm_reads_a_package(compressor: str, home: Path) -> None:
    package = Package("tool", "1.0~rc1", "2", epoch=3, files=FILES, compressor=compressor, requires=("(a or b)",))
    (home / "tool.rpm").write_bytes(package.built.data)
    checked = good(need("rpmkeys"), "-Kv", "--nosignature", home / "tool.rpm").lines[1:]
    assert len(checked) == 4
    assert all(line.endswith("OK") for line in checked)
    assert good(need("rpm"), "-qp", "--requires", home / "tool.rpm").lines[0] == "(a or b)"
    assert good(need("rpm"), "-qp", "--qf", "%{nevra}", home / "tool.rpm").out == "tool-3:1.0~rc1-2.x86_64"
    (home / "files").mkdir()
    good(need("sh"), "-c", f"rpm2cpio ../tool.rpm | {need('cpio')} --extract --make-directories", folder=home / "files")
    laid = {str(path.relative_to(home / "files")): path for path in (home / "files").rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in laid.items()} == {
        name: item.data for name, item in FILES.items() if not item.flags & GHOST
    }


def test_rpm_reads_a_database(root: Path) -> None:
    asked = good(need("rpm"), "--root", root, "-qa", "--qf", "%{nevra} %{sha256header}\n").lines
    assert sorted(asked) == sorted(
        f"{package.nevra} {hashlib.sha256(package.built.header).hexdigest()}" for package in system.installed()
    )


def test_dnf_resolves_with_the_site_and_the_base(home: Path) -> None:
    files: dict[str, bytes] = {}
    site.al2023(files, samples.repositories())
    for name, data in files.items():
        lay(home / "site" / name[1:], data)
    for name, node in system.database_files(system.installed()).items():
        lay(home / "root" / name, node.data or b"")
    (base,) = (home / "site/al2023/core/guids").glob("*/x86_64")
    (home / "dnf.conf").write_text(
        f"[main]\nreposdir=/nowhere\nvarsdir=/nowhere\npluginpath=/nowhere\ncachedir={home}/cache\n"
        f"[core]\nname=core\nbaseurl=file://{base}/\ngpgcheck=0\n"
    )
    dnf = (need("dnf"), "-c", home / "dnf.conf", f"--installroot={home}/root", "--releasever=1", "--forcearch=x86_64")
    assert good(*dnf, "check").out == ""
    asked = run(*dnf, "install", "--assumeno", "--setopt=install_weak_deps=False", "jq", "nginx", "php8.4-cli")
    for name in ("jq", "nginx", "php8.4-cli", "libicu", "oniguruma", "php8.4-common"):
        assert f"\n {name} " in asked.out, asked
    assert "Install  6 Packages" in asked.out
    assert "conflicts with curl-minimal" in run(*dnf, "install", "--assumeno", "curl").err
    advisories = good(*dnf, "updateinfo", "list").out
    assert "ALAS2023-2026-101 Critical/Sec. zlib-1.2.13-2.amzn2023.x86_64" in advisories
