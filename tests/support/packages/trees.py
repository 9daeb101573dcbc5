"""Root file systems on disk: images unpacked, and what there is to compare about each path."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import struct
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.support.filesystems import of_folder
from tests.support.project import Seen

_CAPABILITY = "security.capability"


@dataclass(frozen=True)
class Found:
    """A path: what it is, when a file was changed, its capabilities."""

    seen: Seen
    mtime: int
    capability: str


def layers_of(layout: Path, architecture: str) -> list[bytes]:
    """The layers of one platform out of an image layout with an index, unpacked."""

    def blob(digest: str) -> bytes:
        return (layout / "blobs" / digest.replace(":", "/")).read_bytes()

    (top,) = json.loads((layout / "index.json").read_text())["manifests"]
    document = json.loads(blob(top["digest"]))
    if "manifests" in document:
        mine = [entry for entry in document["manifests"] if entry["platform"]["architecture"] == architecture]
        document = json.loads(blob(mine[0]["digest"]))
    return [gzip.decompress(blob(layer["digest"])) for layer in document["layers"]]


def unpack(layers: Iterable[bytes], folder: Path) -> Path:
    """Lay layers out on disk one over the other, with owners and capabilities; needs root."""
    folder.mkdir(mode=0o755)
    for data in layers:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            members = list(tar)
            for member in members:
                _remove_hidden(folder, member)
            plain = [member for member in members if not os.path.basename(member.name).startswith(".wh.")]
            for member in plain:
                _make_way(folder / member.name, member)
            tar.extractall(folder, plain, filter="fully_trusted")
            for member in plain:
                if member.issym():  # tarfile leaves their times alone
                    os.utime(folder / member.name, (member.mtime, member.mtime), follow_symlinks=False)
                value = member.pax_headers.get(f"SCHILY.xattr.{_CAPABILITY}", "")
                if value:
                    os.setxattr(folder / member.name, _CAPABILITY, value.encode("utf-8", "surrogateescape"))
    return folder


def _remove_hidden(folder: Path, member: tarfile.TarInfo) -> None:
    parent, name = os.path.split(member.name)
    if name == ".wh..wh..opq":
        for path in (folder / parent).iterdir():
            _remove(path)
    elif name.startswith(".wh."):
        _remove(folder / parent / name.removeprefix(".wh."))


def _make_way(path: Path, member: tarfile.TarInfo) -> None:
    if os.path.lexists(path) and not (member.isdir() and path.is_dir() and not path.is_symlink()):
        assert path.is_symlink() or not path.is_dir(), f"{path} is a folder below"
        path.unlink()


def _remove(path: Path) -> None:
    assert os.path.lexists(path), f"a whiteout for {path}, which is not there"
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def found(root: Path) -> dict[str, Found]:
    """Every path below a root file system."""
    return {
        path: Found(seen, 0 if seen.kind == "d" else int(os.lstat(root / path).st_mtime), _capability(root / path))
        for path, seen in of_folder(root).items()
    }


def _capability(path: Path) -> str:
    try:
        return os.getxattr(path, _CAPABILITY, follow_symlinks=False).hex()
    except OSError as error:
        if error.errno not in {errno.ENODATA, errno.ENOTSUP}:
            raise
        return ""


@dataclass(frozen=True)
class Database:
    """An RPM database: its headers by their name, version and architecture, its index tables by their names.

    Keys are left out, which dnf keeps there as if they were packages.
    """

    headers: dict[str, bytes]
    tables: dict[str, list[tuple[str, str, int]]]


#: When a package was installed: it is the only thing that differs from one installation to the next.
_TIMES = frozenset({1008, 1128})


def database(root: Path) -> Database:
    """The database of a root file system; what tells when something was installed is left out."""
    connection = sqlite3.connect(f"file:{root}/var/lib/rpm/rpmdb.sqlite?immutable=1", uri=True)
    names, headers = {}, {}
    for number, blob in connection.execute("SELECT hnum, blob FROM Packages"):
        texts = _texts(blob)
        if texts[1000] == "gpg-pubkey":
            continue
        names[number] = "-".join(texts[tag] for tag in (1000, 1001, 1002)) + "." + texts.get(1022, "")
        headers[names[number]] = _without_times(blob)
    tables = {}
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if table not in {"Packages", "Installtid"} and not table.startswith("sqlite"):
            rows = connection.execute(f"SELECT key, hnum, idx FROM '{table}'")
            tables[table] = sorted((_key(key), names[number], index) for key, number, index in rows if number in names)
    connection.close()
    return Database(headers, tables)


def _key(key: str | bytes) -> str:
    return key.hex() if isinstance(key, bytes) else key


def _entries(blob: bytes) -> tuple[int, list[tuple[int, int, int, int]]]:
    count, _ = struct.unpack_from(">II", blob)
    return 8 + 16 * count, [struct.unpack_from(">IIiI", blob, 8 + 16 * number) for number in range(count)]  # type: ignore[misc]


def _texts(blob: bytes) -> dict[int, str]:
    start, entries = _entries(blob)
    return {
        tag: blob[start + offset : blob.index(b"\0", start + offset)].decode()
        for tag, kind, offset, _ in entries
        if kind == 6
    }


def _without_times(blob: bytes) -> bytes:
    start, entries = _entries(blob)
    changed = bytearray(blob)
    for tag, _, offset, count in entries:
        if tag in _TIMES:
            changed[start + offset : start + offset + 4 * count] = bytes(4 * count)
    return bytes(changed)


def short(headers: dict[str, bytes]) -> dict[str, str]:
    """Headers as their digests, for a comparison that can be read."""
    return {name: hashlib.sha256(data).hexdigest()[:16] for name, data in headers.items()}


@dataclass(frozen=True)
class Held:
    """A path of an image: what it is, without ever having been on a disk."""

    kind: bytes
    mode: int
    owner: tuple[int, int]
    mtime: int
    target: str
    content: str
    capability: str


def merged(layers: Iterable[bytes]) -> dict[str, Held]:
    """Every path of an image with these layers, lowest first, after whiteouts; of directories no times."""
    made: dict[str, Held] = {}
    for data in layers:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            members = list(tar)
            for member in members:
                parent, name = os.path.split(member.name)
                if name.startswith(".wh."):
                    gone = os.path.join(parent, name.removeprefix(".wh."))
                    assert gone in made, f"a whiteout for {gone}, which is not there"
                    made = {path: held for path, held in made.items() if not f"{path}/".startswith(f"{gone}/")}
            made |= {one.name: _held(tar, one) for one in members if not os.path.basename(one.name).startswith(".wh.")}
    return made


def _held(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Held:
    file = tar.extractfile(member) if member.isfile() else None
    return Held(
        member.type,
        member.mode,
        (member.uid, member.gid),
        0 if member.isdir() else int(member.mtime),
        member.linkname,
        hashlib.sha256(file.read() if file else b"").hexdigest(),
        member.pax_headers.get(f"SCHILY.xattr.{_CAPABILITY}", ""),
    )
