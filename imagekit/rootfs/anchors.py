"""What an image trusts by the files in its source folders: update-ca-trust(8)'s and p11-kit's rules.

A certificate below `anchors` is trusted for everything, one below `blocklist` for nothing, whoever else trusts it; in
the folders themselves a file says what it is trusted for, in OpenSSL's form or in p11-kit's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Final, Self
from urllib.parse import unquote_to_bytes

from imagekit.errors import InvalidFile
from imagekit.rootfs import der
from imagekit.rootfs.authorities import Authority, Certificate, certificates, decoded
from imagekit.values import dataclass

#: Where the sources are; what a user or a package says below /etc comes last.
FOLDERS: Final = ("usr/share/pki/ca-trust-source", "etc/pki/ca-trust/source")
_ANCHORS: Final = "anchors"
_BLOCKED: Final = frozenset({"blocklist", "blacklist"})
_OBJECT: Final = b"[p11-kit-object-v1]"
_ATTRIBUTE: Final = re.compile(rb"^([a-z0-9-]+):[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_KEY: Final = re.compile(rb"-----BEGIN PUBLIC KEY-----(.+?)-----END PUBLIC KEY-----", re.DOTALL)
_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)
#: The extension that says what a key may be used for (RFC 5280, 4.2.1.12), and p11-kit's own for what it may not.
_USAGE, _NO_USAGE = b"2.5.29.37", b"1.3.6.1.4.1.3319.6.10.1"
#: id-kp, below which purposes stand, and the one that is all of them.
_PURPOSES: Final = bytes.fromhex("2b060105050703")
_ANY: Final = bytes.fromhex("551d2500")


class Purpose(Enum):
    """What programs look for authorities for; the value is the last number of RFC 5280's identifier."""

    SERVER = 1
    CODE = 3
    EMAIL = 4

    @property
    def id(self) -> bytes:
        """The identifier's content."""
        return _PURPOSES + bytes([self.value])


EVERYTHING: Final = frozenset(Purpose)


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchor:
    """An authority, and what it is trusted for."""

    authority: Authority
    purposes: frozenset[Purpose] = EVERYTHING

    @property
    def ids(self) -> tuple[bytes, ...]:
        """The purposes as identifiers."""
        return tuple(one.id for one in Purpose if one in self.purposes)


#: By the certificate.
Anchors = Mapping[bytes, Anchor]


def is_source(path: str) -> bool:
    """True for a file that says whom an image trusts."""
    return any(path.startswith(f"{folder}/") for folder in FOLDERS)


def anchors(files: Mapping[str, bytes], warn: Callable[[str], None] = lambda _: None) -> Anchors:
    """Whom an image trusts that has these files; `warn` is told of those that cannot be read."""
    found: dict[bytes, Anchor] = {}
    blocked: set[bytes] = set()
    for path in sorted(filter(is_source, files), key=lambda path: (_rank(path), path)):
        try:
            said = list(_said(path, files[path]))
        except (InvalidFile, ValueError) as error:
            warn(f"/{path} is not trusted: {error.message if isinstance(error, InvalidFile) else error}")
            continue
        for anchor in said:
            if anchor.purposes:
                found[anchor.authority.certificate] = anchor
            else:
                blocked.add(anchor.authority.certificate)
    return {certificate: anchor for certificate, anchor in found.items() if certificate not in blocked}


def _rank(path: str) -> int:
    return next(number for number, folder in enumerate(FOLDERS) if path.startswith(f"{folder}/"))


def _said(path: str, data: bytes) -> Iterator[Anchor]:
    """The certificates of a file with what they are trusted for; those of which nothing is said are left out."""
    folder = path.removeprefix(FOLDERS[_rank(path)]).strip("/").rpartition("/")[0]
    if folder not in {"", _ANCHORS, *_BLOCKED}:
        return
    label = path.rpartition("/")[2]
    found = _objects(data) if _OBJECT in data else certificates(data, label)
    for one in found:
        purposes = _purposes(one) if isinstance(one, Certificate) else one.purposes
        authority = one.authority
        if folder in _BLOCKED:
            yield Anchor(authority=authority, purposes=frozenset())
        elif folder == _ANCHORS or not isinstance(one, Certificate) or one.is_trusted:
            yield Anchor(authority=authority, purposes=purposes)


def _purposes(one: Certificate) -> frozenset[Purpose]:
    """What OpenSSL keeps behind a certificate: what it is trusted for, what it is rejected for (X509_CERT_AUX)."""
    about = next(der.values(one.about), None) if one.about else None
    trusted, rejected = EVERYTHING, frozenset[Purpose]()
    for value in der.values(about.content) if about else ():
        if value.tag == der.SEQUENCE:
            trusted = _named(value.content)
        elif value.tag == der.FIRST:
            rejected = _named(value.content)
    return trusted - rejected


def _named(data: bytes) -> frozenset[Purpose]:
    """The purposes in an extension, or in a list of identifiers."""
    ids = set(der.object_ids(data))
    return EVERYTHING if _ANY in ids else frozenset(one for one in Purpose if one.id in ids)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Object:
    """One object of p11-kit's form (pkcs11 attributes, one a line, and a block of PEM)."""

    attributes: Mapping[bytes, bytes]
    text: bytes

    @classmethod
    def of(cls, text: bytes) -> Self:
        return cls(attributes=dict(_ATTRIBUTE.findall(_BLOCK.sub(b"", text))), text=text)

    def says(self, name: bytes) -> bool:
        return self.attributes.get(name) == b"true"

    def value(self, name: bytes) -> bytes:
        return unquote_to_bytes(self.attributes.get(name, b"").strip(b'"'))


def _objects(data: bytes) -> Iterator[Anchor]:
    """The certificates of a file of p11-kit's with their purposes, which stand in objects of their own, by the key."""
    objects = [_Object.of(text) for text in data.split(_OBJECT)[1:]]
    usage: dict[bytes, frozenset[Purpose]] = {}
    none: dict[bytes, frozenset[Purpose]] = {}
    for one in objects:
        said = {_USAGE: usage, _NO_USAGE: none}.get(one.attributes.get(b"object-id", b""))
        found = _KEY.search(one.text)
        if said is not None and found:
            said[decoded(found[1], "a public key")] = _named(one.value(b"value"))
    for one in objects:
        for certificate in certificates(one.text, one.value(b"label").decode("utf-8", "replace") or "certificate"):
            key = der.public_key(certificate.authority.certificate)
            purposes = usage.get(key, EVERYTHING) - none.get(key, frozenset())
            if one.says(b"trusted") or one.says(b"x-distrusted"):
                kept = frozenset[Purpose]() if one.says(b"x-distrusted") else purposes
                yield Anchor(authority=certificate.authority, purposes=kept)
