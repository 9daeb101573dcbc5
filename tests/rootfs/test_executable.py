"""What imagekit says of executables, shown on programs that are made on the spot."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.architecture import ARM64, X86_64
from imagekit.rootfs.executable import Executable, Form


def program(machine: int, interpreter: str = "") -> bytes:
    """A little-endian 64-bit ELF file with one program header."""
    loader = interpreter.encode() + b"\0" if interpreter else b""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    kind = 3 if interpreter else 1
    return header + struct.pack("<IIQQQQQQ", kind, 4, 120, 0, 0, len(loader), len(loader), 1) + loader


def problem(data: bytes, architecture=X86_64, *, static_only: bool = False) -> str:
    found = Executable.read(io.BytesIO(data)).problem(architecture, static_only=static_only)
    return found[0] if found else ""


def test_a_program_for_the_architecture_is_taken():
    assert problem(program(62)) == ""
    assert problem(program(183), ARM64) == ""


def test_a_program_for_the_other_architecture_is_named():
    assert problem(program(183)) == "is a program for arm64, not for x86_64"
    assert problem(program(8)) == "is a program for another machine (ELF number 8), not for x86_64"


def test_a_dynamic_program_is_refused_only_where_there_are_no_libraries():
    data = program(62, "/lib64/ld-linux-x86-64.so.2")
    assert Executable.read(io.BytesIO(data)).interpreter == "/lib64/ld-linux-x86-64.so.2"
    assert problem(data) == ""
    assert "needs /lib64/ld-linux-x86-64.so.2" in problem(data, static_only=True)


def test_a_script_needs_an_interpreter_and_unix_line_endings():
    assert problem(b"#!/bin/sh\nexit\n") == ""
    assert "Windows line endings" in problem(b"#!/bin/sh\r\nexit\r\n")
    assert "no interpreter" in problem(b"#!/bin/sh\nexit\n", static_only=True)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty"),
        (b"MZ\x90\x00", "is a Windows program"),
        (b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01", "is a macOS program"),
        (b"\xfe\xed\xfa\xce\x00\x00\x00\x12", "is a macOS program"),
        (b"\xca\xfe\xba\xbe\x00\x00\x00\x02", "is a macOS program"),
    ],
)
@pytest.mark.parametrize("static_only", [False, True])
def test_what_another_system_would_start_is_called_by_its_name(data: bytes, what: str, static_only: bool):
    found = Executable.read(io.BytesIO(data)).problem(X86_64, static_only=static_only)
    assert found
    assert found[0] == what
    assert ("build it for Linux" in found[1]) == (data != b"")


def with_field(at: int, value: bytes) -> bytes:
    data = bytearray(program(62, "/lib64/ld-linux-x86-64.so.2"))
    data[at : at + len(value)] = value
    return bytes(data)


FAR = b"\xff" * 8
OBJECT, CORE = with_field(16, b"\x01\x00"), with_field(16, b"\x04\x00")
JAVA = b"\xca\xfe\xba\xbe\x00\x00\x00\x3d"


@pytest.mark.parametrize("data", [JAVA, b"PK\x03\x04", b"\x7fELF", program(62)[:70], b"echo hello\n", OBJECT, CORE])
def test_anything_else_is_neither(data: bytes):
    assert Executable.read(io.BytesIO(data)).form is Form.OTHER
    assert "neither an ELF program nor a script" in problem(data)


@pytest.mark.parametrize("at", [32, 64 + 8])
def test_a_header_that_points_nowhere_is_no_program(tmp_path, at):
    file = tmp_path / "program"
    file.write_bytes(with_field(at, FAR))
    with file.open("rb") as opened:  # a file on disk refuses other places than one in memory
        assert Executable.read(opened).form is Form.OTHER


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x7fELF\x02\x01", b"\x7fELF\x01\x02", b"#!"]))
def test_no_bytes_break_the_reader(data: bytes, magic: bytes):
    executable = Executable.read(io.BytesIO(magic + data))
    assert executable.form in Form
