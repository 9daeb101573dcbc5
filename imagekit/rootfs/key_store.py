"""Java's key store (sun.security.provider.JavaKeyStore) of certificates that are trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from struct import error as Unpackable
from struct import pack, unpack_from
from typing import Final

#: Its magic number and version, and the words in its digest.
_STORE: Final = 0xFEEDFEED, 2
_PASSWORD: Final = "changeit".encode("utf-16-be")
_SALT: Final = b"Mighty Aphrodite"
#: The tag of an entry that is a certificate alone.
_TRUSTED: Final = 2
_DIGEST: Final = 20


def changed(there: bytes, less: Collection[bytes], more: Iterable[bytes]) -> bytes:
    """A key store with fewer and more certificates; one that is of another kind, or damaged, stays as it is.

    No bytes at all are a store that has yet to be made.
    """
    try:
        entries = list(_entries(there)) if there else []
    except (Unpackable, ValueError):
        return there
    kept = [(whole, certificate) for whole, certificate in entries if certificate not in less]
    known = {certificate for _, certificate in kept}
    kept += [(_entry(one), one) for one in dict.fromkeys(more) if one not in known]
    data = pack(">III", *_STORE, len(kept)) + b"".join(whole for whole, _ in kept)
    return data + hashlib.sha1(_PASSWORD + _SALT + data, usedforsecurity=False).digest()


def _entries(store: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each entry's bytes and its certificate; raises ValueError or struct's error for another kind of store."""
    if unpack_from(">II", store) != _STORE:
        raise ValueError("no key store of Java's")
    (count,) = unpack_from(">I", store, 8)
    at = 12
    for _ in range(count):
        start = at
        tag, alias = unpack_from(">IH", store, at)
        at += 6 + alias + 8
        (kind,) = unpack_from(">H", store, at)
        at += 2 + kind
        (size,) = unpack_from(">I", store, at)
        at += 4 + size
        if tag != _TRUSTED or at > len(store) - _DIGEST:
            raise ValueError("an entry of another kind, or cut off")
        yield store[start:at], store[at - size : at]
    if at != len(store) - _DIGEST:
        raise ValueError("more than its entries")


def _entry(certificate: bytes) -> bytes:
    """A trusted certificate: alias, time (ours is none), type, bytes."""
    alias = hashlib.sha256(certificate).hexdigest()[:32].encode()
    kind = b"X.509"
    return b"".join(
        (
            pack(">IH", _TRUSTED, len(alias)) + alias,
            pack(">QH", 0, len(kind)) + kind,
            pack(">I", len(certificate)) + certificate,
        )
    )
