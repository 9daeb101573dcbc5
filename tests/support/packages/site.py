"""Amazon Linux's package site as files of a server: mirror lists, addresses with identifiers, a store of blobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import replace

from tests.support.packages.package import Package
from tests.support.packages.repository import Repository

#: The host that the stand-in is a mirror of.
HOST = "cdn.amazonlinux.com"
RELEASE = "2023.6.20241212"


def al2023(files: MutableMapping[str, bytes], repositories: Mapping[str, Repository], *releases: str) -> None:
    """Serve repositories, by rpm's name of the architecture, as Amazon Linux 2023 of these releases (and `latest`)."""
    for arch, repository in repositories.items():
        guid = _identifier("al2023", arch, repository.revision)
        root = f"/al2023/core/guids/{guid}/{arch}"
        for release in releases or (RELEASE, "latest"):
            files[f"/al2023/core/mirrors/{release}/{arch}/mirror.list"] = f"https://{HOST}{root}/\n".encode()
        _serve(files, root, replace(repository, href=blobstore("../../../../")), "/al2023/blobstore")


def al2(files: MutableMapping[str, bytes], repositories: Mapping[str, Repository], **extras: Repository) -> None:
    """Serve repositories as Amazon Linux 2's core; `extras` are topics, for every architecture of the core."""
    for arch, repository in repositories.items():
        root = f"/2/core/2.0/{arch}/{_identifier('al2', arch)}"
        for release in ("latest", "2.0"):
            files[f"/2/core/{release}/{arch}/mirror.list"] = f"https://{HOST}{root}\n".encode()
        _serve(files, root, replace(repository, href=blobstore("../../../../../")), "/blobstore")
        for topic, extra in extras.items():
            mine = replace(
                extra,
                packages=tuple(item for item in extra.packages if item.arch in {arch, "noarch"}),
                href=blobstore("../../../../../../"),
            )
            root = f"/2/extras/{topic}/latest/{arch}/{_identifier('extras', topic, arch)}"
            files[f"/2/extras/{topic}/latest/{arch}/mirror.list"] = f"https://{HOST}{root}\n".encode()
            _serve(files, root, mine, "/blobstore")
    topics = [{"n": topic, "inst": [], "versions": [], "visible": True} for topic in extras]
    files["/2/extras-catalog.json"] = json.dumps({"version": 1, "topics": topics}).encode()


def blobstore(up: str) -> Callable[[Package], str]:
    """Addresses in the store of blobs, so many folders up from a repository's root."""

    def href(package: Package) -> str:
        return f"{up}blobstore/{package.built.sha256}/{package.file_name}"

    return href


def serve(files: MutableMapping[str, bytes], root: str, repository: Repository) -> None:
    """Serve a plain repository below `root`, such as `/corp`."""
    files.update({f"{root}/{path}": data for path, data in repository.files.items()})


def _serve(files: MutableMapping[str, bytes], root: str, repository: Repository, store: str) -> None:
    files.update({f"{root}/{path}": data for path, data in repository.repodata.items()})
    for package in repository.packages:
        files[f"{store}/{package.built.sha256}/{package.file_name}"] = package.built.data


def _identifier(*words: str) -> str:
    return hashlib.sha256(" ".join(words).encode()).hexdigest()
