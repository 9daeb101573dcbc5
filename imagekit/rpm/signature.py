"""OpenPGP: the signatures of packages and of repositories' metadata, judged by certificates that are given.

A package's signature header has up to three kinds of them: over the header alone (RSA, DSA, and rpm 6's OPENPGP), which
prove everything, since the header has the payload's digest; and, of old, over header and payload (PGP, GPG).
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import field
from typing import TYPE_CHECKING, Final, Self

from imagekit.errors import InvalidFile, WrongSignature
from imagekit.rpm import rsa
from imagekit.rpm.header import MAGIC, damaged
from imagekit.rpm.package import Package
from imagekit.rpm.tag import SignatureTag
from imagekit.values import dataclass

if TYPE_CHECKING:
    from pysequoia import Cert
    from pysequoia.packet import Packet

_OF_HEADER: Final = (SignatureTag.RSA, SignatureTag.DSA)
_OF_ALL: Final = (SignatureTag.PGP, SignatureTag.GPG)


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificates:
    """Whose signatures are believed. A fingerprint is that of the primary key, in upper-case hex."""

    certificates: tuple[Cert, ...] = field(repr=False)

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "the key") -> Self:
        """The certificates in a file, armored or not; raises InvalidFile, naming `source`, for a file without any."""
        from pysequoia import Cert

        try:
            found = tuple(Cert.split_bytes(data))
        except RuntimeError as error:
            raise InvalidFile(f"{source} is no OpenPGP certificate: {_short(error)}") from error
        if not found:
            raise InvalidFile(f"{source} holds no OpenPGP certificate")
        return cls(certificates=found)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of each certificate."""
        return tuple(certificate.fingerprint.upper() for certificate in self.certificates)

    def only(self, fingerprints: Iterable[str]) -> Certificates:
        """Those with one of these fingerprints, which may be in lower case and have spaces."""
        wanted = {fingerprint.replace(" ", "").upper() for fingerprint in fingerprints}
        return Certificates(certificates=tuple(c for c in self.certificates if c.fingerprint.upper() in wanted))

    def verify(self, data: bytes, signature: bytes, source: str) -> str:
        """The fingerprint of the certificate that signed `data`; raises WrongSignature, naming `source`.

        `signature` may be armored, as `repomd.xml.asc` is.
        """
        from pysequoia import Sig, verify

        try:
            made = Sig.from_bytes(signature)
            (valid, *_) = verify(bytes=data, store=lambda _: list(self.certificates), signature=made).valid_sigs
        except (RuntimeError, ValueError) as error:
            for certificate in self.certificates:
                if rsa.signed(data, signature, bytes(certificate)):
                    return certificate.fingerprint.upper()
            raise WrongSignature(f"{source}: {self._refusal(signature)}") from error
        return str(valid.certificate).upper()

    def _refusal(self, signature: bytes) -> str:
        """Why a signature is not believed."""
        from pysequoia import Sig

        try:
            made = Sig.from_bytes(signature)
        except RuntimeError as error:
            return f"its signature is damaged: {_short(error)}"
        key = (made.issuer_fingerprint or made.issuer_key_id or "").upper()
        if key and any(mine.endswith(key) for certificate in self.certificates for mine in _keys(certificate)):
            return f"its signature by {key} is wrong, or the key was not valid when it was made"
        return f"it is signed by {key or 'nobody known'}; trusted is {', '.join(self.fingerprints) or 'nobody'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """A signature of a package; `covers_payload` says that it is one over header and payload."""

    tag: SignatureTag
    data: bytes
    covers_payload: bool


def signatures(package: Package) -> tuple[Signature, ...]:
    """All signatures of a package, those over the header alone first. Raises BuildFailed for damage."""
    found = [Signature(tag=tag, data=data, covers_payload=False) for tag, data in _modern(package)]
    for tags, covers_payload in ((_OF_HEADER, False), (_OF_ALL, True)):
        for tag in tags:
            data = package.signature.binary(tag)
            if data:
                found.append(Signature(tag=tag, data=data, covers_payload=covers_payload))
    return tuple(found)


def verify(package: Package, certificates: Certificates, payload: Callable[[], bytes] | None = None) -> str:
    """The fingerprint of a certificate that signed the package; raises WrongSignature where none of them did.

    A signature over the header proves what `Package.verify` then compares the payload with. `payload` gives the bytes
    after `payload_offset`, and is asked only where no other kind of signature is there.
    """
    found = signatures(package)
    if not found:
        raise WrongSignature(f"{package.source}: it is not signed")
    judged = [signature for signature in found if not signature.covers_payload]
    signed = MAGIC + package.header.raw
    if not judged:
        if payload is None:
            raise WrongSignature(f"{package.source}: its header is not signed alone")
        judged, signed = list(found), signed + payload()
    refusals = []
    for signature in judged:
        try:
            return certificates.verify(signed, signature.data, package.source)
        except WrongSignature as error:
            refusals.append(error)
    raise refusals[0]


def _modern(package: Package) -> list[tuple[SignatureTag, bytes]]:
    """Signatures as rpm 6 writes them: any number, in base 64."""
    try:
        texts = package.signature.texts(SignatureTag.OPENPGP)
        return [(SignatureTag.OPENPGP, b64decode(text, validate=True)) for text in texts]
    except ValueError as error:
        raise damaged(package.source, "a signature of it is no base 64") from error


def _keys(certificate: Cert) -> list[str]:
    """The fingerprints of a certificate's keys, subkeys too: those are what mostly signs."""
    from pysequoia.packet import PacketPile

    pile: Iterable[Packet] = PacketPile.from_bytes(bytes(certificate))
    return [packet.fingerprint.upper() for packet in pile if packet.fingerprint]


def _short(error: Exception) -> str:
    """Without the stack that the library adds."""
    return str(error).partition("\n")[0][:200]
