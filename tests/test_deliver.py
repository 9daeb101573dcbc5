"""Delivery through its ports: in which order, what is spared, what stops it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from imagekit.deliver import MAX_TAG, Delivery, Parcel, checked_tag, deliver, export
from imagekit.errors import RemoteFailed, UsageError
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.platform import Platform
from imagekit.oci.ports import Document, Opener
from imagekit.progress import Silent

CONTENTS = {Digest.of(data): data for data in (b"config", b"a layer", b"the largest layer")}
BLOBS = tuple(Descriptor.of(data, media.LAYER) for data in CONTENTS.values())


def document(media_type: str, architecture: str = "", **fields: Any) -> Document:
    data = json.dumps({"of": architecture, **fields}).encode()
    platform = Platform(os="linux", architecture=architecture) if architecture else None
    return Document(data=data, descriptor=Descriptor.of(data, media_type, platform=platform))


AMD64, ARM64 = (document(media.MANIFEST, name) for name in ("amd64", "arm64"))
INDEX = document(media.INDEX)


class Memory:
    """A sink that notes everything; `mountable` are origins that it can mount from, `has` what is there."""

    def __init__(self, *, mountable: Sequence[str] = (), holds: Sequence[Descriptor] = ()) -> None:
        self.mountable = mountable
        self.blobs: dict[Digest, bytes] = {blob.digest: b"" for blob in holds}
        self.tags: dict[str, Digest] = {}
        self.deeds: list[str] = []

    def has(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self.blobs

    def mount(self, descriptor: Descriptor, origin: str) -> bool:
        if origin not in self.mountable:
            return False
        self.deeds.append(f"mount {descriptor.digest.short} from {origin}")
        self.blobs[descriptor.digest] = b""
        return True

    def put(self, descriptor: Descriptor, opened: Opener) -> None:
        with opened() as pieces:
            self.blobs[descriptor.digest] = b"".join(pieces)
        self.deeds.append("blob")

    def digest_of(self, tag: str) -> Digest | None:
        return self.tags.get(tag)

    def put_document(self, document: Document, tag: str = "") -> None:
        self.deeds.append(tag or f"document {document.descriptor.digest.short}")
        if tag:
            self.tags[tag] = document.descriptor.digest


def parcel(*manifests: Document, index: Document | None = None, origins: Mapping[Digest, str] | None = None) -> Parcel:
    @contextmanager
    def opened(blob: Descriptor) -> Iterator[Iterator[bytes]]:
        yield iter((CONTENTS[blob.digest][:3], CONTENTS[blob.digest][3:]))

    known = origins or {}
    return Parcel(
        manifests=manifests or (AMD64, ARM64),
        index=index if manifests else INDEX,
        blobs=BLOBS,
        open=lambda blob: lambda: opened(blob),
        origins=lambda digest: (known[digest],) if digest in known else (),
    )


def delivery(sink: Memory, *tags: str, name: str = "corp/app", immutable: bool | None = None) -> Delivery:
    return Delivery(name=name, sink=sink, tags=tags or ("v1",), is_immutable=lambda tag: immutable)


def test_blobs_then_manifests_then_tags_the_plain_ones_last_of_all():
    sink = Memory()
    deliver(parcel(), [delivery(sink, "v1", "latest")], Silent())
    platforms, index = [f"document {item.descriptor.digest.short}" for item in (AMD64, ARM64)], INDEX.descriptor.digest
    suffixed = ["v1-x86_64", "v1-arm64", "latest-x86_64", "latest-arm64"]
    assert sink.deeds[:3] == ["blob"] * 3
    assert sorted(sink.deeds[3:5]) == sorted(platforms)
    assert sink.deeds[5] == f"document {index.short}"
    assert sorted(sink.deeds[6:10]) == sorted(suffixed)
    assert sink.deeds[10:] == ["v1", "latest"]
    assert sink.blobs == CONTENTS
    assert sink.tags["v1"] == sink.tags["latest"] == INDEX.descriptor.digest
    assert sink.tags["v1-arm64"] == ARM64.descriptor.digest


def test_one_platform_is_named_by_the_plain_tag_alone():
    sink = Memory()
    deliver(parcel(ARM64), [delivery(sink)], Silent())
    assert sink.tags == {"v1": ARM64.descriptor.digest}


def test_what_is_there_is_not_sent_and_what_can_be_mounted_is_mounted():
    sink = Memory(holds=BLOBS[:1], mountable=["corp/base"])
    origin = {blob.digest: "corp/base" for blob in BLOBS[:2]}
    deliver(parcel(origins=origin), [delivery(sink)], Silent())
    assert sorted(sink.deeds[:2]) == ["blob", f"mount {BLOBS[1].digest.short} from corp/base"]


def test_the_next_destination_mounts_from_the_one_before():
    first, second = Memory(), Memory(mountable=["corp/app"])
    deliver(parcel(), [delivery(first), delivery(second, name="corp/copy")], Silent())
    assert [deed.partition(" ")[0] for deed in second.deeds[:3]] == ["mount"] * 3


def test_a_destination_that_has_it_all_is_only_looked_at():
    sink = Memory()
    deliver(parcel(), [delivery(sink)], Silent())
    sink.deeds.clear()
    deliver(parcel(), [delivery(sink)], Silent())
    assert sink.deeds == []


def test_only_tags_that_name_something_else_are_written():
    sink = Memory()
    deliver(parcel(), [delivery(sink)], Silent())
    sink.deeds.clear()
    sink.tags["v1"] = AMD64.descriptor.digest
    deliver(parcel(), [delivery(sink)], Silent())
    assert [deed for deed in sink.deeds if not deed.startswith("document")] == ["v1"]


@pytest.mark.parametrize("moved", ["v1", "v1-arm64"])
def test_an_immutable_tag_of_any_destination_stops_before_anything_is_written(moved):
    first, second = Memory(), Memory()
    second.tags[moved] = Digest.of(b"another image")
    deliveries = [delivery(first), delivery(second, name="corp/prod", immutable=True)]
    with pytest.raises(RemoteFailed) as caught:
        deliver(parcel(), deliveries, Silent())
    another = Digest.of(b"another image")
    assert caught.value.message == f"corp/prod:{moved} is immutable and names {another}; nothing was uploaded"
    assert caught.value.hint == "push under a new tag: an immutable one keeps its first image"
    assert first.deeds == second.deeds == []


def test_an_immutable_tag_that_is_new_or_right_already_is_no_problem():
    sink = Memory()
    for _ in range(2):
        deliver(parcel(), [delivery(sink, immutable=True)], Silent())
    assert sink.tags["v1"] == INDEX.descriptor.digest


def test_a_tag_that_would_name_two_images_is_refused():
    sink = Memory()
    with pytest.raises(UsageError, match="the tag v1-arm64 would name one platform's image and the index of all"):
        deliver(parcel(), [delivery(sink, "v1", "v1-arm64")], Silent())
    assert sink.deeds == []


def test_an_export_is_complete():
    sink = Memory(holds=BLOBS[:1])
    export(parcel(), sink, "v1", Silent())
    assert sink.deeds.count("blob") == 2
    assert sink.tags == {"v1": INDEX.descriptor.digest}
    alone = Memory()
    export(parcel(ARM64), alone, "v1", Silent())
    assert alone.tags == {"v1": ARM64.descriptor.digest}


@pytest.mark.parametrize("tag", ["v1", "_x", "A.b-c", "a" * MAX_TAG])
def test_a_tag_with_room_for_a_suffix_is_taken(tag):
    assert checked_tag(tag) == tag


@pytest.mark.parametrize("tag", ["", "-x", ".x", "a b", "a/b", "ä", "v1\n", "a" * (MAX_TAG + 1)])
def test_any_other_tag_is_refused(tag):
    with pytest.raises(UsageError, match=f"a tag has 1 to {MAX_TAG} letters|not a tag"):
        checked_tag(tag)
