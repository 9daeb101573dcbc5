"""This imagekit's part in the bytes of an image: codec, layer format, what it puts in itself, and the time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from imagekit import client, data
from imagekit.base import Base
from imagekit.errors import UsageError
from imagekit.lock import Lock, Making
from imagekit.oci.digest import Digest
from imagekit.project import Project
from imagekit.rootfs.gzip import LAYER_FORMAT, Codec
from imagekit.spec.bootstrap import Client

#: What `--compression` takes.
COMPRESSIONS: Final = ("default", "fast")
_AUTHORITIES: Final = "certificate authorities"
_CLIENT: Final = "runtime client"
#: The year 9999 ends here; later times have no RFC 3339 form.
_LAST_SECOND: Final = 253_402_300_799


def codec(lock: Lock) -> Codec:
    """The codec that a lock names; one that it cannot name was refused when the lock was judged."""
    return _codecs().get(lock.making.codec, Codec.named(COMPRESSIONS[0]))


def is_known(name: str) -> bool:
    """True for a codec, by its name in a lock, that this imagekit has."""
    return name in _codecs()


def making(work: Project, compression: str | None, known: Lock | None) -> Making:
    """How this imagekit makes the image: as asked, else as the lock says, else by default."""
    if compression:
        chosen = Codec.named(compression)
    else:
        chosen = codec(known) if known else Codec.named(COMPRESSIONS[0])
    return Making(codec=chosen.name, layer_format=LAYER_FORMAT, generated=_generated(work))


def certificates(base: Base) -> bytes:
    """The bundle of certificate authorities for a base that has none of its own, else nothing."""
    if base.system is None or not base.system.certificates:
        return b""
    return data.certificate_authorities().read_bytes()


def created(environment: Mapping[str, str], now: float) -> str:
    """The time of a new lock (RFC 3339): SOURCE_DATE_EPOCH when it is set (reproducible-builds.org), else now."""
    given = environment.get("SOURCE_DATE_EPOCH")
    if given is not None and not (given.isdecimal() and int(given) <= _LAST_SECOND):
        raise UsageError(
            f"SOURCE_DATE_EPOCH is {given[:40]!r}, not a number of seconds since 1970",
            hint="set it with `export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)`, or unset it",
        )
    seconds = int(given) if given is not None else int(now)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _codecs() -> Mapping[str, Codec]:
    return {one.name: one for one in map(Codec.named, COMPRESSIONS)}


def _generated(work: Project) -> dict[str, str]:
    """The digests of what imagekit itself puts into the project's images, by name, for all its architectures."""
    bundle = certificates(work.base)
    found = {_AUTHORITIES: bundle} if bundle else {}
    if isinstance(work.spec.bootstrap, Client):
        found |= {f"{_CLIENT} for {item}": client.program(item) for item in work.spec.architectures}
        worker = work.language.worker
        found |= {name: path.read_bytes() for name, path in worker.files.items()} if worker else {}
    return {name: str(Digest.of(data)) for name, data in found.items()}
