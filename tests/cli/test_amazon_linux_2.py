"""Amazon Linux 2: metadata as yum's time made it, a database that is only read; real dnf and rpm are the judges."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.bench import PROVIDED, PUBLIC, Bench, put
from tests.support.commands import good
from tests.support.packages import samples, site, system
from tests.support.packages.package import Package, program
from tests.support.packages.signing import key
from tests.support.packages.world import Place, Wanted, dnf_chooses
from tests.support.tools import need, need_file

pytestmark = pytest.mark.real

ARCHES = {"x86_64": "x86_64", "aarch64": "arm64"}
EXTRAS = "amazonlinux-extras-php8.2"
REQUESTS = {
    "a program": Wanted(("jq",)),
    "an older one": Wanted(("jq-1.6",)),
    "out of a topic": Wanted(("php-cli",)),
    "by what it provides": Wanted(("libonig.so.5()(64bit)",)),
    "by path": Wanted(("/usr/bin/jq",)),
    "by a path that only file lists know": Wanted(("/usr/share/one/name",)),
    "what needs a path": Wanted(("by-path",)),
    "what the base has": Wanted(("bash",)),
    "by glob": Wanted(("php8.4-c*",)),
    "with its epoch": Wanted(("nginx-1:1.26.2",)),
    "an upgrade": Wanted(upgrade=("zlib",)),
    "an upgrade of all": Wanted(upgrade_all=True),
    "a removal": Wanted(remove=("curl-minimal",)),
    "many": Wanted(("jq", "php-cli", "nginx", "ping")),
}


def core(arch: str) -> tuple[Package, ...]:
    """As Amazon Linux 2 packs its own: payloads in xz or gzip, nothing weak, scripts that call ldconfig themselves."""
    return tuple(
        replace(package, compressor="xz" if number % 2 else "gzip", recommends=(), triggers=(), signed_by=key())
        for number, package in enumerate(samples.packages(arch))
    )


def topic(arch: str) -> tuple[Package, ...]:
    """A topic of amazon-linux-extras: another version of what the core has, and what needs the core."""
    php = Package(
        "php-cli",
        "8.2.9",
        "1.amzn2",
        arch,
        requires=("libonig.so.5()(64bit)", "/bin/sh"),
        files={"usr/bin/php": program(b"php of " + arch.encode())},
        scripts={"post": ("/sbin/ldconfig", "")},
        signed_by=key(),
    )
    return (php, replace(php, name="php-common", requires=(), files={}))


def created(folder: Path, packages: tuple[Package, ...]) -> Path:
    """A repository that createrepo_c made, with the databases that yum read."""
    folder.mkdir(parents=True)
    for package in packages:
        (folder / package.file_name).write_bytes(package.built.data)
    good(need("createrepo_c"), "--quiet", "--database", "--compress-type=gz", "--general-compress-type=gz", folder)
    assert list(folder.glob("repodata/*primary.sqlite*"))
    assert list(folder.glob("repodata/*primary.xml.gz"))
    return folder


@pytest.fixture
def repositories(bench: Bench, tmp_path: Path) -> dict[str, dict[str, Path]]:
    """Both of both architectures, on the disk and on the site; the base of Amazon Linux 2 in the registry."""
    put(bench.registry, system.base("berkeley"), PROVIDED, "al2")
    made = {
        arch: {
            "core/2.0": created(tmp_path / "core" / arch, core(arch)),
            "extras/php8.2/latest": created(tmp_path / "extras" / arch, topic(arch)),
        }
        for arch in ARCHES
    }
    for arch, found in made.items():
        for name, folder in found.items():
            root = f"/2/{name}/{arch}/guid"
            listed = f"/2/{name.replace('core/2.0', 'core/latest')}/{arch}/mirror.list"
            bench.registry.files[listed] = f"https://{site.HOST}{root}\n".encode()
            files = (path for path in folder.rglob("*") if path.is_file())
            bench.registry.files.update({f"{root}/{path.relative_to(folder)}": path.read_bytes() for path in files})
    bench.write("keys/packager.asc", key().armored)
    bench.patch.setenv("IMAGEKIT_MIRROR", f"{PUBLIC}={bench.registry.host},{site.HOST}={bench.registry.host}")
    return made


def ask(bench: Bench, wanted: Wanted) -> dict[str, tuple[list[str], list[str]]]:
    """What is locked to be installed and removed, by rpm's name of the architecture."""
    trusted = [{"name": name, "gpgkey": "keys/packager.asc"} for name in ("amazonlinux", EXTRAS)]
    bench.lock.unlink(missing_ok=True)
    keys = {
        "packages": list(wanted.install),
        "remove": list(wanted.remove),
        "upgrade": "all" if wanted.upgrade_all else list(wanted.upgrade),
    }
    bench.spec(os="al2", repositories=trusted, **{name: value for name, value in keys.items() if value})
    bench.run("lock").ok()
    platforms = json.loads(bench.lock.read_bytes())["platforms"]
    found = {arch: platforms[name]["packages"] for arch, name in ARCHES.items()}
    return {arch: (sorted(one["install"]), sorted(one["remove"])) for arch, one in found.items()}


def test_what_is_chosen_is_what_dnf_chooses(
    bench: Bench, repositories: dict[str, dict[str, Path]], tmp_path: Path
) -> None:
    need_file("/usr/bin/dnf")
    (tmp_path / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n%_db_backend bdb_ro\n")
    ours = {name: ask(bench, wanted) for name, wanted in REQUESTS.items()}
    for arch in ARCHES:
        root = tmp_path / "root" / arch
        for name, node in system.database_files(system.installed(arch), "berkeley").items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(node.data or b"")
        urls = [f"file://{folder}/" for folder in repositories[arch].values()]
        place = Place(root=root, urls=urls, arch=arch, settings={"HOME": str(tmp_path)})
        answers = dnf_chooses(place, tmp_path, list(REQUESTS.values()))
        assert not [answer.problem for answer in answers if answer.problem]
        theirs = {name: (list(one.install), list(one.remove)) for name, one in zip(REQUESTS, answers, strict=True)}
        assert {name: found[arch] for name, found in ours.items()} == theirs


def test_the_files_are_there_and_the_database_stays(bench: Bench, repositories: dict[str, dict[str, Path]]) -> None:
    assert repositories
    trusted = [{"name": name, "gpgkey": "keys/packager.asc"} for name in ("amazonlinux", EXTRAS)]
    bench.spec(os="al2", packages=["php-cli", "jq"], repositories=trusted, upgrade=["zlib"])
    said = bench.run("build", "--push", "--to", bench.repository(), "--json").ok().err
    assert "warning[IK0304]: the packages are installed, and the image's RPM database /var/lib/rpm/Packages" in said
    for name, picture in bench.pushed().items():
        layer = picture.layer(-2)
        assert {"usr/bin/jq", "usr/bin/php", "usr/lib64/libz.so.1.1.2.13"} <= layer.keys()
        assert "usr/lib64/.wh.libz.so.1.2.11" in layer, "what the older version had goes"
        assert not [path for path in layer if path.startswith("var/lib/rpm")]
        label = picture.config["config"]["Labels"]["dev.imagekit.packages-not-in-database"]
        assert f"php-cli-8.2.9-1.amzn2.{ {one: arch for arch, one in ARCHES.items()}[name] }" in label
