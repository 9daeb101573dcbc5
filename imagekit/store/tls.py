"""TLS as it is spoken to a host: whom to trust, and who signed a certificate that is not trusted."""

from __future__ import annotations

import os
import ssl

from imagekit.errors import InvalidFile
from imagekit.store.hosts import Certificates
from imagekit.words import cleaned

#: Attributes of a distinguished name that say who somebody is (RFC 4519): common name, organisation, its unit.
_NAMED = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU"}
_SEQUENCE, _EXPLICIT_0 = 0x30, 0xA0


def context_for(certificates: Certificates) -> ssl.SSLContext:
    """A context that checks certificate and host name; raises InvalidFile for a file that holds none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificates.bundle:
        _trust(context, certificates.bundle)
    else:
        context.load_default_certs()
        if not _system_has_any():
            import certifi

            context.load_verify_locations(certifi.where())
    for path in certificates.authorities:
        _trust(context, path)
    if certificates.client:
        _present(context, *certificates.client)
    return context


def blind_context() -> ssl.SSLContext:
    """A context that checks nothing; only to look at a certificate, never to send anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def trusted(certificates: Certificates) -> str:
    """Which authorities a connection trusts, for people; raises InvalidFile for a file that holds none."""
    context_for(certificates)
    system = "the system's" if _system_has_any() else "certifi's, since the system has none"
    return ", ".join(dict.fromkeys([certificates.bundle or system, *certificates.authorities]))


def trusted_files(certificates: Certificates) -> tuple[str, ...]:
    """All files that hold what is trusted, for who takes files; none when it is only what everybody trusts anyway.

    Raises InvalidFile for a file that holds no certificate.
    """
    if not (certificates.bundle or certificates.authorities):
        return ()
    context_for(certificates)
    import certifi

    return (certificates.bundle or certifi.where(), *certificates.authorities)


def _trust(context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as error:
        raise InvalidFile(
            f"{path} holds no CA certificate: {error}", hint="it has to be a file in PEM format"
        ) from error


def _present(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        # An empty password: an encrypted key is an error, never a question on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        raise InvalidFile(
            f"the client certificate {certificate} with the key {key} cannot be used: {error}",
            hint="both have to be files in PEM format, the key without a passphrase",
        ) from error


def _system_has_any() -> bool:
    """Whether this Python's OpenSSL finds certificates where it was built to look; portable builds may not."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return True
    try:
        return bool(paths.capath and os.listdir(paths.capath))
    except OSError:
        return False


def issuer(certificate: bytes) -> str:
    """Who signed a certificate in DER, as `CN=…, O=…`; nothing when it cannot be read (RFC 5280, section 4.1)."""
    try:
        _, outer, _ = _element(certificate, 0)
        _, inner, _ = _element(outer, 0)
        position, kind = 0, _EXPLICIT_0
        parts: list[tuple[int, bytes]] = []
        while len(parts) < 3:
            kind, value, position = _element(inner, position)
            if kind != _EXPLICIT_0:
                parts.append((kind, value))
        return _name(parts[2][1])
    except (IndexError, ValueError):
        return ""


def _name(value: bytes) -> str:
    """An RDNSequence's attributes that people know."""
    found: list[str] = []
    position = 0
    while position < len(value) and len(found) < 8:
        _, group, position = _element(value, position)
        _, pair, _ = _element(group, 0)
        _, key, after = _element(pair, 0)
        _, text, _ = _element(pair, after)
        if key in _NAMED:
            found.append(f"{_NAMED[key]}={cleaned(text.decode('utf-8', 'replace'), 80)}")
    return ", ".join(found)


def _element(data: bytes, start: int) -> tuple[int, bytes, int]:
    """One DER element at `start`: its tag, its content, where the next begins (X.690, section 8.1)."""
    tag, length, begin = data[start], data[start + 1], start + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[begin : begin + count])
        begin += count
    if begin + length > len(data) or begin <= start:
        raise ValueError("a DER element is longer than what holds it")
    return tag, data[begin : begin + length], begin + length
