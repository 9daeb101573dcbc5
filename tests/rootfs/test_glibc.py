"""What programs and libraries want of glibc, read out of their bytes, and out of streams of them."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.rootfs import glibc
from imagekit.rootfs.entry import Entry
from imagekit.rootfs.glibc import Wanted
from imagekit.rootfs.watched import Watch
from tests.support.programs import ARM64, X86_64, elf, wanting

FMOD = ("fmod", "GLIBC_2.38")
SEVERAL = (("puts", "GLIBC_2.2.5"), FMOD, ("sin", "GLIBC_2.17"), ("exp", "GLIBC_2.38"))


def wanted(data: bytes) -> Wanted | None:
    return glibc.wanted(lambda at, size: data[at : at + size])


@pytest.mark.parametrize("machine", [X86_64, ARM64])
@pytest.mark.parametrize("old", [False, True])
def test_the_newest_version_and_its_first_symbol(machine, old):
    assert wanted(wanting(machine, *SEVERAL, old=old)) == Wanted(version="2.38", symbol="fmod")


def test_versions_are_compared_as_numbers():
    assert wanted(wanting(X86_64, ("a", "GLIBC_2.4"), ("b", "GLIBC_2.34"), ("c", "GLIBC_2.3.4"))).version == "2.34"


def test_what_may_be_absent_or_is_nobody_elses_is_not_wanted():
    assert wanted(wanting(X86_64, FMOD, weak=("GLIBC_2.38",))) is None
    assert wanted(wanting(X86_64, ("a", "GLIBC_PRIVATE"), ("b", "GLIBCXX_3.4.30"), ("c", "GLIBC_ABI_DT_RELR"))) is None


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\n", elf(X86_64), elf(ARM64, "/lib/ld.so"), b"\x7fELF\x02\x01", b"\x7fELF"]
)
def test_what_wants_nothing(data):
    assert wanted(data) is None


def test_a_symbol_without_a_proper_name_is_left_out():
    assert wanted(wanting(X86_64, ("fm\x1bod", "GLIBC_2.38"))) == Wanted(version="2.38")


def test_every_cut_file_is_judged_without_harm():
    data = wanting(X86_64, *SEVERAL)
    found = {wanted(data[:length]) for length in range(len(data))}
    assert found <= {None, Wanted(version="2.38"), Wanted(version="2.38", symbol="fmod")}


@given(st.data())
def test_broken_files_are_judged_without_harm(data):
    found = bytearray(wanting(X86_64, *SEVERAL))
    for _ in range(data.draw(st.integers(1, 8))):
        found[data.draw(st.integers(4, len(found) - 1))] = data.draw(st.integers(0, 255))
    wanted(bytes(found))


class Stream(io.BytesIO):
    """A stream that gives little at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self.most = most

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self.most if size is None or size < 0 else min(size, self.most))


@pytest.mark.parametrize("most", [1, 3, 63, 64, 1 << 20])
@pytest.mark.parametrize("padding", [0, 70_000])
def test_a_stream_is_judged_as_it_passes(most, padding):
    data = wanting(ARM64, *SEVERAL, padding=padding if most > 3 else padding // 100)
    watch = Watch()
    ((_, content),) = watch.over(iter([(Entry(path="opt/a.so", size=len(data)), lambda: Stream(data, most))]))
    assert not watch.found, "nothing is read before it is asked for"
    stream = content()
    assert b"".join(iter(lambda: stream.read(1 << 20), b"")) == data
    stream.close()
    assert watch.found == {"opt/a.so": Wanted(version="2.38", symbol="fmod")}


def test_the_dynamic_section_of_a_large_file_stands_far_behind():
    data = wanting(X86_64, *SEVERAL, padding=9 << 20)
    watch = Watch()
    ((_, content),) = watch.over(iter([(Entry(path="opt/large", size=len(data)), lambda: Stream(data, 1 << 20))]))
    stream = content()
    while stream.read(1 << 20):
        pass
    stream.close()
    assert watch.found["opt/large"].symbol == "fmod"


def test_files_that_are_no_programs_pass_and_glibc_itself_is_noted():
    items = [(Entry(path="a", size=1), b"1"), (Entry(path="opt/lib/libc.so.6", size=0), None)]
    items.append((Entry(path="b", size=5), lambda: Stream(b"\x7fELx!", 2)))
    watch = Watch()
    passed = list(watch.over(iter(items)))
    assert [entry for entry, _ in passed] == [entry for entry, _ in items]
    stream = passed[2][1]()
    assert b"".join(iter(lambda: stream.read(9), b"")) == b"\x7fELx!"
    stream.close()
    assert (watch.found, watch.brings) == ({}, ["opt/lib/libc.so.6"])
