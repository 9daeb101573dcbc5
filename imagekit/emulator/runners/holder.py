"""The holder: the first process of every sandbox, in half a kilobyte that needs nothing of the image.

It lets the kernel reap whatever ends without a parent, says that it is there, and ends when its standard input does:
then the kernel ends all others inside. The code is written here because an image may hold no program that only waits,
and because it is the same under every runner.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from imagekit.architecture import ARM64, X86_64, Architecture
from imagekit.values import dataclass

_BASE: Final = 0x400000
_HEADERS: Final = 64 + 56
#: Code, then data: a place to read to, and a `sigaction` that ignores (its layout is the same on both).
_DATA: Final = 512
_BUFFER: Final = _BASE + _DATA
_IGNORE: Final = _BUFFER + 8
_SIGCHLD: Final = 17


@dataclass(frozen=True, kw_only=True, slots=True)
class _Machine:
    """Numbers of system calls (`asm/unistd.h`)."""

    rt_sigaction: int
    write: int
    close: int
    read: int
    kill: int
    exit_group: int


_NUMBERS: Final = {
    X86_64.name: _Machine(rt_sigaction=13, write=1, close=3, read=0, kill=62, exit_group=231),
    ARM64.name: _Machine(rt_sigaction=134, write=64, close=57, read=63, kill=129, exit_group=94),
}


def holder(architecture: Architecture) -> bytes:
    """The program as an ELF file."""
    call, numbers = _CALLS[architecture.name], _NUMBERS[architecture.name]
    code = call(numbers.rt_sigaction, (_SIGCHLD, _IGNORE, 0, 8))
    code += call(numbers.write, (1, _BUFFER, 1)) + call(numbers.close, (1,))
    waiting = call(numbers.read, (0, _BUFFER, 1))
    code += waiting + _AGAIN[architecture.name](len(waiting))
    return _elf(architecture, code + call(numbers.exit_group, (0,)))


def killer(architecture: Architecture, process: int, signal: int) -> bytes:
    """A program that sends a signal to a process and ends."""
    call, numbers = _CALLS[architecture.name], _NUMBERS[architecture.name]
    return _elf(architecture, call(numbers.kill, (process, signal)) + call(numbers.exit_group, (0,)))


def _x86_64(number: int, arguments: Sequence[int]) -> bytes:
    """mov rdi|rsi|rdx|r10, imm64; mov rax, imm64; syscall."""
    registers = (b"\x48\xbf", b"\x48\xbe", b"\x48\xba", b"\x49\xba")
    words = [*zip(registers, arguments, strict=False), (b"\x48\xb8", number)]
    return b"".join(move + struct.pack("<q", value) for move, value in words) + b"\x0f\x05"


def _x86_64_again(length: int) -> bytes:
    """test rax, rax; jg back to what came before."""
    return b"\x48\x85\xc0\x7f" + struct.pack("<b", -(length + 5))


def _arm64(number: int, arguments: Sequence[int]) -> bytes:
    """movz and movk x0..x3 and x8; svc #0. Arguments are 32 bits, sign-extended."""
    out = b""
    for register, value in [*enumerate(arguments), (8, number)]:
        for shift in range(4):
            move = (0xF2800000 if shift else 0xD2800000) | shift << 21
            out += struct.pack("<I", move | (value >> 16 * shift & 0xFFFF) << 5 | register)
    return out + struct.pack("<I", 0xD4000001)


def _arm64_again(length: int) -> bytes:
    """cmp x0, #0; b.gt back to what came before."""
    return struct.pack("<II", 0xF100001F, 0x5400000C | (-(length + 4) // 4 & 0x7FFFF) << 5)


_CALLS: Final = {X86_64.name: _x86_64, ARM64.name: _arm64}
_AGAIN: Final = {X86_64.name: _x86_64_again, ARM64.name: _arm64_again}


def _elf(architecture: Architecture, code: bytes) -> bytes:
    """One segment that is all of the file (System V ABI, "ELF Header", "Program Header")."""
    data = b"\0" * 8 + struct.pack("<4Q", 1, 0, 0, 0)
    body = code.ljust(_DATA - _HEADERS, b"\0") + data
    size = _HEADERS + len(body)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        *(b"\x7fELF\x02\x01\x01".ljust(16, b"\0"), 2, architecture.elf_machine, 1, _BASE + _HEADERS, 64, 0, 0),
        *(64, 56, 1, 0, 0, 0),
    )
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + body
