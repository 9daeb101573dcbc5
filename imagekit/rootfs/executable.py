"""What the kernel sees in an executable file: an ELF program for some machine, or a script and its interpreter."""

from __future__ import annotations

import struct
from enum import StrEnum
from typing import BinaryIO, Final, Self

from imagekit.architecture import ARCHITECTURES, Architecture
from imagekit.values import dataclass

_ELF_MAGIC: Final = b"\x7fELF"
#: Program header type of the path of the dynamic loader (System V ABI, "Program Header").
_PT_INTERP: Final = 3
#: Programs, and those that are loaded anywhere; an object file or a core dump is no program (ELF gABI, "e_type").
_STARTED: Final = (2, 3)
_MAX_PROGRAM_HEADERS: Final = 512
#: The kernel reads this much of a script's first line (`BINPRM_BUF_SIZE`).
_FIRST_LINE: Final = 256
_MAX_PATH: Final = 4096
#: Mach-O of 32 and 64 bits in both byte orders (mach-o/loader.h).
_MACH_O: Final = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")
#: Mach-O for several machines (mach-o/fat.h). A Java class begins alike; its version, from 45 on, stands where this
#: has the number of machines.
_FAT: Final = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")
_FIRST_JAVA: Final = 45
_PE: Final = b"MZ"
_CROSS_COMPILE: Final = (
    "build it for Linux and the image's architecture (Go: GOOS=linux; Rust: --target …-unknown-linux-musl; "
    ".NET: -r linux-x64 or linux-arm64)"
)
_TELL_THE_COMPILER: Final = (
    "have the step compile for the image: it sees IMAGEKIT_ARCHITECTURE, IMAGEKIT_OCI_ARCH and IMAGEKIT_RPM_ARCH (Go: "
    'GOARCH="$IMAGEKIT_OCI_ARCH"; C: "$IMAGEKIT_RPM_ARCH-linux-gnu-gcc"; Rust: --target '
    '"$IMAGEKIT_RPM_ARCH-unknown-linux-musl")'
)


class Form(StrEnum):
    """What kind of executable a file is."""

    ELF = "ELF"
    SCRIPT = "script"
    MACOS = "Mach-O"
    WINDOWS = "PE"
    EMPTY = "empty"
    OTHER = "neither ELF nor script"


@dataclass(frozen=True, kw_only=True, slots=True)
class Executable:
    """`machine` is ELF's number, `interpreter` the loader of a dynamic program or what follows `#!`."""

    form: Form
    machine: int = 0
    interpreter: str = ""

    @classmethod
    def read(cls, file: BinaryIO) -> Self:
        """Out of a seekable file; a broken ELF file counts as neither."""
        head = file.read(_FIRST_LINE)
        if head.startswith(b"#!"):
            line = head[2:].split(b"\n", 1)[0]
            return cls(form=Form.SCRIPT, interpreter=line.decode("utf-8", "replace").lstrip(" \t"))
        if not head.startswith(_ELF_MAGIC):
            return cls(form=_foreign(head))
        try:
            if _type(head) not in _STARTED:
                return cls(form=Form.OTHER)
            return cls(form=Form.ELF, machine=_machine(head), interpreter=_interpreter(file, head))
        except (struct.error, IndexError, OverflowError, ValueError, OSError):  # a header that points nowhere
            return cls(form=Form.OTHER)

    def problem(
        self, architecture: Architecture, *, static_only: bool, is_built: bool = False
    ) -> tuple[str, str] | None:
        """Why Lambda could not start this on an architecture, as a sentence and a hint; None when it could.

        `is_built` says that a step has just made it, and was asked to make it for the architecture.
        """
        match self.form:
            case Form.MACOS:
                return "is a macOS program", _CROSS_COMPILE
            case Form.WINDOWS:
                return "is a Windows program", _CROSS_COMPILE
            case Form.EMPTY:
                return "is empty", "write the program there; did the step that makes it fail?"
            case Form.OTHER:
                return (
                    "is neither an ELF program nor a script with `#!`",
                    "name the program itself, not an archive of it",
                )
            case Form.SCRIPT:
                return self._script_problem(static_only=static_only)
            case Form.ELF:
                return self._program_problem(architecture, static_only=static_only, is_built=is_built)

    def _script_problem(self, *, static_only: bool) -> tuple[str, str] | None:
        if self.interpreter.endswith("\r"):
            return (
                "has Windows line endings: the kernel would look for an interpreter that ends in a carriage return",
                "save it with LF line endings (`sed -i 's/\\r$//' FILE`; in .gitattributes: `FILE text eol=lf`)",
            )
        if static_only:
            return "is a script, and the image holds no interpreter", "build a static program, or choose another `os`"
        return None

    def _program_problem(
        self, architecture: Architecture, *, static_only: bool, is_built: bool
    ) -> tuple[str, str] | None:
        if self.machine != architecture.elf_machine:
            names = {item.elf_machine: item.name for item in ARCHITECTURES}
            found = names.get(self.machine, f"another machine (ELF number {self.machine})")
            return (
                f"is a program for {found}, not for {architecture}",
                _TELL_THE_COMPILER
                if is_built
                else "give a path for each architecture: {x86_64: …, arm64: …}, or use the placeholder {architecture}",
            )
        if static_only and self.interpreter:
            return (
                f"is linked dynamically (it needs {self.interpreter}), and the image holds no libraries",
                "link it statically (Go: CGO_ENABLED=0; C and C++: -static, with musl; Rust: a musl target)",
            )
        return None


def _foreign(head: bytes) -> Form:
    """What a file is that is no Linux program."""
    if not head:
        return Form.EMPTY
    is_fat = head.startswith(_FAT) and int.from_bytes(head[4:8], "big") < _FIRST_JAVA
    if is_fat or head.startswith(_MACH_O):
        return Form.MACOS
    return Form.WINDOWS if head.startswith(_PE) else Form.OTHER


def _machine(head: bytes) -> int:
    return int(struct.unpack_from(_order(head) + "H", head, 18)[0])


def _type(head: bytes) -> int:
    return int(struct.unpack_from(_order(head) + "H", head, 16)[0])


def _order(head: bytes) -> str:
    """The byte order that the file says it has."""
    return ">" if head[5] == 2 else "<"


def _interpreter(file: BinaryIO, head: bytes) -> str:
    """The path in PT_INTERP, or nothing for a static program."""
    order, wide = _order(head), head[4] == 2
    offset = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
    size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
    for number in range(min(count, _MAX_PROGRAM_HEADERS)):
        file.seek(offset + number * size)
        header = file.read(56 if wide else 32)
        start, length = _segment(order, header, wide=wide)
        if struct.unpack_from(order + "I", header)[0] == _PT_INTERP:
            file.seek(start)
            return file.read(min(length, _MAX_PATH)).split(b"\0", 1)[0].decode("utf-8", "replace")
    return ""


def _segment(order: str, header: bytes, *, wide: bool) -> tuple[int, int]:
    """Offset and length of a segment in the file."""
    if wide:
        start, _, _, length = struct.unpack_from(order + "QQQQ", header, 8)
    else:
        start, _, _, length = struct.unpack_from(order + "IIII", header, 4)
    return int(start), int(length)
