"""The lock: the exact bytes that were chosen for a spec.

`runtime.lock` is canonical JSON with one value a line, so that a change reads well in a diff. It goes stale when the
request or this imagekit's part in the bytes changes, which needs no network to judge; a tag that moved or a newer
archive makes it outdated, never stale.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Any, Final, Self

from imagekit.architecture import ARCHITECTURES
from imagekit.errors import ImagekitError, InvalidFile, StaleLock
from imagekit.lock_packages import LockedPackages, Unfit
from imagekit.lock_packages import differences as package_differences
from imagekit.lock_trust import distrusted
from imagekit.oci import canonical
from imagekit.oci.digest import Digest
from imagekit.packages import PackageRequest
from imagekit.values import dataclass

FORMAT: Final = 1
#: What an engine is called that runs nothing of an image.
_NATIVE: Final = "native"
#: What git leaves where it could not merge.
_MERGE: Final = re.compile(rb"^(?:<{7}|={7}|>{7})(?: |\r?$)", re.MULTILINE)
#: How a time is written.
_WRITTEN: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformRequest:
    """What has to be resolved for one architecture. `archives` maps a URL to the sha256 that the spec gives, or "".

    `engine` runs what is in the image, so that nobody can promise the same bits twice; empty for one that does not.
    """

    architecture: str
    base: str = ""
    images: tuple[str, ...] = ()
    archives: Mapping[str, str] = field(default_factory=dict)
    packages: PackageRequest | None = None
    engine: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """As it is digested."""
        more: dict[str, Any] = {"packages": self.packages.to_mapping()} if self.packages else {}
        more |= {"engine": self.engine} if self.engine else {}
        return {"base": self.base, "images": list(self.images), "archives": dict(self.archives), **more}


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """All that resolution reads of a spec and of imagekit's data."""

    platforms: tuple[PlatformRequest, ...]

    @property
    def digest(self) -> Digest:
        """Its digest stands in the lock."""
        document = {item.architecture: item.to_mapping() for item in self.platforms}
        return Digest.of(canonical.to_bytes(document))


@dataclass(frozen=True, kw_only=True, slots=True)
class Making:
    """This imagekit's part in the bytes: codec, layer format, and the digests of what it puts into images itself."""

    codec: str
    layer_format: int
    generated: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedImage:
    """One platform's image: the digest of its manifest and config, and of the index that named it, if one did."""

    reference: str
    manifest: Digest
    config: Digest
    index: Digest | None = None

    @classmethod
    def from_mapping(cls, reference: str, document: Mapping[str, Any]) -> Self:
        """Out of a lock."""
        index = document.get("index")
        return cls(
            reference=reference,
            manifest=Digest.parse(document["manifest"]),
            config=Digest.parse(document["config"]),
            index=Digest.parse(index) if index else None,
        )

    def to_mapping(self) -> dict[str, str]:
        """As a lock holds it."""
        document = {"manifest": str(self.manifest), "config": str(self.config)}
        return document | {"index": str(self.index)} if self.index else document


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedArchive:
    """One file behind a URL; size in bytes."""

    url: str
    digest: Digest
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedPlatform:
    """What one architecture's request resolved to; `engine` as in the request."""

    architecture: str
    base: LockedImage | None = None
    images: Mapping[str, LockedImage] = field(default_factory=dict)
    archives: Mapping[str, LockedArchive] = field(default_factory=dict)
    packages: LockedPackages | None = None
    engine: str = ""

    @classmethod
    def from_mapping(cls, architecture: str, document: Mapping[str, Any]) -> Self:
        """Out of a lock."""
        base = document.get("base")
        return cls(
            architecture=architecture,
            base=LockedImage.from_mapping(_text(base["reference"]), base) if base else None,
            images={name: LockedImage.from_mapping(name, item) for name, item in document.get("images", {}).items()},
            archives={
                url: LockedArchive(url=url, digest=Digest.from_hex(item["sha256"]), size=int(item["size"]))
                for url, item in document.get("archives", {}).items()
            },
            packages=LockedPackages.from_mapping(document["packages"]) if "packages" in document else None,
            engine=_text(document["engine"]["name"]) if "engine" in document else "",
        )

    def to_mapping(self) -> dict[str, Any]:
        """As a lock holds it; what is empty is left out."""
        document: dict[str, Any] = {}
        if self.base:
            document["base"] = {"reference": self.base.reference, **self.base.to_mapping()}
        if self.images:
            document["images"] = {name: image.to_mapping() for name, image in self.images.items()}
        if self.archives:
            document["archives"] = {
                url: {"sha256": item.digest.hex, "size": item.size} for url, item in self.archives.items()
            }
        if self.packages:
            document["packages"] = self.packages.to_mapping()
        if self.engine:
            document["engine"] = {"name": self.engine, "reproducible": False}
        return document


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """The whole lock; `created` is the time (RFC 3339, UTC) that the image config carries."""

    imagekit: str
    created: str
    request: Digest
    making: Making
    platforms: tuple[LockedPlatform, ...]

    @classmethod
    def from_bytes(cls, data: bytes, file: str) -> Self:
        """Out of a file; raises InvalidFile."""
        try:
            document = json.loads(data.decode("utf-8"))
            version = document["format"]
            if version != FORMAT:
                raise InvalidFile(
                    f"{file}: a lock of format {version}; this imagekit reads format {FORMAT}",
                    hint="install the imagekit that wrote it, or delete the file and run `imagekit lock`",
                )
            return cls._from_mapping(document)
        except InvalidFile:
            raise
        except Exception as error:
            if _MERGE.search(data):
                raise InvalidFile(
                    f"{file}: a merge has left both sides in it",
                    hint=f"take one side whole (`git checkout --ours {file}`), or delete it; then run `imagekit lock`",
                ) from error
            raise InvalidFile(
                f"{file}: not a lock that can be read: {_why(error)}",
                hint="restore the committed file, or delete it and run `imagekit lock`",
            ) from error

    @classmethod
    def _from_mapping(cls, document: Mapping[str, Any]) -> Self:
        making = document["making"]
        return cls(
            imagekit=str(document["imagekit"]),
            created=_time(document["created"]),
            request=Digest.parse(document["request"]),
            making=Making(
                codec=str(making["codec"]),
                layer_format=int(making["layer_format"]),
                generated={str(name): str(value) for name, value in making.get("generated", {}).items()},
            ),
            platforms=tuple(
                LockedPlatform.from_mapping(name, item)
                for name, item in sorted(document["platforms"].items(), key=lambda platform: _rank(platform[0]))
            ),
        )

    def to_bytes(self) -> bytes:
        """The canonical bytes: sorted keys, two spaces, a newline at the end."""
        making: dict[str, Any] = {"codec": self.making.codec, "layer_format": self.making.layer_format}
        if self.making.generated:
            making["generated"] = dict(self.making.generated)
        document = {
            "format": FORMAT,
            "imagekit": self.imagekit,
            "created": self.created,
            "request": str(self.request),
            "making": making,
            "platforms": {item.architecture: item.to_mapping() for item in self.platforms},
        }
        return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")

    def says_the_same_as(self, other: Lock) -> bool:
        """True when only who wrote them, and when, differs."""
        return replace(self, imagekit=other.imagekit, created=other.created).to_bytes() == other.to_bytes()

    def platform(self, architecture: str) -> LockedPlatform | None:
        """What was locked for an architecture."""
        return next((item for item in self.platforms if item.architecture == architecture), None)

    def at(self, architecture: str) -> LockedPlatform:
        """The same; raises StaleLock when there is nothing."""
        locked = self.platform(architecture)
        if locked is None:
            raise StaleLock(f"the lock has nothing for {architecture}")
        return locked


def _why(error: Exception) -> str:
    """What is wrong with a lock, in words."""
    match error:
        case UnicodeDecodeError():
            return f"byte {error.start} is not UTF-8"
        case json.JSONDecodeError():
            return f"it is not JSON from line {error.lineno}, column {error.colno}"
        case RecursionError():
            return "it is nested too deeply"
        case KeyError():
            return f"{str(error.args[0])[:40]!r} is missing"
        case Unfit() | ImagekitError():
            return str(error)[:200]
        case _:
            return "a value is not of the kind that stands there"


def _rank(architecture: str) -> tuple[int, str]:
    """The usual order of architectures; a lock that was edited may name others."""
    usual = [item.name for item in ARCHITECTURES]
    return usual.index(architecture) if architecture in usual else len(usual), architecture


def missing(lock: Lock, request: Request) -> tuple[str, ...]:
    """What nothing can be built without and the lock does not have, in sentences."""
    pairs = [(locked, item) for item in request.platforms if (locked := lock.platform(item.architecture))]
    bases = [item for locked, item in pairs if bool(locked.base) != bool(item.base)]
    return (
        *(f"{item.architecture}: {'no base' if item.base else 'a base'} is locked" for item in bases),
        *(sentence for locked, item in pairs for sentence in _other_engine(locked, item)),
        *(sentence for locked, item in pairs for sentence in _unlocked(locked, item)),
        *(sentence for locked, item in pairs for sentence in _distrusted(locked, item)),
    )


def differences(lock: Lock, request: Request, making: Making) -> tuple[str, ...]:
    """Why the lock is stale, in sentences; empty when it is not. Reads nothing but its arguments."""
    return (*_request_differences(lock, request), *making_differences(lock.making, making))


def making_differences(locked: Making, making: Making) -> tuple[str, ...]:
    """Where this imagekit would make other bytes than the lock says."""
    found = []
    if locked.codec != making.codec:
        found.append(f"the lock's layers are compressed by {locked.codec}, this run's would be by {making.codec}")
    if locked.layer_format != making.layer_format:
        found.append(f"the lock is for layer format {locked.layer_format}, this imagekit writes {making.layer_format}")
    names = sorted(locked.generated.keys() | making.generated.keys())
    other = [name for name in names if locked.generated.get(name) != making.generated.get(name)]
    return (*found, *(f"this imagekit would put another version of the {name} into the image" for name in other))


def _request_differences(lock: Lock, request: Request) -> Iterator[str]:
    named = [sentence for item in request.platforms for sentence in _platform_differences(lock, item)]
    wanted = {item.architecture for item in request.platforms}
    named += [
        f"{item.architecture} is locked but no longer asked for"
        for item in lock.platforms
        if item.architecture not in wanted
    ]
    if not named and lock.request != request.digest:
        named = ["what the spec asks for is written otherwise than when the lock was made"]
    yield from named


def _platform_differences(lock: Lock, request: PlatformRequest) -> Iterator[str]:
    locked = lock.platform(request.architecture)
    where = request.architecture
    if locked is None:
        yield f"{where} is not locked"
        return
    base = locked.base.reference if locked.base else ""
    if base != request.base:
        yield f"{where}: the base is {request.base or 'an empty one'}, locked is {base or 'an empty one'}"
    yield from _other_engine(locked, request)
    yield from _unlocked(locked, request)
    others = tuple(package_differences(locked.packages, request.packages, where))
    yield from others or _distrusted(locked, request)
    for url, sha256 in request.archives.items():
        archive = locked.archives.get(url)
        if archive and sha256 and sha256 != archive.digest.hex:
            yield f"{where}: the archive {url} has another sha256 in the spec"
    gone = [*(locked.images.keys() - request.images), *(locked.archives.keys() - request.archives.keys())]
    yield from (f"{where}: {name} is locked but no longer asked for" for name in sorted(gone))


def _other_engine(locked: LockedPlatform, request: PlatformRequest) -> Iterator[str]:
    if locked.engine != request.engine:
        engine, known = request.engine or _NATIVE, locked.engine or _NATIVE
        yield f"{request.architecture}: the engine is {engine}, locked is {known}"


def _unlocked(locked: LockedPlatform, request: PlatformRequest) -> Iterator[str]:
    where = request.architecture
    yield from (f"{where}: the image {name} is not locked" for name in request.images if name not in locked.images)
    yield from (f"{where}: the archive {url} is not locked" for url in request.archives if url not in locked.archives)
    if request.packages and not locked.packages:
        yield f"{where}: no packages are locked"


def _distrusted(locked: LockedPlatform, request: PlatformRequest) -> Iterator[str]:
    if locked.packages:
        yield from distrusted(locked.packages, request.packages, request.architecture)


def _text(value: object) -> str:
    """A text that is one already; raises Unfit."""
    if not isinstance(value, str):
        raise Unfit(f"{str(value)[:40]!r} is no text")
    return value


def _time(text: object) -> str:
    """A time in the one form that is written; raises Unfit, ValueError."""
    written = str(text)
    if not _WRITTEN.fullmatch(written):
        raise Unfit(f"{written[:40]!r} is no time")
    datetime.fromisoformat(written)
    return written
