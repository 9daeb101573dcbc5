"""Sending ahead: what is brought while something else goes on, where that is allowed, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import pytest

from imagekit.ahead import sending
from imagekit.deliver import WORKERS, Delivery, Parcel
from imagekit.errors import BuildFailed, RemoteFailed
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Document, Opener
from imagekit.progress import Silent

CONTENTS = {Digest.of(data): data for data in (b"below", b"the largest below", b"made above")}
*BLOBS, ABOVE = (Descriptor.of(data, media.LAYER) for data in CONTENTS.values())
BELOW = {blob.digest for blob in BLOBS}


class Sink:
    """A sink in memory; `tags` are there already, `failure` is what every upload meets."""

    def __init__(self, *, tags: tuple[str, ...] = (), failure: Exception | None = None) -> None:
        self.tags = tags
        self.failure = failure
        self.tries = 0
        self.blobs: set[Digest] = set()
        self.documents: list[Document] = []

    def has(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self.blobs

    def mount(self, descriptor: Descriptor, origin: str) -> bool:
        return False

    def put(self, descriptor: Descriptor, opened: Opener) -> None:
        self.tries += 1
        if self.failure:
            raise self.failure
        with opened() as pieces:
            assert b"".join(pieces) == CONTENTS[descriptor.digest]
        self.blobs.add(descriptor.digest)

    def digest_of(self, tag: str) -> Digest | None:
        return Digest.of(b"another image") if tag in self.tags else None

    def put_document(self, document: Document, tag: str = "") -> None:
        self.documents.append(document)


def delivery(sink: Sink) -> Delivery:
    return Delivery(name="host/app", sink=sink, tags=("v1",), is_immutable=lambda tag: None)


def parcel(pieces=lambda blob: iter((CONTENTS[blob.digest],))) -> Parcel:
    def opener(blob: Descriptor) -> Opener:
        @contextmanager
        def opened() -> Iterator[Iterator[bytes]]:
            yield pieces(blob)

        return opened

    return Parcel(manifests=(), index=None, blobs=tuple(BLOBS), open=opener, origins=lambda digest: ())


def test_all_blobs_and_no_manifest_are_there_at_the_end():
    sink = Sink()
    with sending(parcel(), delivery(sink), Silent()):
        pass
    assert sink.blobs == BELOW
    assert not sink.documents


def test_what_the_body_hands_in_is_sent_too_while_it_goes_on():
    sink, sent = Sink(), Event()

    def pieces(blob: Descriptor) -> Iterator[bytes]:
        yield CONTENTS[blob.digest]
        if blob == ABOVE:
            sent.set()

    with sending(parcel(pieces), delivery(sink), Silent()) as send:
        send(ABOVE)
        assert sent.wait(10), "it was not sent before the body had ended"
    assert sink.blobs == set(CONTENTS)


def test_nothing_is_begun_after_a_failure():
    sink = Sink(failure=RemoteFailed("no"))
    with sending(parcel(), delivery(sink), Silent()) as send:
        for _ in range(50):
            send(ABOVE)
    assert 1 <= sink.tries <= WORKERS, "each thread may meet it once"


@pytest.mark.parametrize("tag", ["v1", "v1-x86_64", "v1-arm64"])
def test_nothing_is_sent_where_a_tag_exists_that_might_not_be_moved(tag):
    sink = Sink(tags=(tag,))
    with sending(parcel(), delivery(sink), Silent()) as send:
        send(ABOVE)
    assert not sink.blobs


def test_what_cannot_be_sent_is_left_to_the_push():
    with sending(parcel(), delivery(Sink(failure=RemoteFailed("no"))), Silent()):
        reached = True
    assert reached


def test_a_bug_is_not_hidden():
    with pytest.raises(ZeroDivisionError), sending(parcel(), delivery(Sink(failure=ZeroDivisionError())), Silent()):
        pass


def test_a_body_that_fails_breaks_the_uploads_off():
    sink, begun, failed = Sink(), Event(), Event()

    def pieces(blob: Descriptor) -> Iterator[bytes]:
        begun.set()
        yield b""
        assert failed.wait(10)
        yield from iter(lambda: b"", None)  # endless, unless somebody stops it

    def fail() -> None:
        assert begun.wait(10)
        failed.set()
        raise BuildFailed("a host step failed")

    with pytest.raises(BuildFailed, match="a host step failed"), sending(parcel(pieces), delivery(sink), Silent()):
        fail()
    assert not sink.blobs
