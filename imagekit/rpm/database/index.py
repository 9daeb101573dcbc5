"""What an RPM database finds packages by: its 18 index tables (rpm, lib/rpmdb.c, tag2index)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imagekit.rpm.dependency import DependencyKind, Sense, operands
from imagekit.rpm.header import Header
from imagekit.rpm.tag import Tag

#: The tables with texts as keys, in the order in which rpm makes them, and the field that each is about.
TEXTS: Final = {
    "Name": Tag.NAME,
    "Basenames": Tag.BASENAMES,
    "Group": Tag.GROUP,
    "Requirename": Tag.REQUIRENAME,
    "Providename": Tag.PROVIDENAME,
    "Conflictname": Tag.CONFLICTNAME,
    "Obsoletename": Tag.OBSOLETENAME,
    "Triggername": Tag.TRIGGERNAME,
    "Dirnames": Tag.DIRNAMES,
    "Sha1header": Tag.SHA1HEADER,
    "Filetriggername": Tag.FILETRIGGERNAME,
    "Transfiletriggername": Tag.TRANSFILETRIGGERNAME,
    "Recommendname": Tag.RECOMMENDNAME,
    "Suggestname": Tag.SUGGESTNAME,
    "Supplementname": Tag.SUPPLEMENTNAME,
    "Enhancename": Tag.ENHANCENAME,
}
#: Those with bytes.
BLOBS: Final = {"Installtid": Tag.INSTALLTID, "Sigmd5": Tag.SIGMD5}
#: Where rich dependencies stand also under the names in them.
_RICH: Final = frozenset({
    *(Tag.REQUIRENAME, Tag.CONFLICTNAME, Tag.RECOMMENDNAME, Tag.SUGGESTNAME, Tag.SUPPLEMENTNAME, Tag.ENHANCENAME),
})  # fmt: skip
_INDEXES: Final = {
    Tag.FILETRIGGERNAME: Tag.FILETRIGGERINDEX,
    Tag.TRANSFILETRIGGERNAME: Tag.TRANSFILETRIGGERINDEX,
}
#: Requirements that end with the installation (include/rpm/rpmds.h, isTransientReq).
_WHILE_INSTALLING: Final = (
    Sense.SCRIPT_PRE | Sense.SCRIPT_POST | Sense.RPMLIB | Sense.KEYRING | Sense.PRETRANS | Sense.POSTTRANS
)
_LATER: Final = Sense.SCRIPT_PREUN | Sense.SCRIPT_POSTUN | Sense.PREUNTRANS | Sense.POSTUNTRANS | Sense.META

#: A key, and the place in the field that has it.
Row = tuple[bytes, int]


def rows(header: Header) -> Iterator[tuple[str, list[Row]]]:
    """For each table what an installed package's header adds to it. Raises BuildFailed for damage."""
    for table, tag in TEXTS.items():
        yield table, list(_texts(header, tag))
    tid = header.integers(Tag.INSTALLTID)
    # Numbers are keys in the byte order of the machine; all of Lambda's are little-endian.
    yield "Installtid", [(number.to_bytes(4, "little"), index) for index, number in enumerate(tid)]
    digest = header.binary(Tag.SIGMD5)
    yield "Sigmd5", [(digest, 0)] if digest else []


def _texts(header: Header, tag: Tag) -> Iterator[Row]:
    texts = header.texts(tag)
    if tag is Tag.GROUP:
        texts = texts[:1] or ("Unknown",)
    numbers = header.integers(_INDEXES[tag]) if tag in _INDEXES else range(len(texts))
    transient = _transient(header) if tag is Tag.REQUIRENAME else frozenset()
    seen: set[str] = set()
    for place, (text, number) in enumerate(zip(texts, numbers, strict=False)):
        if place in transient or (tag is Tag.TRIGGERNAME and text in seen):
            continue
        seen.add(text)
        yield _key(text), number
        if tag in _RICH and text.startswith("("):
            yield from ((_key(name), number) for name in operands(text))


def _transient(header: Header) -> frozenset[int]:
    """The places of requirements that end with the installation."""
    flags = header.integers(DependencyKind.REQUIRES.value[1])
    return frozenset(place for place, flag in enumerate(flags) if flag & _WHILE_INSTALLING and not flag & _LATER)


def _key(text: str) -> bytes:
    """As rpm writes it: the name of the root itself, which is empty, is one NUL (td2key)."""
    return text.encode("utf-8", "surrogateescape") or b"\0"
