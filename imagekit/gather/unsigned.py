"""Package files outside all repositories that nobody answers for: neither a checksum of the spec nor a trusted key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from imagekit.errors import WrongSignature
from imagekit.findings import Finding, Severity
from imagekit.gather import paths
from imagekit.lock import LockedPlatform
from imagekit.lock_packages import LockedPackage, LockedPackages
from imagekit.oci.ports import Fetch
from imagekit.spec.platform import PlatformSpec

if TYPE_CHECKING:
    from imagekit.rpm.signature import Certificates


def unsigned(spec: PlatformSpec, locked: LockedPlatform, fetch: Fetch) -> Iterator[Finding]:
    """A warning for each package file of a platform that is neither pinned by the spec nor signed by one of the keys of
    its package repositories. Raises as `fetch` does, BuildFailed for a file that is no package.
    """
    packages = locked.packages or LockedPackages()
    unpinned = {item.name: item.place for item in spec.packages.install if not item.sha256}
    found = [item for item in packages.install if not item.repository and item.url in unpinned]
    if not found:
        return
    from imagekit.engines.native.trust import Keys

    keys = Keys(fetch=fetch, root=spec.root)
    trusted = [keys.locked(item) for item in packages.repositories.values()]
    for item in found:
        path = str(paths.local(spec.root, item.url, None)) if item.is_local else _fetched(fetch, item)
        if why := _refusal(item, path, trusted):
            yield Finding(
                code="IK0110",
                severity=Severity.WARNING,
                message=f"a package is taken without a trusted signature: {why}",
                hint="say its `sha256` in the spec, or have it signed by a key of one of the package repositories",
                place=unpinned[item.url],
            )


def _fetched(fetch: Fetch, item: LockedPackage) -> str:
    return fetch.fetch(item.url, digest=item.digest, size=item.size).path


def _refusal(item: LockedPackage, path: str, trusted: list[Certificates]) -> str:
    """Why a package's signature is not believed; empty when it is."""
    from imagekit.engines.native.trust import check_signature
    from imagekit.rpm.signature import Certificates

    everyone = Certificates(certificates=tuple(one for mine in trusted for one in mine.certificates))
    try:
        check_signature(item.url, path, everyone)
    except WrongSignature as error:
        return error.message
    return ""
