"""A package as a value, and the RPM file of it."""

from __future__ import annotations

import functools
import hashlib
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.support.packages import headers, payloads
from tests.support.packages.headers import BINARY, I18N, INT16, INT32, INT64, STRING, STRINGS
from tests.support.packages.payloads import COMPRESSORS, Member
from tests.support.packages.signing import Key

CONFIG, DOC, NOREPLACE, GHOST, LICENSE = 1, 2, 16, 64, 128
BUILD_TIME = 1_750_000_000
_DIRECTORY, _FILE, _LINK = 0o040000, 0o100000, 0o120000
_SENSE = {"<": 2, ">": 4, "=": 8, "<=": 10, ">=": 12, "": 0}
_RPMLIB = 1 << 24
#: Name, version and flags of each kind of dependency.
DEPENDENCIES = {
    "requires": (1049, 1050, 1048),
    "provides": (1047, 1113, 1112),
    "conflicts": (1054, 1055, 1053),
    "obsoletes": (1090, 1115, 1114),
    "recommends": (5046, 5047, 5048),
    "suggests": (5049, 5050, 5051),
    "supplements": (5052, 5053, 5054),
    "enhances": (5055, 5056, 5057),
}
#: Body and program of each plain scriptlet.
SCRIPTS = {
    "pre": (1023, 1085),
    "post": (1024, 1086),
    "preun": (1025, 1087),
    "postun": (1026, 1088),
    "pretrans": (1151, 1153),
    "posttrans": (1152, 1154),
    "verify": (1079, 1091),
}
#: Names, versions, flags, indexes, bodies, programs, flags of the script of each kind of trigger.
TRIGGERS = {
    "package": (1066, 1067, 1068, 1069, 1065, 1092, 5027),
    "file": (5069, 5071, 5072, 5070, 5066, 5067, 5068),
    "transaction": (5079, 5081, 5082, 5080, 5076, 5077, 5078),
}


@dataclass(frozen=True)
class Item:
    """A file of a package; `data` None is a directory, `link` a symbolic link's target.

    `same` joins hard links: files of one package with the same text there are one file. `digest` and `size` are what
    the header says instead of the truth.
    """

    data: bytes | None = b""
    mode: int = 0o644
    link: str = ""
    user: str = "root"
    group: str = "root"
    flags: int = 0
    mtime: int = 1_740_000_000
    capabilities: str = ""
    language: str = ""
    same: str = ""
    digest: str | None = None
    size: int | None = None

    @property
    def full_mode(self) -> int:
        kind = _LINK if self.link else _DIRECTORY if self.data is None else _FILE
        return kind | (0o777 if self.link else self.mode)

    @property
    def content(self) -> bytes:
        return self.link.encode() if self.link else self.data or b""


def folder(mode: int = 0o755) -> Item:
    return Item(data=None, mode=mode)


def link(target: str) -> Item:
    return Item(link=target)


def program(data: bytes, mode: int = 0o755) -> Item:
    return Item(data=data, mode=mode)


@dataclass(frozen=True)
class Trigger:
    """A trigger: its kind (`package`, `file`, `transaction`), its script, and what sets it off."""

    kind: str
    body: str
    on: tuple[str, ...]
    program: str = "/bin/sh"
    flags: int = 1 << 16


@dataclass(frozen=True)
class Built:
    """The four parts of an RPM file."""

    lead: bytes
    signature: bytes
    header: bytes
    payload: bytes

    @property
    def data(self) -> bytes:
        return self.lead + self.signature + self.header + self.payload

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def header_range(self) -> tuple[int, int]:
        """Where the main header stands."""
        start = len(self.lead) + len(self.signature)
        return start, start + len(self.header)


@dataclass(frozen=True)
class Package:
    """What a spec file would say. Dependencies are texts, as in a spec file; scripts are (program, body)."""

    name: str
    version: str = "1.0"
    release: str = "1"
    arch: str = "x86_64"
    epoch: int = 0
    files: Mapping[str, Item] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()
    suggests: tuple[str, ...] = ()
    supplements: tuple[str, ...] = ()
    enhances: tuple[str, ...] = ()
    scripts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    triggers: tuple[Trigger, ...] = ()
    compressor: str = "zstd"
    vendor: str = "Example"
    license: str = "MIT"
    summary: str = "A package for tests"
    source: str = ""
    build_time: int = BUILD_TIME
    signed_by: Key | None = None
    #: Signs header and payload together, as packages of Amazon Linux 2 are.
    signed_whole_by: Key | None = None
    large: bool = False
    #: Fields of the header that are not what the rest says; a package that lies.
    lies: Mapping[int, tuple[int, headers.Value]] = field(default_factory=dict)
    #: Another archive than the files make, before it is compressed.
    archive: bytes | None = None
    #: What becomes of the finished file; a package that is damaged, or made by nobody's tools.
    damage: Callable[[Built], Built] | None = None

    @property
    def evr(self) -> str:
        return f"{self.epoch}:{self.version}-{self.release}" if self.epoch else f"{self.version}-{self.release}"

    @property
    def nevra(self) -> str:
        return f"{self.name}-{self.evr}.{self.arch}"

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}-{self.release}.{self.arch}.rpm"

    @property
    def all_provides(self) -> tuple[str, ...]:
        """Also what rpmbuild adds: the package itself, and with its architecture."""
        isa = {"x86_64": "x86-64", "aarch64": "aarch-64"}.get(self.arch)
        own = (f"{self.name} = {self.evr}", *([f"{self.name}({isa}) = {self.evr}"] if isa else []))
        return (*own, *self.provides)

    @property
    def all_requires(self) -> tuple[str, ...]:
        """Also what rpmbuild adds: the programs of the scripts."""
        programs = {words.split()[0] for words, _ in self.scripts.values() if words.startswith("/")}
        return (*self.requires, *sorted(programs - set(self.requires)))

    @property
    def sorted_files(self) -> list[tuple[str, Item]]:
        return sorted(self.files.items())

    def on(self, arch: str) -> Package:
        """The same for another architecture."""
        return replace(self, arch=arch)

    @functools.cached_property
    def unpacked(self) -> bytes:
        """The payload before it is compressed."""
        return self._archive() if self.archive is None else self.archive

    @functools.cached_property
    def built(self) -> Built:
        """The RPM file."""
        archive = self.unpacked
        payload = COMPRESSORS[self.compressor](archive)
        header = headers.MAGIC + headers.packed(self.fields(payload), headers.IMMUTABLE)
        fields: dict[int, tuple[int, headers.Value]] = {
            269: (STRING, hashlib.sha1(header).hexdigest()),
            273: (STRING, hashlib.sha256(header).hexdigest()),
            1000: (INT32, [len(header) + len(payload)]),
            1004: (BINARY, hashlib.md5(header + payload).digest()),
            1007: (INT32, [len(archive)]),
        }
        if self.signed_by:
            fields[268] = (BINARY, self.signed_by.sign(header))
        if self.signed_whole_by:
            fields[1002] = (BINARY, self.signed_whole_by.sign(header + payload))
        signature = headers.MAGIC + headers.packed(fields, headers.SIGNATURES)
        signature += bytes(-len(signature) % 8)
        built = Built(lead=self._lead(), signature=signature, header=header, payload=payload)
        return self.damage(built) if self.damage else built

    def signature_fields(self) -> dict[int, tuple[int, headers.Value]]:
        """What an installed package's header keeps of its signature header."""
        built = self.built
        kept: dict[int, tuple[int, headers.Value]] = {
            257: (INT32, [len(built.header) + len(built.payload)]),
            261: (BINARY, hashlib.md5(built.header + built.payload).digest()),
            269: (STRING, hashlib.sha1(built.header).hexdigest()),
            273: (STRING, hashlib.sha256(built.header).hexdigest()),
            1046: (INT32, [len(self.unpacked)]),
        }
        return kept

    def fields(self, payload: bytes) -> dict[int, tuple[int, headers.Value]]:
        """The main header's fields."""
        made: dict[int, tuple[int, headers.Value]] = {
            100: (STRINGS, ["C"]),
            1000: (STRING, self.name),
            1001: (STRING, self.version),
            1002: (STRING, self.release),
            1004: (I18N, self.summary),
            1005: (I18N, f"{self.summary}.\n"),
            1006: (INT32, [self.build_time]),
            1007: (STRING, "builder.example.com"),
            1009: (INT32, [sum(len(item.content) for item in self.files.values() if not item.flags & GHOST)]),
            1011: (STRING, self.vendor),
            1014: (STRING, self.license),
            1016: (I18N, "Unspecified"),
            1020: (STRING, f"https://example.com/{self.name}"),
            1021: (STRING, "linux"),
            1022: (STRING, self.arch),
            1044: (STRING, f"{self.source or self.name}-{self.version}-{self.release}.src.rpm"),
            1064: (STRING, "4.16.1.3"),
            1124: (STRING, "cpio"),
            1125: (STRING, self.compressor),
            1126: (STRING, "3"),
            5062: (STRING, "utf-8"),
            5092: (STRINGS, [hashlib.sha256(payload).hexdigest()]),
            5093: (INT32, [8]),
        }
        if self.epoch:
            made[1003] = (INT32, [self.epoch])
        return {**made, **self._dependencies(), **self._scripts(), **self._files(), **self.lies}

    def _dependencies(self) -> dict[int, tuple[int, headers.Value]]:
        made: dict[int, tuple[int, headers.Value]] = {}
        for kind, (names, versions, flags) in DEPENDENCIES.items():
            texts = getattr(self, {"requires": "all_requires", "provides": "all_provides"}.get(kind, kind))
            parsed = [dependency(text) for text in texts]
            if kind == "requires":
                parsed += [(name, 10 | _RPMLIB, version) for name, version in self._features()]
            if parsed:
                made[names] = (STRINGS, [name for name, _, _ in parsed])
                made[flags] = (INT32, [flag for _, flag, _ in parsed])
                made[versions] = (STRINGS, [version for _, _, version in parsed])
        return made

    def _features(self) -> list[tuple[str, str]]:
        """What reading the package takes of rpm."""
        needed = [("rpmlib(CompressedFileNames)", "3.0.4-1"), ("rpmlib(PayloadFilesHavePrefix)", "4.0-1")]
        compressors = {"zstd": ("Zstd", "5.4.18-1"), "xz": ("Xz", "5.2-1"), "lzma": ("Lzma", "4.4.6-1")}
        compressors["bzip2"] = ("Bzip2", "3.0.5-1")
        if self.compressor in compressors:
            name, version = compressors[self.compressor]
            needed.append((f"rpmlib(PayloadIs{name})", version))
        if any(text.startswith("(") for kind in DEPENDENCIES for text in getattr(self, kind)):
            needed.append(("rpmlib(RichDependencies)", "4.12.0-1"))
        if any(item.capabilities for item in self.files.values()):
            needed.append(("rpmlib(FileCaps)", "4.6.1-1"))
        return needed

    def _scripts(self) -> dict[int, tuple[int, headers.Value]]:
        made: dict[int, tuple[int, headers.Value]] = {}
        for kind, (words, body) in self.scripts.items():
            text, name = SCRIPTS[kind]
            if body:
                made[text] = (STRING, body)
            argv = words.split()
            made[name] = (STRING, argv[0]) if len(argv) == 1 else (STRINGS, argv)
        for kind, (names, versions, flags, indexes, bodies, programs, modes) in TRIGGERS.items():
            mine = [trigger for trigger in self.triggers if trigger.kind == kind]
            if not mine:
                continue
            parsed = [(number, *dependency(text)) for number, trigger in enumerate(mine) for text in trigger.on]
            made[names] = (STRINGS, [name for _, name, _, _ in parsed])
            made[versions] = (STRINGS, [version for _, _, _, version in parsed])
            made[flags] = (INT32, [mine[number].flags | flag for number, _, flag, _ in parsed])
            made[indexes] = (INT32, [number for number, *_ in parsed])
            made[bodies] = (STRINGS, [trigger.body for trigger in mine])
            made[programs] = (STRINGS, [trigger.program for trigger in mine])
            made[modes] = (INT32, [0] * len(mine))
            if kind != "package":
                made[5084 if kind == "file" else 5085] = (INT32, [1_000_000] * len(mine))
        return made

    def _files(self) -> dict[int, tuple[int, headers.Value]]:
        files = self.sorted_files
        if not files:
            return {}
        split = [f"/{path}".rpartition("/") for path, _ in files]
        folders = sorted({f"{parent}/" for parent, _, _ in split})
        items = [item for _, item in files]
        sizes = [len(item.content) if item.size is None else item.size for item in items]
        made: dict[int, tuple[int, headers.Value]] = {
            1030: (INT16, [item.full_mode for item in items]),
            1033: (INT16, [0] * len(items)),
            1034: (INT32, [item.mtime for item in items]),
            1035: (STRINGS, [_digest(item) for item in items]),
            1036: (STRINGS, [item.link for item in items]),
            1037: (INT32, [item.flags for item in items]),
            1039: (STRINGS, [item.user for item in items]),
            1040: (STRINGS, [item.group for item in items]),
            1045: (INT32, [0xFFFFFFFF] * len(items)),
            1095: (INT32, [1] * len(items)),
            1096: (INT32, self._inodes()),
            1097: (STRINGS, [item.language for item in items]),
            1116: (INT32, [folders.index(f"{parent}/") for parent, _, _ in split]),
            1117: (STRINGS, [name for _, _, name in split]),
            1118: (STRINGS, folders),
            5011: (INT32, [8]),
        }
        if self.large:
            made[5008] = (INT64, sizes)
        else:
            made[1028] = (INT32, sizes)
        if any(item.capabilities for item in items):
            made[5010] = (STRINGS, [item.capabilities for item in items])
        return made

    def _inodes(self) -> list[int]:
        first: dict[str, int] = {}
        return [
            first.setdefault(item.same, number) if item.same else number
            for number, (_, item) in enumerate(self.sorted_files, 1)
        ]

    def _archive(self) -> bytes:
        """The payload; of hard links the last one carries the content, as rpmbuild writes it."""
        files = [(number, *pair) for number, pair in enumerate(self.sorted_files)]
        present = [(number, path, item) for number, path, item in files if not item.flags & GHOST]
        last = {item.same: number for number, _, item in present if item.same}
        inodes, members = self._inodes(), []
        for number, path, item in present:
            data = item.content if not item.same or last[item.same] == number else b""
            links = sum(1 for _, _, other in present if item.same and other.same == item.same) or 1
            members.append((number, Member(f"./{path}", data, item.full_mode, inodes[number], links, item.mtime)))
        if self.large:
            return payloads.stripped((number, member.data) for number, member in members)
        return payloads.newc(member for _, member in members)

    def _lead(self) -> bytes:
        machine = {"x86_64": 1, "aarch64": 19}.get(self.arch, 255)
        name = f"{self.name}-{self.version}-{self.release}".encode()[:65]
        return struct.pack(">4sBBhh66shh16x", b"\xed\xab\xee\xdb", 3, 0, 0, machine, name, 1, 5)


def dependency(text: str) -> tuple[str, int, str]:
    """Name, flags and version out of `libfoo >= 1:2.0-3`; rich ones are names."""
    found = None if text.startswith("(") else re.fullmatch(r"(\S+)\s*(<=|>=|<|>|=)\s*(\S+)", text)
    return (found[1], _SENSE[found[2]], found[3]) if found else (text, 0, "")


def _digest(item: Item) -> str:
    if item.digest is not None:
        return item.digest
    regular = item.data is not None and not item.link and not item.flags & GHOST
    return hashlib.sha256(item.content).hexdigest() if regular else ""
