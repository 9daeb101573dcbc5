"""A package's header as a database keeps it: the package's own, untouched, and behind it what installing it adds.

The region that the package's digests and signatures cover stays as it is, so that `rpm -V` can still judge it. rpm adds
the fields of the signature header under other numbers (lib/package.c, xlateTags), when the package came (lib/psm.c,
dbAdd), and the state of each file.
"""

from __future__ import annotations

from collections.abc import Collection
from struct import pack
from typing import Final

from imagekit.errors import BuildFailed
from imagekit.rpm.header import ENTRY, INTRO, MAX_ENTRIES, Header
from imagekit.rpm.package import Package
from imagekit.rpm.tag import SignatureTag, Tag
from imagekit.values import dataclass

#: Fields of the signature header, and their numbers in a database.
_KEPT: Final[dict[SignatureTag, Tag | SignatureTag]] = {
    SignatureTag.SIZE: Tag.SIGSIZE,
    SignatureTag.PGP: Tag.SIGPGP,
    SignatureTag.MD5: Tag.SIGMD5,
    SignatureTag.GPG: Tag.SIGGPG,
    SignatureTag.PAYLOADSIZE: Tag.ARCHIVESIZE,
    SignatureTag.FILESIGNATURES: Tag.FILESIGNATURES,
    SignatureTag.FILESIGNATURELENGTH: Tag.FILESIGNATURELENGTH,
    SignatureTag.VERITYSIGNATURES: SignatureTag.VERITYSIGNATURES,
    SignatureTag.VERITYSIGNATUREALGO: SignatureTag.VERITYSIGNATUREALGO,
    SignatureTag.SHA1: Tag.SHA1HEADER,
    SignatureTag.SHA256: Tag.SHA256HEADER,
    SignatureTag.DSA: Tag.DSAHEADER,
    SignatureTag.RSA: Tag.RSAHEADER,
    SignatureTag.LONGSIZE: Tag.LONGSIGSIZE,
    SignatureTag.LONGARCHIVESIZE: Tag.LONGARCHIVESIZE,
    SignatureTag.OPENPGP: SignatureTag.OPENPGP,
}
_CHAR, _INT32 = 1, 4
_ALIGNMENT: Final = {3: 2, _INT32: 4, 5: 8}
#: rpmfileState: a file that is there, and one that was left out.
_NORMAL, _NOT_INSTALLED = 0, 2
#: Type, number of values, and the bytes of a field.
_Field = tuple[int, int, bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Addition:
    """A package that comes into a database; `left_out` are the indexes of its files that were not laid down."""

    package: Package
    left_out: Collection[int] = ()


def installed(addition: Addition, *, time: int, color: int) -> Header:
    """The header for the database: `time`, in seconds, is when it was installed, `color` what the system can run.

    Raises BuildFailed for a package that already says what only its installation can.
    """
    package = addition.package
    fields = {int(tag): field for tag, field in _signature(package).items()}
    states = _states(addition)
    if states:
        fields[Tag.FILESTATES] = (_CHAR, len(states), states)
    for tag, number in ((Tag.INSTALLTIME, time), (Tag.INSTALLTID, time), (Tag.INSTALLCOLOR, color)):
        fields[tag] = (_INT32, 1, pack(">I", number))
    return Header.from_blob(_extended(package.header, fields), package.source)


def _signature(package: Package) -> dict[Tag | SignatureTag, _Field]:
    """What is kept of the signature header; rpm takes no such field where the package's own header has one too."""
    kept: dict[Tag | SignatureTag, _Field] = {}
    for tag, number in _KEPT.items():
        if tag in package.signature:
            if number in package.header:
                raise BuildFailed(
                    f"{package.source}: its header has the field {number}, which only an installed one can have",
                    hint="take another build of the package; rpm would refuse this one too",
                )
            entry = package.signature.entries[tag]
            kept[number] = (entry.type, entry.size, package.signature.field(tag))
    return kept


def _states(addition: Addition) -> bytes:
    count = len(addition.package.header.texts(Tag.BASENAMES))
    states = bytearray([_NORMAL]) * count
    for index in addition.left_out:
        states[index] = _NOT_INSTALLED
    return bytes(states)


def _extended(header: Header, fields: dict[int, _Field]) -> bytes:
    """A header with further fields, sorted by their numbers, each aligned as its type wants (lib/header.c)."""
    count = int.from_bytes(header.raw[:4])
    end = INTRO + count * ENTRY
    index, data = bytearray(header.raw[INTRO:end]), bytearray(header.raw[end:])
    if count + len(fields) > MAX_ENTRIES:
        raise BuildFailed(f"{header.source}: it has too many fields to be installed")
    for tag, (kind, size, value) in sorted(fields.items()):
        data += bytes(-len(data) % _ALIGNMENT.get(kind, 1))
        index += pack(">IIII", tag, kind, len(data), size)
        data += value
    return pack(">II", count + len(fields), len(data)) + index + data
