"""A folder with a spec, a registry with base images, and the command line in between, all in this process."""

from __future__ import annotations

import functools
import gzip
import io
import json
import struct
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from imagekit.cli import main
from tests.support import bases
from tests.support.bases import StandIn, digest
from tests.support.registry import Registry

#: Where AWS's base images are, and where the stand-ins for them are in the registry of tests.
PUBLIC = "public.ecr.aws"
PROVIDED = "lambda/provided"
SCRIPT = b"#!/bin/sh\nexit 0\n"
#: The smallest spec that builds: a script that is there already.
SPEC: Mapping[str, Any] = {
    "name": "app",
    "language": "custom",
    "os": "al2023",
    "bootstrap": {"path": "bootstrap"},
}


@functools.cache
def base(family: str = "oci", architectures: tuple[str, ...] = ("amd64", "arm64"), size: int = 0) -> StandIn:
    """A stand-in for an OS-only base image; made once, so it is not to be changed."""
    return StandIn.make(family, architectures=architectures, size=size)


def variant(image: StandIn, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> StandIn:
    """The image with each manifest and config changed in place by `change`; digests and sizes follow."""
    made = replace(image, manifests={}, blobs=dict(image.blobs))
    index = json.loads(image.index)
    for entry in index["manifests"]:
        manifest = json.loads(image.manifests[entry["digest"]])
        config = json.loads(image.blobs[manifest["config"]["digest"]])
        change(manifest, config)
        manifest["config"] |= made.add(json.dumps(config).encode(), manifest["config"]["mediaType"])
        data = json.dumps(manifest).encode()
        entry |= {"digest": digest(data), "size": len(data)}
        made.manifests[digest(data)] = data
    return replace(made, index=json.dumps(index).encode())


def tiny() -> StandIn:
    """A base with one small layer, whose bytes no version of Python or zlib can change: its digests may be pinned."""
    tar = bases.layer({"etc": bases.folder(), "etc/system-release": bases.Node(b"one file\n")})
    blob = _stored(tar)

    def shrink(manifest: dict[str, Any], config: dict[str, Any]) -> None:
        manifest["layers"] = [{"mediaType": bases.TYPES["oci"][3], "digest": digest(blob), "size": len(blob)}]
        config |= {"history": [], "rootfs": {"type": "layers", "diff_ids": [digest(tar)]}}

    made = variant(base(), shrink)
    made.add(blob, bases.TYPES["oci"][3])
    return made


def _stored(data: bytes) -> bytes:
    """A gzip member (RFC 1952) with one block that is not compressed (RFC 1951, 3.2.4)."""
    block = b"\x01" + struct.pack("<HH", len(data), len(data) ^ 0xFFFF) + data
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + block + struct.pack("<II", zlib.crc32(data), len(data))


def put(registry: Registry, image: StandIn, repository: str, tag: str) -> str:
    """Put a base image into the registry without a request; the digest of its index."""
    held = registry.repository(repository)
    registry.blobs.update(image.blobs)
    held.blobs |= set(image.blobs)
    for name, data in image.manifests.items():
        held.manifests[name] = (image.manifest_type, data)
    return str(registry.add_manifest(repository, image.index, image.index_type, tag).digest)


@dataclass(frozen=True)
class Outcome:
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it printed for pipes."""
        return self.out.splitlines()

    @property
    def document(self) -> Any:
        """The same as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> list[str]:
        """The lines of the error that ended it, without what was said before."""
        lines = self.err.splitlines()
        starts = [number for number, line in enumerate(lines) if line.startswith("error: ")]
        return lines[starts[-1] :] if starts else []

    def ok(self) -> Outcome:
        """Itself, if it ended well."""
        assert self.code == 0, f"exit code {self.code}\n{self.err}"
        return self


@dataclass(frozen=True)
class Picture:
    """A pushed platform image, with what its blobs hold."""

    digest: str
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]
    blob: Callable[[str], bytes]

    def layer(self, number: int) -> dict[str, tarfile.TarInfo]:
        """The entries of a layer by name; the last is -1."""
        with self.tar(number) as tar:
            return {member.name: member for member in tar}

    def tar(self, number: int) -> tarfile.TarFile:
        """A layer, opened."""
        data = gzip.decompress(self.blob(self.manifest["layers"][number]["digest"]))
        return tarfile.open(fileobj=io.BytesIO(data))

    def read(self, number: int, name: str) -> bytes:
        """A file of a layer."""
        with self.tar(number) as tar:
            file = tar.extractfile(name)
            assert file is not None
            return file.read()


class Bench:
    """Write a spec and files, run commands, look at what came of it."""

    def __init__(
        self, folder: Path, registry: Registry, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder
        self.registry = registry
        self.patch = patch
        self._capture = capture
        patch.chdir(folder)
        patch.setenv("IMAGEKIT_CACHE_DIR", str(folder.parent / "cache"))
        patch.setenv("IMAGEKIT_MIRROR", f"{PUBLIC}={registry.host}")

    @property
    def lock(self) -> Path:
        """The lock of the spec."""
        return self.folder / "runtime.lock"

    @property
    def locked(self) -> Any:
        """What the lock says."""
        return json.loads(self.lock.read_text())

    def write(self, path: str, data: str | bytes = b"", mode: int = 0o644) -> Path:
        """A file below the folder."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        file.chmod(mode)
        return file

    def spec(self, name: str = "runtime.yaml", /, **changes: Any) -> Path:
        """Write the spec: SPEC with these keys; None leaves one out. JSON is YAML."""
        document = {key: value for key, value in {**SPEC, **changes}.items() if value is not None}
        if document.get("bootstrap") == {"path": "bootstrap"} and not (self.folder / "bootstrap").exists():
            self.write("bootstrap", SCRIPT)
        return self.write(name, json.dumps(document, indent=1))

    def run(self, *arguments: str | Path) -> Outcome:
        """Run a command line to its end."""
        self._capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = self._capture.readouterr()
        assert isinstance(ended.value.code, int)
        return Outcome(code=ended.value.code, out=out, err=err)

    def repository(self, name: str = "team/app") -> str:
        """A repository of the registry, as `--to` takes it."""
        return f"{self.registry.host}/{name}"

    def pushed(self, *arguments: str | Path) -> dict[str, Picture]:
        """Build and push; the images by architecture."""
        outcome = self.run("build", "--push", "--to", self.repository(), "--json", *arguments).ok()
        return self.pictures(outcome.document["digests"])

    def pictures(self, digests: Mapping[str, str], repository: str = "team/app") -> dict[str, Picture]:
        """The images that these digests name, by architecture."""
        return {name: self.picture(digest, repository) for name, digest in digests.items() if name != "index"}

    def picture(self, digest: str, repository: str = "team/app") -> Picture:
        """One image of a repository of the registry."""
        held = self.registry.repository(repository)
        manifest = json.loads(held.manifests[digest][1])

        def blob(name: str) -> bytes:
            assert name in held.blobs, f"{name} is not in {repository}"
            return self.registry.blobs[name]

        config = json.loads(blob(manifest["config"]["digest"]))
        return Picture(digest=digest, manifest=manifest, config=config, blob=blob)

    def index(self, tag: str = "latest", repository: str = "team/app") -> Any:
        """The document that a tag names."""
        held = self.registry.repository(repository)
        return json.loads(held.manifests[held.tags[tag]][1])
