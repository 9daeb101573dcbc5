"""Bases with a real dnf inside, for both architectures: Debian's, with the Python and the libraries that it needs."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.bases import ENTRYPOINT_SCRIPT, StandIn
from tests.support.commands import good
from tests.support.packages import world as worlds
from tests.support.packages.debian import DEBIAN_ARCHES
from tests.support.packages.system import OCI_ARCHES
from tests.support.packages.world import World
from tests.support.tools import need, need_file

#: Where `scripts/ci-tools` puts them, by dpkg's name of the architecture.
DOWNLOADS = "/usr/local/share/imagekit-debian-dnf"
#: What dnf depends on for Debian's own sake.
_SKIPPED = (
    *("adduser", "debconf", "debugedit", "dirmngr", "dpkg", "gnupg", "gpg-", "gpg_", "gpgconf", "gpgsm", "libc6_"),
    *("libfile-find", "libnumber", "libperl", "libtext", "lsb-", "perl", "pinentry", "python3-lib2to3", "sqlite3_"),
    *("sysvinit", "tar_", "usrmerge"),
)
_LEFT_OUT = ("usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/info/", "usr/share/lintian/")
_MERGED = frozenset({"bin", "lib", "lib64", "sbin"})
#: Where rpm looks for its database: Debian's looks below the home folder.
_MACROS = b"%_dbpath /var/lib/rpm\n"


def base(
    world: World,
    downloads: str = DOWNLOADS,
    *,
    name: str = "dnf",
    arches: Collection[str] = tuple(OCI_ARCHES),
    also: Mapping[str, bytes] | None = None,
) -> StandIn:
    """The world's bases with a dnf on top, which `name` is another name of: then no program is called dnf.

    `also` are further files.
    """
    tars = {}
    for arch, root in world.roots.items():
        if arch not in arches:
            continue
        programs = worlds.tar_with({"lambda-entrypoint.sh": ENTRYPOINT_SCRIPT, **(also or {})})
        tars[OCI_ARCHES[arch]] = [worlds.tar_of(root), _dnf(arch, root, downloads, name), programs]
    return StandIn.of(tars)


def _dnf(arch: str, root: Path, downloads: str, called: str) -> bytes:
    place = Path(need_file(f"{downloads}/{DEBIAN_ARCHES[arch]}"))
    stream = io.BytesIO()
    with TemporaryDirectory() as folder, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(place.glob("*.deb")):
            if not path.name.startswith(_SKIPPED):
                good(need("dpkg-deb"), "-x", path, folder)
        if called != "dnf":
            (Path(folder) / "usr/bin/dnf").unlink()
            (Path(folder) / "usr/bin/dnf-3").rename(Path(folder) / "usr/bin" / called)
        for name, path in _files(Path(folder)):
            is_folder = path.is_dir() and not path.is_symlink()
            # Directories that the base has stay as they are.
            tar.add(root / name if is_folder and (root / name).is_dir() else path, name, recursive=False)
        member = tarfile.TarInfo("usr/lib/rpm/macros.d/macros.place")
        member.size, member.mtime = len(_MACROS), 1_700_000_000
        tar.addfile(member, io.BytesIO(_MACROS))
    return stream.getvalue()


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """All but documentation, under the names that they have where `/lib` is a link to `/usr/lib`."""
    known = set()
    for path in sorted(folder.rglob("*")):
        inside = str(path.relative_to(folder))
        merged = f"usr/{inside}" if inside.split("/", maxsplit=1)[0] in _MERGED else inside
        if not f"{merged}/".startswith(_LEFT_OUT) and merged not in known:
            known.add(merged)
            yield merged, path
