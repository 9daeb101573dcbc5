"""What update-ca-trust(8) extracts: the bundles that programs read, brought from what was trusted to what is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from imagekit.rootfs import der, key_store
from imagekit.rootfs.anchors import EVERYTHING, Anchor, Anchors, Purpose
from imagekit.rootfs.authorities import armored, bundle

FOLDER: Final = "etc/pki/ca-trust/extracted"
#: The bundle that nearly every program reads.
BUNDLE: Final = f"{FOLDER}/pem/tls-ca-bundle.pem"
_PEM: Final = {
    BUNDLE: Purpose.SERVER,
    f"{FOLDER}/pem/email-ca-bundle.pem": Purpose.EMAIL,
    f"{FOLDER}/pem/objsign-ca-bundle.pem": Purpose.CODE,
}
_OPENSSL: Final = f"{FOLDER}/openssl/ca-bundle.trust.crt"
_JAVA: Final = f"{FOLDER}/java/cacerts"


def extracted(there: Mapping[str, bytes], before: Anchors, after: Anchors) -> dict[str, bytes]:
    """The bundles that change, by path. `there` are the image's; all are made where it has none.

    What a bundle has beside the anchors stays in it. Raises InvalidFile for a bundle that is damaged.
    """
    made = {path: _bundle(there, path, _for(before, one), _for(after, one)) for path, one in _PEM.items()}
    gone = frozenset(one for one, anchor in before.items() if after.get(one) != anchor)
    made[_OPENSSL] = bundle(there.get(_OPENSSL, b""), {one: _openssl(anchor) for one, anchor in after.items()}, gone)
    used, wanted = _for(before, Purpose.SERVER), _for(after, Purpose.SERVER)
    new = [one for one in wanted if one not in used]
    made[_JAVA] = key_store.changed(there.get(_JAVA, b""), used.keys() - wanted.keys(), new)
    known = made.keys() & there.keys() if BUNDLE in there else made.keys()
    return {path: data for path, data in made.items() if path in known and there.get(path) != data}


def _bundle(there: Mapping[str, bytes], path: str, before: Anchors, after: Anchors) -> bytes:
    new = {one: anchor.authority.pem for one, anchor in after.items() if one not in before}
    return bundle(there.get(path, b""), new, before.keys() - after.keys())


def _for(anchors: Anchors, purpose: Purpose) -> Anchors:
    return {certificate: one for certificate, one in anchors.items() if purpose in one.purposes}


def _openssl(anchor: Anchor) -> bytes:
    """In OpenSSL's form, with its name, and with what it is trusted for where that is not everything."""
    authority = anchor.authority
    name = authority.label.encode()[:60].decode("utf-8", "ignore").encode()
    about = (
        b""
        if anchor.purposes == EVERYTHING
        else der.short(der.SEQUENCE, b"".join(der.short(der.OBJECT_ID, one) for one in anchor.ids))
    )
    about = der.short(der.SEQUENCE, about + der.short(der.UTF8, name))
    return b"# %s\n%s" % (authority.label.encode(), armored("TRUSTED CERTIFICATE", authority.certificate + about))
