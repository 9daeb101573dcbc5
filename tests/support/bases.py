"""Stand-ins for AWS's OS-only base images, made on the spot: two platforms, four layers, AWS's config.

They are made without imagekit's own code, so that a fault in it cannot hide in them.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field

ENTRYPOINT_SCRIPT = b"""#!/bin/sh
if [ $# -ne 1 ]; then
  echo "entrypoint requires the handler name to be the first argument" 1>&2
  exit 142
fi
export _HANDLER="$1"
RUNTIME_ENTRYPOINT=/var/runtime/bootstrap
if [ -z "${AWS_LAMBDA_RUNTIME_API}" ]; then
  exec /usr/local/bin/aws-lambda-rie $RUNTIME_ENTRYPOINT
else
  exec $RUNTIME_ENTRYPOINT
fi
"""
ENVIRONMENT = [
    "LANG=en_US.UTF-8",
    "TZ=:/etc/localtime",
    "PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    "LAMBDA_TASK_ROOT=/var/task",
    "LAMBDA_RUNTIME_DIR=/var/runtime",
]
#: Media types of the two families: index, manifest, config, layer.
TYPES = {
    "oci": (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar+gzip",
    ),
    "docker": (
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ),
}


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass
class Node:
    """A file, folder (`data` None) or link of a layer."""

    data: bytes | None = b""
    mode: int = 0o644
    link: str = ""


def folder(mode: int = 0o755) -> Node:
    return Node(data=None, mode=mode)


def link(target: str) -> Node:
    return Node(link=target)


def program(data: bytes) -> Node:
    return Node(data=data, mode=0o755)


def layer(nodes: Mapping[str, Node]) -> bytes:
    """An uncompressed layer."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, node in nodes.items():
            info = tarfile.TarInfo(name)
            info.mode, info.mtime = node.mode, 1_700_000_000
            if node.link:
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, node.link, 0o777
                tar.addfile(info)
            elif node.data is None:
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                info.size = len(node.data)
                tar.addfile(info, io.BytesIO(node.data))
    return target.getvalue()


def system_layers(architecture: str, programs: Mapping[str, bytes], size: int = 0) -> list[dict[str, Node]]:
    """The four layers of a base: system, emulator, settings, entrypoint. `size` bytes of ballast are random."""
    import random

    names = ("etc", "opt", "run", "usr", "var", "var/lang", "var/lib", "var/runtime", "var/task", "usr/local")
    names += ("usr/local/bin", "usr/share", "proc", "sys", "dev", "root", "home")
    system = {name: folder() for name in names}
    system |= {name: folder(0o555) for name in ("usr/bin", "usr/lib", "usr/lib64", "usr/sbin")}
    system |= {"tmp": folder(0o1777), "var/tmp": folder(0o1777)}
    system |= {name: link(f"usr/{name}") for name in ("bin", "lib", "lib64", "sbin")}
    system |= {"usr/lib64/libc.so.6": program(b"the libc of " + architecture.encode()), "var/run": link("../run")}
    system |= {"etc/passwd": Node(b"root:x:0:0:root:/root:/bin/sh\n"), "etc/group": Node(b"root:x:0:\n")}
    paths = {name if "/" in name else f"usr/bin/{name}": data for name, data in programs.items()}
    system |= {path: program(data) for path, data in paths.items() if path != "usr/bin/aws-lambda-rie"}
    if size:
        system["usr/share/ballast"] = Node(random.Random(architecture).randbytes(size))
    emulator = programs.get("aws-lambda-rie", b"#!/bin/sh\nexit 1\n")
    return [
        system,
        {"usr/local/bin/aws-lambda-rie": program(emulator)},
        {"etc/system-release": Node(b"a stand-in for Amazon Linux\n")},
        {"lambda-entrypoint.sh": program(ENTRYPOINT_SCRIPT)},
    ]


@dataclass
class StandIn:
    """An index with its manifests, configs and layers, by digest."""

    index: bytes
    index_type: str
    manifests: dict[str, bytes] = field(default_factory=dict)
    manifest_type: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        family: str = "oci",
        programs: Mapping[str, Mapping[str, bytes]] | None = None,
        size: int = 0,
        architectures: tuple[str, ...] = ("amd64", "arm64"),
        *,
        on_build: bool = True,
        also: Mapping[str, Mapping[str, Node]] | None = None,
    ) -> StandIn:
        """A base of one family; `programs` by architecture and name go to /usr/bin (the emulator to its place), those
        with a path to it. `also` is a further layer, by architecture.

        `on_build` gives it a trigger that AWS's has not, and that no image built on it may keep.
        """
        tars = {}
        for architecture in architectures:
            parts = system_layers(architecture, (programs or {}).get(architecture, {}), size)
            parts += [dict(also[architecture])] if also else []
            tars[architecture] = [layer(nodes) for nodes in parts]
        return cls.of(tars, family, on_build=on_build)

    @classmethod
    def of(
        cls, tars: Mapping[str, list[bytes]], family: str = "oci", *, on_build: bool = False, level: int = 6
    ) -> StandIn:
        """A base of these layers, by OCI's name of the architecture."""
        index_type, manifest_type, config_type, layer_type = TYPES[family]
        made = cls(index=b"", index_type=index_type, manifest_type=manifest_type)
        entries = []
        for architecture, plain in tars.items():
            layers = [made.add(gzip.compress(tar, level, mtime=0), layer_type) for tar in plain]
            config = made.add(json.dumps(_config(architecture, plain, family, on_build=on_build)).encode(), config_type)
            manifest = json.dumps(
                {"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": layers}, indent=3
            ).encode()
            made.manifests[digest(manifest)] = manifest
            platform = {"os": "linux", "architecture": architecture}
            if architecture == "arm64":
                platform["variant"] = "v8"
            entries.append(
                {"mediaType": manifest_type, "digest": digest(manifest), "size": len(manifest), "platform": platform}
            )
        made.index = json.dumps({"schemaVersion": 2, "mediaType": index_type, "manifests": entries}, indent=3).encode()
        return made

    def add(self, data: bytes, media_type: str) -> dict[str, object]:
        """Keep a blob; its descriptor."""
        self.blobs[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def push(self, host: str, repository: str, tag: str) -> str:
        """Upload everything to a plain registry; the digest of the index."""
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            for name, data in self.blobs.items():
                _upload(connection, repository, name, data)
            for name, data in self.manifests.items():
                _put(connection, f"/v2/{repository}/manifests/{name}", data, self.manifest_type)
            _put(connection, f"/v2/{repository}/manifests/{tag}", self.index, self.index_type)
        finally:
            connection.close()
        return digest(self.index)


def _config(architecture: str, tars: list[bytes], family: str, *, on_build: bool) -> dict[str, object]:
    history: list[dict[str, object]] = [
        {"created": "2026-01-01T00:00:00Z", "created_by": f"ADD layer {number}"} for number in range(len(tars))
    ]
    document: dict[str, object] = {
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Env": ENVIRONMENT,
            "Entrypoint": ["/lambda-entrypoint.sh"],
            "WorkingDir": "/var/task",
            "Cmd": ["inherited.handler"],
            "OnBuild": ["RUN nothing"] if on_build else [],
            "Labels": {"maintainer": "AWS"},
        },
        "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in tars]},
        "history": history,
    }
    if family == "docker":
        history.insert(1, {"created_by": "ENV LANG=en_US.UTF-8", "empty_layer": True})
        history.append({"created_by": "WORKDIR /var/task", "empty_layer": True})
        document |= {"container": "0123", "docker_version": "20.10", "container_config": {"Cmd": ["x"]}}
    return document


def _upload(connection: http.client.HTTPConnection, repository: str, name: str, data: bytes) -> None:
    connection.request("POST", f"/v2/{repository}/blobs/uploads/", headers={"Content-Length": "0"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 202, answer.status
    location = answer.headers["Location"]
    location = location[location.index("/v2/") :]
    mark = "&" if "?" in location else "?"
    connection.request(
        "PUT", f"{location}{mark}digest={name}", body=data, headers={"Content-Type": "application/octet-stream"}
    )
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 201, answer.status


def _put(connection: http.client.HTTPConnection, path: str, data: bytes, media_type: str) -> None:
    connection.request("PUT", path, body=data, headers={"Content-Type": media_type})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 201, (answer.status, body[:300])
