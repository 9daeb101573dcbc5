"""Certificate authorities that an image trusts, in every form in which its programs look for them.

The places and forms are those of p11-kit's update-ca-trust(8), which Fedora and Amazon Linux share; what firmware reads
(`edk2`) is left as it is.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from typing import Final

from imagekit.errors import InvalidFile
from imagekit.rootfs import der
from imagekit.values import dataclass

ANCHORS: Final = "etc/pki/ca-trust/source/anchors"
_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN (TRUSTED )?CERTIFICATE-----(.+?)-----END (?:TRUSTED )?CERTIFICATE-----", re.DOTALL
)
#: The same in a bundle, with the line before it that names it.
_NAMED: Final = re.compile(rb"(?:^#[^\n]*\n)?" + _CERTIFICATE.pattern + rb"\r?\n?", re.DOTALL | re.MULTILINE)
_PRIVATE: Final = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
#: Bytes of a file, and how many it may hold; all authorities of the web are 150.
_MAX_FILE: Final = 4 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Authority:
    """One certificate, as DER; `label` is what bundles call it."""

    label: str
    certificate: bytes

    @property
    def pem(self) -> bytes:
        """With its label, as bundles have it."""
        return b"# %s\n%s" % (self.label.encode(), armored("CERTIFICATE", self.certificate))

    @property
    def anchor(self) -> str:
        """The path of an anchor of its own in an image; the digest tells apart what is called the same."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", self.label.rpartition("/")[2]).strip("-.") or "certificate"
        return f"{ANCHORS}/{name}-{hashlib.sha256(self.certificate).hexdigest()[:8]}.pem"


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A certificate in a file; `is_trusted` where the file says so, `about` is what OpenSSL keeps behind it then."""

    authority: Authority
    is_trusted: bool = False
    about: bytes = b""


def authorities(data: bytes, label: str) -> tuple[Authority, ...]:
    """The certificates in a file, PEM or DER; raises InvalidFile for a file that holds none, or more than those."""
    if _PRIVATE.search(data):
        raise InvalidFile(f"{label} holds a private key", hint="name a file with certificates alone; a key is secret")
    found = certificates(data, label)
    if not found:
        raise InvalidFile(f"{label} holds no certificate", hint="export it as PEM: it begins with BEGIN CERTIFICATE")
    return tuple(one.authority for one in found)


def certificates(data: bytes, label: str) -> tuple[Certificate, ...]:
    """The certificates in a file, each once, if it holds any; raises InvalidFile for one that is damaged."""
    if len(data) > _MAX_FILE:
        raise InvalidFile(f"{label} has more than {_MAX_FILE:,} bytes; this is no certificate")
    found = [(decoded(text, label), bool(trusted)) for trusted, text in _CERTIFICATE.findall(data)]
    if not found and data[:1] == bytes([der.SEQUENCE]):
        found = [(data, False)]
    parts = {whole[: _size(whole, label)]: (trusted, whole[_size(whole, label) :]) for whole, trusted in found}
    return tuple(
        Certificate(
            authority=Authority(label=label if len(parts) == 1 else f"{label} {number}", certificate=certificate),
            is_trusted=trusted,
            about=about if trusted else b"",
        )
        for number, (certificate, (trusted, about)) in enumerate(parts.items(), 1)
    )


def bundle(there: bytes, more: Mapping[bytes, bytes], less: Collection[bytes] = ()) -> bytes:
    """A bundle of PEM with more certificates, and less; those that it has already are not repeated.

    `more` are the texts by the certificate. Raises InvalidFile for a bundle that is damaged.
    """

    def kept(match: re.Match[bytes]) -> bytes:
        whole = decoded(match[2], "the image's bundle")
        certificate = whole[: der.size(whole) or len(whole)]
        if certificate in less:
            return b""
        known.add(certificate)
        return match[0]

    known: set[bytes] = set()
    left = _NAMED.sub(kept, there)
    new = [text for certificate, text in more.items() if certificate not in known]
    return b"".join([left, b"" if left.endswith(b"\n") or not left or not new else b"\n", *new])


def decoded(text: bytes, label: str) -> bytes:
    """What stands between the lines of PEM; raises InvalidFile."""
    try:
        return b64decode(b"".join(text.split()), validate=True)
    except ValueError as error:
        raise InvalidFile(f"{label} is damaged: what is between its lines is no base 64") from error


def _size(certificate: bytes, label: str) -> int:
    """Of the certificate alone: behind one that is `TRUSTED` stands what OpenSSL keeps about it."""
    size = der.size(certificate)
    if size is None or size > len(certificate):
        raise InvalidFile(f"{label} is damaged: it is no certificate, or is cut off")
    return size


def armored(kind: str, data: bytes) -> bytes:
    """PEM (RFC 7468)."""
    text = b64encode(data)
    lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (kind.encode(), lines, kind.encode())
