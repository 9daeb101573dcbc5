"""An image that compiles: Debian's GCC with a shell, for both architectures, unpacked and nothing of it run."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

from tests.support.bases import StandIn, layer, link, program
from tests.support.commands import good
from tests.support.tools import need, need_file

#: Where `scripts/ci-tools` puts the packages.
PACKAGES = "/usr/local/share/imagekit-debian-compilers"
#: What no test needs of them: packages, folders, and files.
_UNUSED = ("libasan", "libtsan", "libubsan", "liblsan", "libhwasan", "libitm", "libgprofng", "libkrb5", "libssl",
           "libtirpc", "libnsl", "libgssapi", "libk5", "libcom", "libkey", "rpcsvc")  # fmt: skip
_NEEDLESS = tuple(f"usr/share/{name}" for name in ("doc", "man", "locale", "gdb", "lintian", "bug"))
_LARGE = ("usr/lib/gcc/*/*/lto1", "usr/lib/gcc/*/*/*san*", "usr/lib/*/lib[cm].a", "usr/lib/*/libm-*.a", "usr/bin/*dwp*")
_COMMANDS = ("cat", "cp", "head", "ln", "ls", "mkdir", "mv", "rm", "sh", "uname")


def compiling(folder: Path) -> StandIn:
    """The image; `folder` is for what it is made from."""
    return StandIn.of({name: [_commands(), _files(name, folder / name)] for name in ("amd64", "arm64")}, level=1)


def _commands() -> bytes:
    nodes = {f"bin/{name}": link("busybox") for name in _COMMANDS}
    return layer({**nodes, "var/runtime/.keep": program(b"")})


def _files(architecture: str, folder: Path) -> bytes:
    need_file(f"{PACKAGES}/.packages")
    for package in sorted(Path(PACKAGES, architecture).glob("*.deb")):
        if package.name.startswith(_UNUSED):
            continue
        good(need("dpkg-deb"), "-x", package, folder)
    for name in _NEEDLESS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in [path for pattern in _LARGE for path in folder.glob(pattern)]:
        path.unlink()
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        tar.add(folder, arcname=".", filter=_rooted)
    return target.getvalue()


def _rooted(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info
