"""Package repositories and bases made by rpm's own tools out of Debian's packages, for both architectures."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.bases import ENTRYPOINT_SCRIPT, StandIn
from tests.support.commands import Ran, good, run
from tests.support.packages import debian, site
from tests.support.packages.debian import Deb
from tests.support.packages.rpmbuild import Workshop
from tests.support.packages.system import OCI_ARCHES
from tests.support.tools import need, need_file

_HERE = Path(__file__).parent
ARCHES = tuple(OCI_ARCHES)
#: The packages of a base, beside those that `base.spec` makes.
BASE = frozenset({
    *("bash", "coreutils", "dash", "gcc-12-base", "grep", "libacl1", "libattr1", "libc-bin", "libc6"),
    *("libcrypt1", "libgcc-s1", "libgmp10", "libpcre2-8-0", "libselinux1", "libtinfo6", "sed"),
    *("passwd", "libaudit1", "libaudit-common", "libcap-ng0", "libpam-modules", "libpam0g", "libsemanage2"),
    *("libsemanage-common", "libsepol2", "libbz2-1.0", "libdb5.3", "libpam-modules-bin", "login"),
})  # fmt: skip
#: Compressors other than zstd, for some of the packages.
_COMPRESSED = {
    "xz": frozenset({"libicu72", "jq", "libonig5", "less", "libxml2"}),
    "gzip": frozenset({"sqlite3", "libsqlite3-0", "php8.2-xml", "libedit2", "file"}),
}


@dataclass(frozen=True)
class World:
    """What there is, by rpm's name of the architecture: RPM files, the root file system of a base, the repository's
    path below `site`."""

    workshop: Workshop
    site: Path
    packages: Mapping[str, tuple[Path, ...]]
    roots: Mapping[str, Path]
    repositories: Mapping[str, str]

    @property
    def files(self) -> dict[str, bytes]:
        """Everything that the site serves, mirror lists too."""
        found = {
            f"/{path.relative_to(self.site)}": path.read_bytes() for path in self.site.rglob("*") if path.is_file()
        }
        for arch, place in self.repositories.items():
            for release in (site.RELEASE, "latest"):
                found[f"/al2023/core/mirrors/{release}/{arch}/mirror.list"] = f"https://{site.HOST}{place}/\n".encode()
        return found

    def base(self, programs: Mapping[str, Mapping[str, bytes]]) -> StandIn:
        """The roots as images; `programs` are further ones, by OCI's name of the architecture and place."""
        tars = {}
        for arch, root in self.roots.items():
            further = {"lambda-entrypoint.sh": ENTRYPOINT_SCRIPT, **programs.get(OCI_ARCHES[arch], {})}
            tars[OCI_ARCHES[arch]] = [tar_of(root), tar_with(further)]
        return StandIn.of(tars)

    def rpm(self, root: Path, *words: str | Path) -> Ran:
        """Run rpm in a root file system."""
        return run(need("rpm"), "--root", root, *words, settings=self.workshop.settings)

    def dnf(self, arch: str, root: Path, *words: str) -> Ran:
        """Run dnf for a root file system, which it also keeps its own files in; signatures are checked."""
        file, key = self.workshop.folder / f"dnf-{arch}.conf", self.workshop.folder / "key.asc"
        key.write_bytes(self.workshop.key)
        file.write_text(
            f"[main]\nreposdir=/nowhere\nvarsdir=/nowhere\npluginpath=/nowhere\n"
            f"[core]\nname=core\nbaseurl=file://{self.site}{self.repositories[arch]}/\ngpgcheck=1\ngpgkey=file://{key}\n"
        )
        options = ("-c", file, f"--installroot={root}", "--releasever=1", f"--forcearch={arch}", "--assumeyes")
        return run(need("dnf"), *options, *words, settings=self.workshop.settings)

    def copy(self, arch: str, target: Path) -> Path:
        """A base's root file system once more, for dnf to install into."""
        good("cp", "-a", self.roots[arch], target)
        return target


@contextmanager
def world(folder: Path, downloads: str = debian.DOWNLOADS) -> Iterator[World]:
    """Make it below a folder, out of Debian's packages in another. Takes most of a minute."""
    with Workshop(folder) as workshop, ThreadPoolExecutor(2) as pool:
        made = dict(zip(ARCHES, pool.map(lambda arch: _packages(workshop, arch, downloads), ARCHES), strict=True))
        offered = {arch: tuple(path for name, path in made[arch] if not name.startswith("base:")) for arch in ARCHES}
        for arch in ARCHES:
            workshop.sign(offered[arch])
        workshop.clean()
        yield World(
            workshop,
            folder / "site",
            offered,
            {arch: _root(workshop, arch, [path for name, path in made[arch] if _in_base(name)]) for arch in ARCHES},
            {arch: workshop.index(offered[arch], folder / "site", arch) for arch in ARCHES},
        )


def _packages(workshop: Workshop, arch: str, downloads: str) -> list[tuple[str, Path]]:
    """All packages with their names; those of `base.spec` have `base:` before them."""
    debs = [
        deb for deb in debian.unpacked(workshop.folder / f"debs-{arch}", arch, downloads) if deb.name != "base-files"
    ]
    made = [path for payload, held in _by_payload(debs).items() for path in workshop.repack(held, arch, payload)]
    made += workshop.build("edges", (_HERE / "edges.spec").read_text(), arch)
    base = workshop.build("base", (_HERE / "base.spec").read_text(), arch)
    return [(_name(path), path) for path in made] + [(f"base:{_name(path)}", path) for path in base]


def _by_payload(debs: list[Deb]) -> dict[str, list[Deb]]:
    other = {name for names in _COMPRESSED.values() for name in names}
    found = {payload: [deb for deb in debs if deb.name in names] for payload, names in _COMPRESSED.items()}
    return {**found, "zstd": [deb for deb in debs if deb.name not in other]}


def _name(path: Path) -> str:
    return path.name.rsplit("-", 2)[0]


def _in_base(name: str) -> bool:
    return name.startswith("base:") or name in BASE


def _root(workshop: Workshop, arch: str, packages: list[Path]) -> Path:
    root = workshop.folder / f"base-{arch}"
    root.mkdir()
    first = [path for path in packages if _name(path) == "filesystem"]  # its links have to be there before all else
    for held in (first, [path for path in packages if path not in first]):
        words = ("--install", "--ignorearch", "--nosignature", "--nodigest", *held)
        good(need("rpm"), "--root", root, *words, settings=workshop.settings)
    (root / "etc/edge.conf").write_text("what the base has changed\n")
    return root


def tar_of(root: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            tar.add(path, str(path.relative_to(root)), recursive=False)
    return stream.getvalue()


def tar_with(programs: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in programs.items():
            member = tarfile.TarInfo(name)
            member.mode, member.size, member.mtime = 0o755, len(data), 1_700_000_000
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


#: Prints for each request what dnf would do.
_RESOLVE = """
import json, sys
import dnf
asked = json.load(sys.stdin)
base = dnf.Base()
conf = base.conf
conf.installroot, conf.cachedir, conf.reposdir, conf.varsdir = asked["root"], asked["cache"], [], []
conf.substitutions.update(arch=asked["arch"], basearch=asked["arch"], releasever="1")
conf.ignorearch, conf.best, conf.zchunk, conf.plugins = True, asked["best"], False, False
for number, url in enumerate(asked["urls"]):
    base.repos.add_new_repo(f"r{number}", conf, baseurl=[url])
base.fill_sack()
answers = []
for request in asked["requests"]:
    base.reset(goal=True)
    conf.install_weak_deps = request["weak"]
    answer = {"install": [], "remove": [], "problem": ""}
    try:
        for text in request["remove"]:
            base.remove(text)
        for text in request["upgrade"]:
            base.upgrade(text)
        if request["upgrade_all"]:
            base.upgrade_all()
        for text in request["install"]:
            base.install(text)
        base.resolve(allow_erasing=request["erasing"])
        answer["install"] = sorted(str(item) for item in base.transaction.install_set)
        answer["remove"] = sorted(str(item) for item in base.transaction.remove_set)
    except Exception as error:
        answer["problem"] = str(error) or type(error).__name__
    answers.append(answer)
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Wanted:
    """A request to dnf: what a spec's keys say."""

    install: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    upgrade: tuple[str, ...] = ()
    weak: bool = False
    upgrade_all: bool = False
    erasing: bool = False


@dataclass(frozen=True)
class Chosen:
    """What dnf would install and remove, as NEVRA; or why it does neither."""

    install: tuple[str, ...]
    remove: tuple[str, ...]
    problem: str = ""


def dnf_resolves(world: World, arch: str, requests: list[Wanted], *, best: bool = False) -> list[Chosen]:
    """What dnf would do, for each request by itself, in a base."""
    urls = [f"file://{world.site}{world.repositories[arch]}/"]
    place = Place(root=world.roots[arch], urls=urls, arch=arch, settings=world.workshop.settings)
    return dnf_chooses(place, world.workshop.folder, requests, best=best)


@dataclass(frozen=True)
class Place:
    """Where dnf chooses: a root file system with a database, repositories, an architecture, rpm's settings."""

    root: Path
    urls: list[str]
    arch: str
    settings: Mapping[str, str]


def dnf_chooses(place: Place, folder: Path, requests: list[Wanted], *, best: bool = False) -> list[Chosen]:
    """What dnf would do, for each request by itself; `folder` is for what it keeps."""
    asked = {
        "root": str(place.root),
        "cache": str(folder / f"dnf-{place.arch}"),
        "arch": place.arch,
        "best": best,
        "urls": place.urls,
        "requests": [vars(request) for request in requests],
    }
    (folder / "asked").write_text(json.dumps(asked))
    python = need_file("/usr/bin/python3")  # the system's, which dnf is a module of
    words = ("-c", f'{python} -c "$0" <"$1"', _RESOLVE, folder / "asked")
    answers = json.loads(good("sh", *words, settings=dict(place.settings)).out)
    return [Chosen(tuple(item["install"]), tuple(item["remove"]), item["problem"]) for item in answers]
