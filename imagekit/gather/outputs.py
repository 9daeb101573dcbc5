"""What comes out of a container: taken whole into a folder beside, then put into its place on this disk."""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from imagekit.errors import BuildFailed, InvalidFile, Missing
from imagekit.masking import held_by
from imagekit.oci.digest import Digest

if TYPE_CHECKING:
    from imagekit.containers.container import Container


def bring(box: Container, wanted: Mapping[str, Path], staging: Path, secrets: Mapping[str, str]) -> None:
    """Bring paths of the container, by where they go here; all of them, or none is touched.

    Raises BuildFailed for what is not there, is neither a file nor a folder, is hostile, or holds a secret.
    """
    _clear(staging)
    try:
        taken = [(_taken(box, inside, staging / str(number), secrets), place) for number, (inside, place) in
                 enumerate(wanted.items())]  # fmt: skip
        for number, (found, place) in enumerate(taken):
            _put(found, place, staging / f"old-{number}")
    except OSError as error:
        raise Missing(
            f"what the container made cannot be written: {error.strerror}: {error.filename}",
            hint="make room on this disk, and the folders of the outputs writable",
        ) from error
    finally:
        _clear(staging)


def state(places: Iterable[Path], digest: Callable[[Path], Digest]) -> bytes:
    """What tells that nobody touched them since; empty when one is not there."""
    words = []
    for place in places:
        if place.is_dir():
            words.append(str(digest(place)))
        elif place.is_file():
            seen = place.stat()
            words.append(f"{seen.st_size} {seen.st_mtime_ns} {seen.st_ino}")
        else:
            return b""
    return "\n".join(words).encode()


def _taken(box: Container, inside: str, folder: Path, secrets: Mapping[str, str]) -> Path:
    from imagekit.containers import transfer

    folder.mkdir(parents=True)
    with box.taken(inside) as reader:
        if reader is None:
            raise BuildFailed(
                f"the command ended well but left no {inside}",
                hint='let it write there: an only output is "$IMAGEKIT_OUTPUT", others lie below its working directory',
            )
        files = transfer.unpack(reader, str(folder), f"the output {inside}")
    found = folder / os.path.basename(inside)
    if found.is_symlink() or not found.exists():
        raise BuildFailed(
            f"the output {inside} is a symlink; only itself would come out",
            hint="let the command make a file or a folder there, with `cp -L`",
        )
    for name, value in secrets.items():
        for file in files:
            if _holds(folder / file, value):
                raise BuildFailed(
                    f"the output {file} holds the secret {name}", hint="let the command write it to no output"
                )
    return found


def _holds(path: Path, secret: str) -> bool:
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return held_by(data, secret)


def _put(found: Path, place: Path, old: Path) -> None:
    """One output into its place; what was there goes."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidFile(
            f"{place} cannot be made: {error.filename} is no folder", hint="remove or rename it"
        ) from error
    if found.is_dir() or place.is_dir():
        if os.path.lexists(place):
            shutil.move(place, old)
        shutil.move(found, place)
    else:
        os.replace(found, place)


def _clear(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
