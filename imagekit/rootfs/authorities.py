"""Certificate authorities that an image trusts: a user's own, in every form in which its programs look for them.

The places and forms are those of p11-kit's update-ca-trust(8), which Fedora and Amazon Linux share.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from struct import pack, unpack
from typing import Final

from imagekit.errors import BuildFailed, InvalidFile
from imagekit.values import dataclass

ANCHORS: Final = "etc/pki/ca-trust/source/anchors"
EXTRACTED: Final = "etc/pki/ca-trust/extracted"
#: The bundle that nearly every program reads.
BUNDLE: Final = f"{EXTRACTED}/pem/tls-ca-bundle.pem"
_PEM: Final = (BUNDLE, f"{EXTRACTED}/pem/email-ca-bundle.pem", f"{EXTRACTED}/pem/objsign-ca-bundle.pem")
_OPENSSL: Final = f"{EXTRACTED}/openssl/ca-bundle.trust.crt"
_JAVA: Final = f"{EXTRACTED}/java/cacerts"
#: Java's key store (sun.security.provider.JavaKeyStore): its magic number and version, and the words in its digest.
_STORE: Final = 0xFEEDFEED, 2
_PASSWORD: Final = "changeit".encode("utf-16-be")
_SALT: Final = b"Mighty Aphrodite"
_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----(.+?)-----END (?:TRUSTED )?CERTIFICATE-----", re.DOTALL
)
_PRIVATE: Final = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
#: Bytes of a file, and how many it may hold; all authorities of the web are 150.
_MAX_FILE: Final = 4 << 20
#: Of ASN.1 (X.690, 8.1.2).
_SEQUENCE: Final = 0x30
_UTF8: Final = 0x0C


@dataclass(frozen=True, kw_only=True, slots=True)
class Authority:
    """One certificate, as DER; `label` is what bundles call it."""

    label: str
    certificate: bytes

    @property
    def pem(self) -> bytes:
        """With its label, as bundles have it."""
        return b"# %s\n%s" % (self.label.encode(), _armored("CERTIFICATE", self.certificate))


def authorities(data: bytes, label: str) -> tuple[Authority, ...]:
    """The certificates in a file, PEM or DER; raises InvalidFile for a file that holds none, or more than those."""
    if len(data) > _MAX_FILE:
        raise InvalidFile(f"{label} has more than {_MAX_FILE:,} bytes; this is no certificate")
    if _PRIVATE.search(data):
        raise InvalidFile(f"{label} holds a private key", hint="name a file with certificates alone; a key is secret")
    found = [_decoded(match, label) for match in _CERTIFICATE.findall(data)]
    if not found and data[:1] == bytes([_SEQUENCE]):
        found = [data]
    if not found:
        raise InvalidFile(f"{label} holds no certificate", hint="export it as PEM: it begins with BEGIN CERTIFICATE")
    unique = list(dict.fromkeys(_checked(certificate, label) for certificate in found))
    return tuple(
        Authority(label=label if len(unique) == 1 else f"{label} {number}", certificate=certificate)
        for number, certificate in enumerate(unique, 1)
    )


def bundle(there: bytes, more: Sequence[Authority]) -> bytes:
    """A bundle of PEM with more certificates; those that it has already are not repeated."""
    known = {_decoded(match, "the image's bundle") for match in _CERTIFICATE.findall(there)}
    new = [one for one in more if one.certificate not in known]
    return b"".join([there, b"" if there.endswith(b"\n") or not there else b"\n", *(one.pem for one in new)])


def trusted(there: Mapping[str, bytes], more: Sequence[Authority]) -> dict[str, bytes]:
    """The files of an image with ca-trust that change: an anchor for each certificate, and what is extracted of them.

    `there` are those of the image by path. Raises BuildFailed for an image without ca-trust.
    """
    if BUNDLE not in there:
        raise BuildFailed(
            f"the base has no /{BUNDLE} that `certificates` could be added to",
            hint="choose a base with the package ca-certificates, or put the file in place with `files`",
        )
    changed = {_anchor(one): one.pem for one in more}
    changed |= {path: bundle(there[path], more) for path in _PEM if path in there}
    if _OPENSSL in there:
        changed[_OPENSSL] = there[_OPENSSL] + b"".join(map(_openssl, more))
    if _JAVA in there:
        changed[_JAVA] = _java(there[_JAVA], more)
    return changed


def _anchor(one: Authority) -> str:
    """A file's name; the digest tells apart what is called the same."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", one.label.rpartition("/")[2]).strip("-.") or "certificate"
    return f"{ANCHORS}/{name}-{hashlib.sha256(one.certificate).hexdigest()[:8]}.pem"


def _decoded(text: bytes, label: str) -> bytes:
    try:
        return b64decode(b"".join(text.split()), validate=True)
    except ValueError as error:
        raise InvalidFile(f"{label} is damaged: what is between its lines is no base 64") from error


def _checked(certificate: bytes, label: str) -> bytes:
    """The certificate alone: behind one that is `TRUSTED` stands what OpenSSL keeps about it (X.690, 8.1)."""
    size = _size(certificate)
    if size is None or size > len(certificate):
        raise InvalidFile(f"{label} is damaged: it is no certificate, or is cut off")
    return certificate[:size]


def _size(data: bytes) -> int | None:
    """How many bytes a sequence in DER has, with what stands before its content."""
    if len(data) < 4 or data[0] != _SEQUENCE:
        return None
    if data[1] < 0x80:
        return 2 + data[1]
    digits = data[1] & 0x7F
    return 2 + digits + int.from_bytes(data[2 : 2 + digits]) if 0 < digits <= 4 else None


def _armored(kind: str, data: bytes) -> bytes:
    text = b64encode(data)
    lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (kind.encode(), lines, kind.encode())


def _openssl(one: Authority) -> bytes:
    """With its name and without a restriction (OpenSSL, X509_CERT_AUX)."""
    name = one.label.encode()[:100].decode("utf-8", "ignore").encode()
    about = bytes([_SEQUENCE, len(name) + 2, _UTF8, len(name)]) + name
    return b"# %s\n%s" % (one.label.encode(), _armored("TRUSTED CERTIFICATE", one.certificate + about))


def _java(there: bytes, more: Sequence[Authority]) -> bytes:
    """A key store with more entries, the last 20 bytes its digest; one that is of another kind stays as it is."""
    if len(there) < 32 or unpack(">II", there[:8]) != _STORE:
        return there
    (count,) = unpack(">I", there[8:12])
    body = there[12:-20] + b"".join(map(_entry, more))
    data = pack(">III", *_STORE, count + len(more)) + body
    return data + hashlib.sha1(_PASSWORD + _SALT + data, usedforsecurity=False).digest()


def _entry(one: Authority) -> bytes:
    """A trusted certificate: alias, time (ours is none), type, bytes."""
    alias = hashlib.sha256(one.certificate).hexdigest()[:32].encode()
    kind = b"X.509"
    return b"".join(
        (
            pack(">IH", 2, len(alias)) + alias,
            pack(">QH", 0, len(kind)) + kind,
            pack(">I", len(one.certificate)) + one.certificate,
        )
    )
