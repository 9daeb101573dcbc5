"""Whatever a registry answers, the caller meets an ImagekitError or a result, never a foreign exception."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagekit.errors import ImagekitError
from imagekit.oci import media
from imagekit.oci.ports import Document
from imagekit.oci.reference import Reference
from imagekit.store.access import Access
from imagekit.store.answers import Answer
from imagekit.store.auth import Keyring
from imagekit.store.hosts import Hosts
from imagekit.store.registry import Registry
from imagekit.store.retry import Retry
from imagekit.store.tls import issuer
from imagekit.store.transport import Transport
from imagekit.store.url import Url
from tests.support import faults
from tests.support.blobs import blob_of, manifest_of, opener
from tests.support.clock import Clock
from tests.support.registry import Registry as Server

BLOB = blob_of(b"data" * 1000)
KEYS = st.sampled_from(
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "token", "expires_in", "errors", "code", "tags"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12) | KEYS, inner, max_size=4),
    max_leaves=12,
)
BODIES = (
    st.binary(max_size=300)
    | st.builds(lambda value: json.dumps(value).encode(), st.dictionaries(KEYS, JSON, max_size=5) | JSON)
    | st.sampled_from([manifest_of(BLOB).data, b"[" * 5000])
)
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)
LOCATIONS = st.sampled_from(["/v2/app/x", "x", "//", "http://", "http://[", "http://127.0.0.1:1/", "?a", "http://a b/"])
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "Docker-Content-Digest", "Location", "WWW-Authenticate", "Retry-After", "Link", "Date"]
    ),
    PRINTABLE
    | LOCATIONS
    | st.sampled_from(
        ["Basic", 'Bearer realm="/token"', "Bearer realm=x,service=y", media.MANIFEST, "sha256:", "5", "-5"]
    ),
    max_size=5,
)
STATUSES = st.sampled_from([200, 201, 202, 204, 206, 301, 307, 400, 401, 403, 404, 405, 409, 416, 429, 500, 503, 599])


@pytest.fixture(scope="module")
def target() -> Iterator[tuple[Server, Registry]]:
    clock = Clock()
    hosts = Hosts()
    retry = Retry(clock=clock, sleep=clock.sleep, random=lambda: 0.5, idle=2)
    with Server() as server, Transport(hosts, retry) as transport:
        access = Access(transport, Keyring(hosts, ecr=lambda _: None))
        yield server, Registry(Reference.parse(f"{server.host}/app"), access)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(STATUSES, HEADERS, BODIES), min_size=1, max_size=4), st.integers(0, 6))
def test_any_answer_is_a_result_or_an_error_of_ours(target, answers, which):
    server, registry = target
    server.clear()
    for status, headers, body in answers:
        server.fault(".", faults.status(status, b"" if status == 204 else body, headers))
    deeds = (
        lambda: registry.document("v1"),
        lambda: registry.digest_of("v1"),
        lambda: registry.has(BLOB),
        lambda: registry.mount(BLOB, f"{server.host}/base"),
        lambda: registry.put(BLOB, opener(b"data" * 1000)),
        lambda: registry.put_document(Document(data=b"{}", descriptor=BLOB), "v1"),
        registry.tags,
    )
    with suppress(ImagekitError):
        deeds[which]()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail))
def test_any_bytes_are_a_result_or_an_error_of_ours(target, data):
    server, registry = target
    server.clear()
    server.fault(".", faults.raw(data), times=9)
    with suppress(ImagekitError), registry.blob(BLOB) as pieces:
        for _ in pieces:
            pass


@given(BODIES, STATUSES)
def test_the_words_of_any_answer_are_one_printable_line(body, status):
    answer = Answer(method="GET", url=Url.parse("https://h/"), status=status, headers={}, body=body)
    assert len(answer.words) <= 300
    assert not answer.words or answer.words.isprintable()


@given(st.text(max_size=200))
def test_any_text_is_a_url_or_refused(text):
    base = Url.parse("https://registry.corp/v2/")
    for attempt in (Url.parse, base.join):
        with suppress(ImagekitError):
            url = attempt(text)
            assert url.scheme in ("http", "https")
            assert url.redacted.isprintable()
            assert Url.parse(str(url)) == url


@given(st.binary(max_size=200))
def test_any_certificate_has_an_issuer_or_none(data):
    assert isinstance(issuer(data), str)
