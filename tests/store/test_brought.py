"""A sink that knows what it was told in this run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imagekit.errors import RemoteFailed
from imagekit.store.cached import Brought
from imagekit.store.registry import Registry
from tests.support import faults
from tests.support.blobs import blob_of, manifest_of, opener
from tests.support.registry import Registry as Server

Open = Callable[..., Registry]
DATA = b"a layer"


def test_what_was_put_or_found_is_not_asked_for_again(server: Server, repository: Open):
    found = server.add_blob("app", b"found")
    sink, put = Brought(repository(f"{server.host}/app")), blob_of(DATA)
    assert not sink.has(put)
    sink.put(put, opener(DATA))
    assert [sink.has(put), sink.has(found), sink.has(found), sink.has(put)] == [True] * 4
    assert len(server.seen("^HEAD")) == 2


def test_what_is_missing_is_asked_for_each_time(server: Server, repository: Open):
    sink = Brought(repository(f"{server.host}/app"))
    assert not sink.has(blob_of(DATA))
    server.add_blob("app", DATA)
    assert sink.has(blob_of(DATA))


def test_what_was_mounted_is_there(server: Server, repository: Open):
    blob = server.add_blob("base", DATA)
    sink = Brought(repository(f"{server.host}/app"))
    assert sink.mount(blob, f"{server.host}/base")
    assert sink.has(blob)
    assert server.seen("^HEAD") == []


def test_an_upload_that_failed_is_not_there(server: Server, repository: Open):
    server.fault("^PUT", faults.status(400))
    sink = Brought(repository(f"{server.host}/app"))
    with pytest.raises(RemoteFailed):
        sink.put(blob_of(DATA), opener(DATA))
    assert not sink.has(blob_of(DATA))


def test_tags_are_always_asked(server: Server, repository: Open):
    sink, document = Brought(repository(f"{server.host}/app")), manifest_of(server.add_blob("app", b"{}"))
    assert sink.digest_of("v1") is None
    sink.put_document(document, "v1")
    assert sink.digest_of("v1") == document.descriptor.digest
