"""Headers: what they hold, and what is refused."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import BuildFailed
from imagekit.rpm.header import MAGIC, Header
from imagekit.rpm.tag import Tag
from tests.support.packages import headers

DATA = b"\0jq\0one\0two\0\0" + bytes(3) + b"\1\2\3\4\5\6\7\x08" + b"\xff" * 4
INT16, INT32, INT64, STRING, BINARY, STRINGS, I18N = 3, 4, 5, 6, 7, 8, 9
ENTRIES = [
    (Tag.NAME, STRING, 1, 1),
    (Tag.BASENAMES, STRINGS, 4, 3),
    (Tag.SUMMARY, I18N, 4, 2),
    (Tag.SIZE, INT32, 16, 2),
    (Tag.FILEMODES, INT16, 16, 4),
    (Tag.LONGSIZE, INT64, 16, 1),
    (Tag.SIGMD5, BINARY, 24, 4),
    (Tag.FILESTATES, 1, 16, 3),
]


def blob(entries=ENTRIES, data=DATA) -> bytes:
    index = b"".join(struct.pack(">IIiI", *entry) for entry in entries)
    return struct.pack(">II", len(entries), len(data)) + index + data


@pytest.fixture
def header() -> Header:
    return Header.from_bytes(MAGIC + blob(), "it")


def test_values_of_every_type(header):
    assert header.text(Tag.NAME) == "jq"
    assert header.texts(Tag.BASENAMES) == ("one", "two", "")
    assert header.texts(Tag.SUMMARY) == ("one", "two")
    assert header.text(Tag.SUMMARY) == "one"
    assert header.integers(Tag.SIZE) == (0x01020304, 0x05060708)
    assert header.integers(Tag.FILEMODES) == (0x0102, 0x0304, 0x0506, 0x0708)
    assert header.integer(Tag.LONGSIZE) == 0x0102030405060708
    assert header.integers(Tag.FILESTATES) == (1, 2, 3)
    assert header.binary(Tag.SIGMD5) == b"\xff" * 4


def test_what_is_not_there(header):
    assert Tag.URL not in header
    assert Tag.NAME in header
    assert header.text(Tag.URL) == ""
    assert header.texts(Tag.URL) == header.integers(Tag.URL) == ()
    assert header.binary(Tag.URL) == b""
    assert header.integer(Tag.EPOCH, 7) == 7


def test_with_and_without_magic(header):
    assert Header.from_blob(blob()) == header
    assert header.raw == blob()
    with pytest.raises(BuildFailed, match="does not begin"):
        Header.from_bytes(blob())


def test_the_last_entry_of_a_tag_counts():
    """rpm appends what it changes of an installed package's header."""
    assert Header.from_blob(blob([*ENTRIES, (Tag.NAME, STRING, 4, 1)])).text(Tag.NAME) == "one"


def test_the_full_name():
    data = b"jq\x001.6\x001.amzn2023\0x86_64\0\0\0\0\0\0\0\2"
    entries = [(1000, STRING, 0, 1), (1001, STRING, 3, 1), (1002, STRING, 7, 1), (1003, INT32, 28, 1)]
    entries.append((1022, STRING, 18, 1))
    header = Header.from_blob(blob(entries, data))
    assert str(header.nevra) == "jq-2:1.6-1.amzn2023.x86_64"
    key = Header.from_blob(blob(entries[:3], data))
    assert str(key.nevra) == "jq-1.6-1.amzn2023"
    with pytest.raises(BuildFailed, match="lacks a name"):
        _ = Header.from_blob(blob(entries[:2], data)).nevra


@pytest.mark.parametrize("name", ["go\nd", "../d", "\x1b[2J", "-rf", "a b", "n\u00e4me", "a/b", "d\n"])
@pytest.mark.parametrize("place", range(4))
def test_names_that_no_package_has(name, place):
    texts = ["jq", "1.6", "1", "x86_64"]
    texts[place] = name
    tags = (1000, 1001, 1002, 1022)
    fields = dict(zip(tags, ((STRING, text) for text in texts), strict=True))
    with pytest.raises(BuildFailed) as error:
        _ = Header.from_blob(headers.packed(fields, headers.IMMUTABLE), "it").nevra
    assert error.value.message.startswith("it is damaged: ")
    assert "can be no name" in error.value.message
    assert error.value.message.isprintable()


@pytest.mark.parametrize("name", ["python3.11-pip", "libstdc++", "_x", "9base", "a~b^c", "Judy"])
def test_names_that_packages_have(name):
    fields = {1000: (STRING, name), 1001: (STRING, "1.0~rc1^git+5"), 1002: (STRING, "1%{?dist}")}
    assert Header.from_blob(headers.packed(fields, headers.IMMUTABLE)).nevra.name == name


@pytest.mark.parametrize(
    "entry",
    [
        *((1, STRING, len(DATA), 1), (1, STRING, -1, 1), (1, STRING, 1, 0), (1, 10, 0, 1), (1, INT32, 17, 1)),
        *((1, INT32, 28, 1), (1, INT64, 16, 2), (1, INT64, 8, 0xFFFFFFFF), (1, BINARY, 0, 29), (1, STRINGS, 0, 29)),
    ],
)
def test_entries_outside_the_data(entry):
    with pytest.raises(BuildFailed, match=r"^it is damaged: tag 1 "):
        Header.from_blob(blob([entry]), "it")


@pytest.mark.parametrize("counts", [(0, 0), (0x10000, 0), (1, (256 << 20) + 1), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_headers_that_claim_too_much(counts):
    with pytest.raises(BuildFailed, match="claims"):
        Header.from_blob(struct.pack(">II", *counts) + bytes(100))


def test_more_or_less_than_promised():
    for data in (blob() + b"x", blob()[:-1], blob()[:8], blob()[:7], b""):
        with pytest.raises(BuildFailed, match="damaged"):
            Header.from_blob(data)


def test_a_text_without_an_end():
    header = Header.from_blob(blob([(1, STRING, 24, 1), (2, STRINGS, 4, 12), (3, STRING, 0, 2)]))
    for tag in (1, 2, 3):
        with pytest.raises(BuildFailed, match=f"tag {tag} "):
            header.texts(tag)


def test_fields_of_another_type(header):
    for read, tag in ((header.integers, Tag.NAME), (header.texts, Tag.SIZE), (header.binary, Tag.NAME)):
        with pytest.raises(BuildFailed, match="holds no"):
            read(tag)


def test_what_is_no_utf_8_is_kept():
    header = Header.from_blob(blob([(1, STRING, 0, 1)], b"\xe9\0"))
    assert header.text(1).encode("utf-8", "surrogateescape") == b"\xe9"


@given(st.integers(0, 200), st.binary(max_size=20))
def test_headers_with_any_bytes_in_them(at, junk):
    data = bytearray(blob())
    data[at : at + len(junk)] = junk
    with contextlib.suppress(BuildFailed):
        header = Header.from_blob(bytes(data))
        for tag in header.entries:
            for read in (header.integers, header.texts, header.binary, header.text, header.integer):
                with contextlib.suppress(BuildFailed):
                    read(tag)
