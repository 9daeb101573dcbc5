"""The dynamic linker's cache, for machines that this one is not."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.engines.native.linker import (
    CACHE,
    Found,
    Library,
    compare,
    folders,
    libraries,
    read_cache,
    soname,
    write_cache,
)
from tests.engines.installing import base, install
from tests.support.packages.package import Item, Package, folder, link
from tests.support.tools import need

X86, ARM = 62, 183
FLAGS = {X86: 0x0303, ARM: 0x0A03}


def library(name: str, machine: int = X86) -> bytes:
    """A shared library of which nothing is there but its name: ELF header, two segments, strings, dynamic section."""
    strings = b"\0" + name.encode() + b"\0"
    strings += bytes(-len(strings) % 8)
    start = 64 + 2 * 56
    dynamic = b"".join(pack("<qQ", *pair) for pair in ((5, start), (14, 1 if name else 0), (0, 0)))
    if not name:
        dynamic = pack("<qQ", 0, 0)
    end = start + len(strings)
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = pack("<II6Q", 1, 5, 0, 0, 0, end, end, 4096)
    segment = pack("<II6Q", 2, 6, end, end, end, len(dynamic), len(dynamic), 8)
    return header + load + segment + strings + dynamic


def found(path: str, soname: str = "", *, is_link: bool = False) -> Found:
    return Found(path=path, is_link=is_link, soname=soname, flags=FLAGS[X86])


def test_a_librarys_own_name_is_read():
    assert soname(library("libz.so.1")) == ("libz.so.1", 0x0303)
    assert soname(library("libz.so.1", ARM)) == ("libz.so.1", 0x0A03)
    assert soname(library("")) == ("", 0x0303)
    assert soname(library("../evil.so")) == ("", 0x0303)
    assert soname(b"#!/bin/sh\n") is None
    assert soname(library("libz.so.1", 40)) is None


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 255))
def test_a_damaged_library_is_none_or_has_a_plain_name(cut, at, byte):
    data = bytearray(library("libz.so.1"))
    data[at % len(data)] = byte
    read = soname(bytes(data[: len(data) - cut % len(data)]))
    assert read is None or "/" not in read[0]


def test_settings_are_followed_in_order():
    texts = {
        "etc/ld.so.conf": b"# first\ninclude ld.so.conf.d/*.conf\n/opt/last  # end\n",
        "etc/ld.so.conf.d/b.conf": b"/usr/lib64/b/\nhwcap 0 nosegneg\n",
        "etc/ld.so.conf.d/a.conf": b"/usr/lib64/a=libc6\ninclude /etc/ld.so.conf\n",
        "etc/ld.so.conf.d/not": b"/nowhere\n",
    }
    assert folders(lambda path: texts.get(path, b""), texts) == ("/opt/last", "/usr/lib64/a", "/usr/lib64/b")


def test_each_library_is_there_once_by_the_name_that_programs_ask_for():
    files = [
        found("usr/lib64/libz.so", "libz.so.1", is_link=True),
        found("usr/lib64/libz.so.1", "libz.so.1", is_link=True),
        found("usr/lib64/libz.so.1.2", "libz.so.1"),
        found("usr/lib64/libplain.so"),
    ]
    names = [library.name for library in libraries("/lib64", files)]
    assert sorted(names) == ["libplain.so", "libz.so", "libz.so.1"]
    assert Library("libz.so.1", "/lib64/libz.so.1", 0x0303) in libraries("/lib64", files)


def test_names_are_in_glibcs_order():
    names = ["libz.so.1", "libz.so.10", "libz.so.9", "liba.so", "libz.so", "ld-linux.so.2"]
    ordered = [
        entry.name for entry in read_cache(write_cache(Library(name, f"/x/{name}", 3 | 0x300) for name in names))
    ]
    assert ordered == ["libz.so.10", "libz.so.9", "libz.so.1", "libz.so", "liba.so", "ld-linux.so.2"]
    assert compare("libz.so.1", "libz.so.1") == 0


def test_what_is_written_is_read_again():
    entries = [Library("libb.so.2", "/opt/lib/libb.so.2", 0x0A03), Library("liba.so.1", "/lib64/liba.so.1", 0x0A03)]
    data = write_cache(entries)
    assert list(read_cache(data)) == entries
    # The older form comes before the newer one in one file.
    assert list(read_cache(b"ld.so-1.7.0\0" + bytes(20) + data)) == entries


@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_damaged_cache_is_read_as_far_as_it_goes(data, cut):
    whole = write_cache([Library("liba.so.1", "/lib64/liba.so.1", 0x0303)])
    read_cache(whole[:cut] + data)
    assert read_cache(data) == () or b"glibc-ld.so.cache1.1" in data


def mariadb(arch: str = "x86_64", machine: int = X86) -> Package:
    return Package(
        "mariadb",
        arch=arch,
        files={
            "etc/ld.so.conf.d/mariadb.conf": Item(b"/usr/lib64/mariadb\n"),
            "usr/lib64/mariadb": folder(),
            "usr/lib64/mariadb/libmariadb.so.3.1": Item(library("libmariadb.so.3", machine), 0o755),
            "usr/lib64/mariadb/libmariadb.so.3": link("libmariadb.so.3.1"),
            "usr/lib64/mariadb/plugin.txt": Item(b"x"),
            "lib64/libssl.so.3": Item(library("libssl.so.3", machine), 0o755),
        },
    )


def test_a_package_with_settings_of_the_linker_gets_a_cache_with_what_the_base_had(tmp_path):
    before = write_cache([Library("libold.so.1", "/lib64/libold.so.1", 0x0303)])
    made = install(tmp_path, mariadb(), facts=base(tmp_path, files={CACHE: before}))
    assert list(read_cache(made.contents[CACHE])) == [
        Library("libssl.so.3", "/lib64/libssl.so.3", 0x0303),
        Library("libold.so.1", "/lib64/libold.so.1", 0x0303),
        Library("libmariadb.so.3", "/usr/lib64/mariadb/libmariadb.so.3", 0x0303),
    ]


def test_for_the_other_architecture_too(tmp_path):
    made = install(tmp_path, mariadb(machine=ARM))
    assert {entry.flags for entry in read_cache(made.contents[CACHE])} == {0x0A03}


def test_without_such_settings_there_is_none(tmp_path):
    package = Package("x", files={"usr/lib64/libx.so.1": Item(library("libx.so.1"))})
    assert CACHE not in install(tmp_path, package).members


@pytest.mark.real
@pytest.mark.parametrize(("compiler", "machine"), [("gcc", X86), ("aarch64-linux-gnu-gcc", ARM)])
def test_the_same_entries_as_ldconfig_and_readable_by_it(tmp_path, compiler, machine):
    ldconfig, gcc = need("ldconfig"), need(compiler)
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/ld.so.conf").write_text("/opt/lib\n/lib64\n")  # the latter is not standard everywhere
    folders_of = {"/opt/lib": ("libown.so.2", "libother.so.10"), "/usr/lib64": ("libown.so.2", "libz.so.1")}
    (root / "usr/lib64").mkdir(parents=True)
    (root / "lib64").symlink_to("usr/lib64")
    entries: list[Library] = []
    for place, names in folders_of.items():
        here = root / place.lstrip("/")
        here.mkdir(parents=True, exist_ok=True)
        files = []
        for name in names:
            real = here / f"{name}.5"
            subprocess.run(
                [gcc, "-shared", "-nostdlib", "-fPIC", "-x", "c", "-", f"-Wl,-soname,{name}", "-o", real],
                input=b"int x;",
                check=True,
            )
            (here / name).symlink_to(real.name)
            assert soname(real.read_bytes()) == (name, FLAGS[machine])
            for path, is_link in ((real, False), (here / name, True)):
                files.append(Found(path=str(path), is_link=is_link, soname=name, flags=FLAGS[machine]))
        entries += libraries("/lib64" if place == "/usr/lib64" else place, files)
    made = tmp_path / "made.cache"
    made.write_bytes(write_cache(entries))
    mine = _listed(ldconfig, made)
    assert len(mine) == 4
    if machine == X86:  # ldconfig looks at its own machine's libraries alone
        subprocess.run([ldconfig, "-r", root], check=True)
        assert mine == _listed(ldconfig, root / CACHE)


def _listed(ldconfig: str, cache: Path) -> list[str]:
    text = subprocess.run([ldconfig, "-p", "-C", cache], check=True, capture_output=True, text=True).stdout
    return [line.strip() for line in text.splitlines() if re.search(r"=>", line)]
