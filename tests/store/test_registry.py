"""Images in and out of a registry: what is asked, what is checked, what is said when it goes wrong."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from imagekit.errors import InvalidFile, RemoteFailed, WrongDigest
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.store.registry import Registry
from tests.support import faults
from tests.support.blobs import blob_of, manifest_of, opener
from tests.support.registry import Registry as Server

Open = Callable[..., Registry]
DATA = b"layer " * 100_000


def read(registry: Registry, descriptor: Descriptor) -> bytes:
    with registry.blob(descriptor) as pieces:
        return b"".join(pieces)


class TestRoundTrip:
    def test_an_image_comes_back_byte_for_byte(self, server: Server, repository: Open):
        target = repository(f"{server.host}/team/app")
        config, layer = blob_of(b"{}"), blob_of(DATA)
        target.put(config, opener(b"{}"))
        target.put(layer, opener(DATA[:100], DATA[100:]))
        pushed = manifest_of(config, layer)
        target.put_document(pushed, "v1")
        source = repository(f"{server.host}/team/app", reads=True)
        assert source.document("v1") == pushed
        assert source.document(str(pushed.descriptor.digest)) == pushed
        assert read(source, layer) == DATA
        assert server.repositories["team/app"].manifests[str(pushed.descriptor.digest)][0] == media.MANIFEST

    def test_has_knows_what_is_there(self, server: Server, repository: Open):
        there = server.add_blob("app", b"here")
        target = repository(f"{server.host}/app")
        assert target.has(there)
        assert not target.has(blob_of(b"elsewhere"))
        assert [request.method for request in server.requests] == ["HEAD", "HEAD"]

    def test_a_tag_names_a_digest_or_nothing(self, server: Server, repository: Open):
        there = server.add_manifest("app", manifest_of(blob_of(b"{}")).data, media.MANIFEST, "v1")
        target = repository(f"{server.host}/app")
        assert target.digest_of("v1") == there.digest
        assert target.digest_of("v2") is None
        assert server.seen("^GET") == []

    @pytest.mark.parametrize("fault", [faults.headed({"Docker-Content-Digest": ""}), faults.status(405)])
    def test_a_tag_whose_head_says_nothing_is_read(self, server: Server, repository: Open, fault: faults.Fault):
        there = server.add_manifest("app", manifest_of(blob_of(b"{}")).data, media.MANIFEST, "v1")
        server.fault("^HEAD", fault)
        assert repository(f"{server.host}/app").digest_of("v1") == there.digest

    def test_a_manifest_without_a_tag_goes_under_its_digest(self, server: Server, repository: Open):
        config = server.add_blob("app", b"{}")
        document = manifest_of(config)
        repository(f"{server.host}/app").put_document(document)
        assert server.seen("^PUT") == [f"PUT /v2/app/manifests/{document.descriptor.digest}"]

    def test_all_four_types_are_accepted(self, server: Server, repository: Open):
        server.add_manifest("app", manifest_of(blob_of(b"{}")).data, media.MANIFEST, "v1")
        repository(f"{server.host}/app").document("v1")
        assert server.requests[0].headers["accept"].split(", ") == list(media.ACCEPTED)

    def test_tags_are_listed_over_all_pages(self, server: Server, repository: Open):
        for number in range(7):
            server.add_manifest("app", manifest_of(blob_of(b"{}")).data, media.MANIFEST, f"v{number}")
        assert repository(f"{server.host}/app").tags() == tuple(f"v{number}" for number in range(7))
        assert repository(f"{server.host}/none").tags() == ()

    def test_one_connection_serves_all_requests_in_a_row(self, server: Server, repository: Open):
        target = repository(f"{server.host}/app")
        target.put(blob_of(DATA), opener(DATA))
        read(target, blob_of(DATA))
        target.has(blob_of(DATA))
        assert len(server.requests) == 5
        assert len({request.port for request in server.requests}) == 1

    def test_neither_a_tag_nor_a_digest_is_asked_for(self, server: Server, repository: Open):
        with pytest.raises(InvalidFile, match="neither a tag nor a digest"):
            repository(f"{server.host}/app").document("../../secrets")
        assert server.requests == []


class TestMount:
    def test_a_blob_of_the_same_registry_is_mounted(self, server: Server, repository: Open):
        there = server.add_blob("base", DATA)
        target = repository(f"{server.host}/app")
        assert target.mount(there, f"{server.host}/base")
        assert target.has(there)
        assert len(server.requests) == 2

    def test_a_registry_that_does_not_mount_gets_the_upload_in_the_session_it_opened(
        self, server: Server, repository: Open
    ):
        server.mounts = False
        target = repository(f"{server.host}/app")
        assert not target.mount(blob_of(DATA), f"{server.host}/base")
        target.put(blob_of(DATA), opener(DATA))
        assert len(server.seen("^POST")) == 1
        assert server.uploads == {}

    def test_a_blob_of_another_registry_is_not_asked_for(self, server: Server, repository: Open):
        assert not repository(f"{server.host}/app").mount(blob_of(DATA), "public.ecr.aws/lambda/provided")
        assert server.requests == []

    def test_a_repository_does_not_mount_from_itself(self, server: Server, repository: Open):
        assert not repository(f"{server.host}/app").mount(server.add_blob("app", DATA), f"{server.host}/app")
        assert server.requests == []

    @pytest.mark.parametrize("code", [400, 403, 404, 405])
    def test_a_no_to_a_mount_is_no_error(self, server: Server, repository: Open, code: int):
        server.fault("mount=", faults.status(code))
        assert not repository(f"{server.host}/app").mount(blob_of(DATA), f"{server.host}/base")


class TestWhatAnswersHaveToBe:
    def test_a_document_with_other_bytes_than_its_digest_is_refused(self, server: Server, repository: Open):
        there = server.add_manifest("app", manifest_of(blob_of(b"{}")).data, media.MANIFEST)
        server.fault("GET", faults.changed(lambda body: body + b" "))
        server.fault("GET", faults.headed({"Docker-Content-Digest": ""}))
        with pytest.raises(WrongDigest):
            repository(f"{server.host}/app").document(str(there.digest))

    def test_other_bytes_than_asked_for_are_refused_though_the_header_fits_them(self, server: Server, repository: Open):
        there = server.add_manifest("app", manifest_of(blob_of(b"{}")).data, media.MANIFEST)
        other = manifest_of(blob_of(b"[]")).data
        server.fault("GET", faults.status(200, other, {"Content-Type": media.MANIFEST}))
        with pytest.raises(WrongDigest, match=str(there.digest)):
            repository(f"{server.host}/app").document(str(there.digest))

    def test_a_header_that_names_another_digest_is_refused(self, server: Server, repository: Open):
        server.add_manifest("app", manifest_of(blob_of(b"{}")).data, media.MANIFEST, "v1")
        server.fault("GET", faults.headed({"Docker-Content-Digest": f"sha256:{'0' * 64}"}))
        with pytest.raises(WrongDigest, match="names sha256:000"):
            repository(f"{server.host}/app").document("v1")

    @pytest.mark.parametrize("told", ["", "application/json", "text/plain; charset=utf-8"])
    def test_the_type_is_read_from_the_body_when_the_header_has_none(self, server: Server, repository: Open, told: str):
        server.add_manifest("app", manifest_of(blob_of(b"{}")).data, told, "v1")
        bare = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
        server.add_manifest("app", bare, told, "bare")
        source = repository(f"{server.host}/app")
        assert source.document("v1").descriptor.media_type == media.MANIFEST
        assert source.document("bare").descriptor.media_type == media.INDEX

    def test_a_header_with_parameters_is_understood(self, server: Server, repository: Open):
        server.add_manifest("app", manifest_of(blob_of(b"{}")).data, f"{media.MANIFEST.upper()}; charset=utf-8", "v1")
        assert repository(f"{server.host}/app").document("v1").descriptor.media_type == media.MANIFEST

    @pytest.mark.parametrize("told", ["application/vnd.docker.distribution.manifest.v1+prettyjws", media.MANIFEST])
    def test_schema_1_is_refused_by_name(self, server: Server, repository: Open, told: str):
        server.add_manifest("app", b'{"schemaVersion": 1, "fsLayers": []}', told, "v1")
        with pytest.raises(RemoteFailed, match="schema 1"):
            repository(f"{server.host}/app").document("v1")

    @pytest.mark.parametrize(
        ("told", "more"),
        [
            (media.INDEX, {}),
            (media.DOCKER_MANIFEST, {}),
            (media.MANIFEST, {"manifests": []}),
            ("application/json", {"manifests": []}),
            ("application/json", {"mediaType": media.INDEX}),
            ("application/json", {"mediaType": "application/zip"}),
            ("application/json", {"mediaType": 7}),
        ],
    )
    def test_a_document_that_two_readers_would_read_in_two_ways_is_refused(
        self, server: Server, repository: Open, told: str, more: dict[str, Any]
    ):
        server.add_manifest("app", manifest_of(blob_of(b"{}"), **more).data, told, "v1")
        with pytest.raises(RemoteFailed, match=r"calls itself|neither a manifest nor an index"):
            repository(f"{server.host}/app").document("v1")

    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b"[]", b'"x"', b"\xff\xfe", b"null", b'{"a": 1}', b"[" * 100_000], ids=repr
    )
    def test_a_body_that_is_no_manifest_is_a_remote_failure(self, server: Server, repository: Open, body: bytes):
        server.add_manifest("app", body, media.MANIFEST, "v1")
        with pytest.raises(RemoteFailed, match=r"GET http://[0-9.:]+/v2/app/manifests/v1") as caught:
            repository(f"{server.host}/app").document("v1")
        assert "something else answers here" in caught.value.hint

    def test_a_manifest_that_breaks_off_is_asked_for_again(self, server: Server, repository: Open):
        document = manifest_of(server.add_blob("app", b"{}"))
        server.add_manifest("app", document.data, media.MANIFEST, "v1")
        server.fault("GET", faults.cut(10))
        assert repository(f"{server.host}/app").document("v1") == document

    def test_a_manifest_above_the_bound_is_refused(self, server: Server, repository: Open):
        server.add_manifest("app", b" " * (4 * 1024 * 1024 + 1), media.MANIFEST, "v1")
        with pytest.raises(RemoteFailed, match="larger than 4194304 bytes"):
            repository(f"{server.host}/app").document("v1")


class TestBlobs:
    def test_pieces_are_of_256_kib_at_least(self, server: Server, repository: Open):
        there = server.add_blob("app", DATA)
        with repository(f"{server.host}/app").blob(there) as pieces:
            sizes = [len(piece) for piece in pieces]
        assert all(size >= 256 * 1024 for size in sizes[:-1])

    def test_the_last_piece_is_held_back_until_the_digest_is_right(self, server: Server, repository: Open):
        there = server.add_blob("app", DATA)
        server.blobs[str(there.digest)] = DATA[:-1] + b"!"
        got = []
        with (
            pytest.raises(WrongDigest, match="gives other bytes"),
            repository(f"{server.host}/app").blob(there) as pieces,
        ):
            got.extend(pieces)
        assert len(b"".join(got)) < len(DATA)

    @pytest.mark.parametrize("data", [DATA + b"more", DATA[:-1]])
    def test_more_or_fewer_bytes_than_the_descriptor_says_are_refused(
        self, server: Server, repository: Open, data: bytes
    ):
        there = server.add_blob("app", data)
        wrong = Descriptor(media_type=media.LAYER, digest=there.digest, size=len(DATA))
        got = []
        with pytest.raises(RemoteFailed), repository(f"{server.host}/app").blob(wrong) as pieces:
            got.extend(pieces)
        assert len(b"".join(got)) < len(DATA)

    def test_an_endless_body_is_cut(self, server: Server, repository: Open):
        there = server.add_blob("app", DATA)
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        server.fault("GET", faults.endless(head, b"x" * 65536))
        with (
            pytest.raises(RemoteFailed, match="more than the 600000 bytes"),
            repository(f"{server.host}/app").blob(there) as pieces,
        ):
            for _ in pieces:
                pass

    @pytest.mark.parametrize("after", [0, 100, 300_000])
    def test_a_connection_that_breaks_off_is_a_remote_failure(self, server: Server, repository: Open, after: int):
        there = server.add_blob("app", DATA)
        server.fault("GET", faults.cut(after))
        with (
            pytest.raises(RemoteFailed, match=r"broke.*GET http"),
            repository(f"{server.host}/app").blob(there) as pieces,
        ):
            for _ in pieces:
                pass

    def test_an_empty_blob_is_empty(self, server: Server, repository: Open):
        there = server.add_blob("app", b"")
        assert read(repository(f"{server.host}/app"), there) == b""

    def test_a_blob_left_unread_leaves_the_registry_usable(self, server: Server, repository: Open):
        there = server.add_blob("app", DATA)
        source = repository(f"{server.host}/app")
        with source.blob(there):
            pass
        assert read(source, there) == DATA

    def test_base_to_target_streams_with_flat_memory(self, server: Server, repository: Open):
        data = hashlib.sha256(b"seed").digest() * (1024 * 1024)
        there = server.add_blob("base", data)
        source, target = repository(f"{server.host}/base", reads=True), repository(f"{server.host}/app")
        target.put(blob_of(b"warm up"), opener(b"warm up"))
        tracemalloc.start()
        with source.blob(there) as pieces:
            next(pieces)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            held = sum(len(piece) for piece in pieces)
            peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert held > 31 * 1024 * 1024
        assert peak - before < 8 * 1024 * 1024
        target.put(there, lambda: source.blob(there))
        assert server.blobs[str(there.digest)] == data
