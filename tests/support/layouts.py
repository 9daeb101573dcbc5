"""Small images for the stores: real gzip layers with a tar inside, all bytes at hand."""

import gzip
import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from imagekit.oci import media
from imagekit.oci.config import Config, History
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from imagekit.oci.index import Index
from imagekit.oci.manifest import Manifest
from imagekit.oci.platform import Platform
from imagekit.oci.ports import Document, Opener, Sink

AMD64 = Platform(os="linux", architecture="amd64")
ARM64 = Platform(os="linux", architecture="arm64")


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """A layer's tar with these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image with all of its blobs."""

    image: Image
    contents: Mapping[Digest, bytes]

    @property
    def document(self) -> Document:
        return Document(data=self.image.manifest_bytes, descriptor=self.image.descriptor)

    @property
    def digest(self) -> Digest:
        return self.image.descriptor.digest

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        return self.image.manifest.blobs

    def open(self, descriptor: Descriptor) -> Opener:
        return opener(self.contents[descriptor.digest])

    def put_into(self, sink: Sink, *tags: str) -> None:
        for blob in self.blobs:
            if not sink.has(blob):
                sink.put(blob, self.open(blob))
        for tag in tags or ("",):
            sink.put_document(self.document, tag)


def opener(data: bytes, piece: int = 1000) -> Opener:
    """Gives these bytes in small pieces, as often as it is asked to."""

    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        yield (data[start : start + piece] for start in range(0, len(data), piece))

    return opened


def picture(
    *layers: Mapping[str, bytes], platform: Platform = AMD64, command: tuple[str, ...] = ("app.main",)
) -> Picture:
    """An image of these layers."""
    tars = [tar_of(files) for files in layers]
    blobs = [gzip.compress(tar, mtime=0) for tar in tars]
    config = Config(
        platform=platform,
        diff_ids=tuple(Digest.of(tar) for tar in tars),
        command=("app.main",),
        environment={"PATH": "/usr/bin:/bin"},
        history=tuple(History(created_by=f"layer {number}") for number in range(len(tars))),
    )
    data = config.to_bytes()
    manifest = Manifest(
        config=Descriptor.of(data, media.CONFIG),
        layers=tuple(Descriptor.of(blob, media.LAYER) for blob in blobs),
    )
    return Picture(image=Image.of(manifest, config), contents={Digest.of(item): item for item in (*blobs, data)})


def index_of(*pictures: Picture) -> Document:
    """The index of these images."""
    data = Index(manifests=tuple(item.image.descriptor for item in pictures)).to_bytes()
    return Document(data=data, descriptor=Descriptor.of(data, media.INDEX))
