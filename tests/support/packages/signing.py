"""Keys that sign packages and the metadata of repositories, for one run of the tests."""

from __future__ import annotations

import functools

import pysequoia


class Key:
    """An OpenPGP key; `armored` is what users keep in a file."""

    def __init__(self, name: str) -> None:
        self._secret = pysequoia.Tsk.generate(f"{name} <{name}@example.com>", cipher_suite=pysequoia.CipherSuite.RSA2k)
        self.certificate = self._secret.extract_certificate()
        self.fingerprint = str(self.certificate.fingerprint).upper()
        self.armored = str(self.certificate).encode()

    def sign(self, data: bytes) -> bytes:
        """A detached signature, as its packet's bytes."""
        mode = pysequoia.SignatureMode.DETACHED
        return bytes(pysequoia.sign(self._secret.signer(), data, mode=mode, armor=False))

    def sign_armored(self, data: bytes) -> bytes:
        """The same as text, as it lies beside a `repomd.xml`."""
        return bytes(pysequoia.sign(self._secret.signer(), data, mode=pysequoia.SignatureMode.DETACHED))


@functools.cache
def key(name: str = "packager") -> Key:
    """The key of that name; made once, because that takes a while."""
    return Key(name)
