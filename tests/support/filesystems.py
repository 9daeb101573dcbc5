"""What an image's file system holds, path by path, as different tools give it out."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from pathlib import Path

from tests.support.project import Seen

#: What engines put into every container they make.
_ENGINES_OWN = frozenset({
    *(".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"),
    *("dev/console", "dev/pts", "dev/shm", "run/.containerenv", "run/secrets"),
})  # fmt: skip


def of_tar(data: bytes) -> dict[str, Seen]:
    """Out of a container's export."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            name = member.name.removeprefix("./").strip("/")
            if name and name not in _ENGINES_OWN:
                found[name] = _of_member(tar, member)
    return found


def of_folder(top: Path) -> dict[str, Seen]:
    """Out of an unpacked root file system."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            state = os.lstat(path)
            owner = (state.st_uid, state.st_gid)
            if stat.S_ISLNK(state.st_mode):
                seen = Seen("l", 0o777, os.readlink(path), owner)
            elif stat.S_ISDIR(state.st_mode):
                seen = Seen("d", stat.S_IMODE(state.st_mode), "", owner)
            else:
                seen = Seen.file(Path(path).read_bytes(), stat.S_IMODE(state.st_mode), owner)
            found[os.path.relpath(path, top)] = seen
    return found


def _of_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Seen:
    owner = (member.uid, member.gid)
    if member.issym():
        return Seen("l", 0o777, member.linkname, owner)
    if member.isdir():
        return Seen("d", member.mode & 0o7777, "", owner)
    assert member.isreg() or member.islnk(), f"{member.name} is neither file nor folder nor symlink"
    content = tar.extractfile(member)
    assert content
    return Seen("f", member.mode & 0o7777, hashlib.sha256(content.read()).hexdigest(), owner)
