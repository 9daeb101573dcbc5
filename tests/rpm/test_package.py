"""Package files: their parts, and what is refused."""

import contextlib
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import BuildFailed, WrongChecksum
from imagekit.rpm.package import Package
from imagekit.rpm.tag import Tag
from tests.support.packages import headers, package
from tests.support.packages.package import Item

FILES = {"usr/bin/jq": Item(b"#!/bin/sh\n", mode=0o755), "etc/jq.conf": Item(b"x" * 5000)}
JQ = package.Package("jq", "1.6", "11.amzn2023", epoch=1, files=FILES, signed_by=None)
DATA = JQ.built.data


class Trickle(io.BytesIO):
    """Gives one byte more each time."""

    size = 0

    def read(self, size=-1):
        self.size += 1
        return super().read(min(size, self.size))


def read(data: bytes, source: str = "jq.rpm") -> Package:
    return Package.read(io.BytesIO(data), source)


def rebuilt(signature: dict[int, tuple[int, headers.Value]], **other) -> bytes:
    """The package with this signature header."""
    built = JQ.built
    made = headers.MAGIC + headers.packed(signature, headers.SIGNATURES)
    parts = {"signature": made + bytes(-len(made) % 8), "header": built.header, "payload": built.payload, **other}
    return built.lead + parts["signature"] + parts["header"] + parts["payload"]


@pytest.mark.parametrize("stream", [io.BytesIO, Trickle])
def test_a_package_is_read_up_to_its_payload(stream):
    data = stream(DATA)
    read = Package.read(data)
    assert str(read.header.nevra) == "jq-1:1.6-11.amzn2023.x86_64"
    assert (read.lead.name, read.lead.major, read.lead.is_source) == ("jq-1.6-11.amzn2023", 3, False)
    assert read.compressor == "zstd"
    assert read.payload_offset == data.tell() == len(DATA) - len(JQ.built.payload)
    assert read.header.raw == JQ.built.header[8:]
    read.verify(data)


def test_gzip_is_meant_where_no_compressor_is_named():
    fields = {1000: (headers.STRING, "a")}
    header = headers.MAGIC + headers.packed(fields, headers.IMMUTABLE)
    assert read(rebuilt({}, header=header)).compressor == "gzip"


@pytest.mark.parametrize("size", [0, 50, 95, 96, 111, 150, len(DATA) - len(JQ.built.payload) - 1])
def test_a_package_that_is_cut_off(size):
    with pytest.raises(BuildFailed, match=r"jq\.rpm.* is damaged: it is cut off"):
        read(DATA[:size])


def test_what_is_no_package():
    with pytest.raises(BuildFailed, match="does not begin as an RPM package does"):
        read(b"PK" + DATA[2:])
    for start in (96, JQ.built.header_range[0]):
        with pytest.raises(BuildFailed, match="header is damaged: it does not begin as a header does"):
            read(DATA[:start] + b"\0" + DATA[start + 1 :])


def test_bytes_between_the_headers_are_refused():
    signature = headers.MAGIC + headers.packed({1004: (headers.BINARY, bytes(15))}, headers.SIGNATURES)
    assert len(signature) % 8
    data = JQ.built.lead + signature + bytes(-len(signature) % 8) + JQ.built.header
    read(data)
    with pytest.raises(BuildFailed, match="between its headers"):
        read(data.replace(signature + b"\0", signature + b"\1"))


def test_memory_does_not_follow_what_is_only_promised():
    """256 MiB of data are claimed, and nothing comes."""
    data = DATA[:96] + headers.MAGIC + bytes.fromhex("0000ffff10000000")
    with pytest.raises(BuildFailed, match="cut off"):
        read(data)
    with pytest.raises(BuildFailed, match="claims"):
        read(DATA[:96] + headers.MAGIC + bytes.fromhex("0000ffff10000001"))


def test_a_changed_header_has_another_digest():
    at = DATA.index(b"amzn2023", JQ.built.header_range[0])
    changed = DATA[:at] + b"fc" + DATA[at + 2 :]
    with pytest.raises(WrongChecksum, match=r"^jq\.rpm: its header has another sha256"):
        read(changed).verify_header()


def test_a_changed_payload_has_another_digest():
    stream = io.BytesIO(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    with pytest.raises(WrongChecksum, match="its payload has another sha256"):
        Package.read(stream).verify(stream)


def test_more_than_the_header_says():
    fields = {273: (headers.STRING, hashlib.sha256(JQ.built.header).hexdigest())}
    fields[1000] = (headers.INT32, [1])
    stream = io.BytesIO(rebuilt(fields))
    with pytest.raises(WrongChecksum, match="bytes instead of 1"):
        Package.read(stream).verify(stream)


def old(header: bytes | None = None, payload: bytes | None = None) -> io.BytesIO:
    """A package as rpm 4.11 made it, with SHA-1 of the header and MD5 of header and payload, and then changed."""
    built = package.Package("old", files=FILES, lies={5092: (headers.STRINGS, [""])}).built
    fields: dict[int, tuple[int, headers.Value]] = {
        269: (headers.STRING, hashlib.sha1(built.header).hexdigest()),
        1004: (headers.BINARY, hashlib.md5(built.header + built.payload).digest()),
    }
    return io.BytesIO(rebuilt(fields, header=header or built.header, payload=payload or built.payload))


def test_old_packages_have_sha1_and_md5():
    stream = old()
    Package.read(stream).verify(stream)
    built = package.Package("old", files=FILES, lies={5092: (headers.STRINGS, [""])}).built
    stream = old(payload=built.payload[:-1] + b"\0")
    with pytest.raises(WrongChecksum, match="its payload has another md5"):
        Package.read(stream).verify(stream)
    stream = old(header=built.header.replace(b"https://", b"HTTPS://"))
    with pytest.raises(WrongChecksum, match="its header has another sha1"):
        Package.read(stream).verify_header()


def test_a_package_without_digests_proves_nothing():
    with pytest.raises(WrongChecksum, match="no digest of its header"):
        read(rebuilt({1000: (headers.INT32, [1])})).verify_header()


def test_a_digest_of_an_unknown_algorithm():
    stream = io.BytesIO(package.Package("new", lies={5093: (headers.INT32, [99])}).built.data)
    with pytest.raises(WrongChecksum, match="unknown algorithm"):
        Package.read(stream).verify(stream)


def test_what_a_package_does_not_say_is_not_there():
    assert Tag.EPOCH not in read(package.Package("a").built.data).header


@given(st.integers(0, 2000), st.binary(max_size=12))
def test_packages_with_any_bytes_in_them(at, junk):
    stream = io.BytesIO(DATA[:at] + junk + DATA[at + len(junk) :])
    with contextlib.suppress(BuildFailed):
        Package.read(stream).verify(stream)
