"""Small images that commands can run in, as an engine takes them: a shell with its usual commands, and more files."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from imagekit.architecture import ARM64, X86_64, Architecture
from imagekit.containers.images import Picture
from imagekit.oci.digest import Digest
from tests.support.bases import Node, folder, layer, link, program
from tests.support.tools import ARM64_SYSROOT, need, need_file


def busybox(architecture: Architecture) -> bytes:
    """A static one, by Debian."""
    return Path({X86_64: need, ARM64: need_file}[architecture](_SHELLS[architecture])).read_bytes()


_SHELLS = {X86_64: "busybox", ARM64: f"{ARM64_SYSROOT}/bin/busybox"}
_COMMANDS = """
base64 cat chmod cp date dd echo env false find grep head id kill ln ls mkdir mkfifo mknod mount mv nohup nproc printf
ps pwd rm sed seq setsid sh sha256sum sleep stat test touch tr true uname wc yes
"""


def picture(
    architecture: Architecture, nodes: Mapping[str, Node] | None = None, *, shell: bytes | None = None
) -> Picture:
    """An image for an architecture; its name is its content's."""
    tar = layer({**_system(busybox(architecture) if shell is None else shell), **(nodes or {})})
    diff_id = Digest.of(tar)
    config = json.dumps(
        {
            "architecture": architecture.oci,
            "os": "linux",
            "config": {"Env": ["PATH=/bin", "FROM_IMAGE=yes"], "User": "1000:1000", "Entrypoint": ["/nothing"]},
            "rootfs": {"type": "layers", "diff_ids": [str(diff_id)]},
            "history": [{"created_by": "by hand"}],
        }
    ).encode()
    name = f"imagekit/picture:{hashlib.sha256(config).hexdigest()[:12]}"
    archive = _archive(name, config, tar)
    return Picture(
        reference=name,
        architecture=architecture,
        diff_ids=(diff_id,),
        archive=lambda: contextlib.nullcontext([archive]),
    )


def _system(shell: bytes) -> dict[str, Node]:
    names = ("bin", "dev", "etc", "opt", "proc", "root", "run", "sys", "usr", "usr/lib", "var", "var/tmp")
    found = {name: folder() for name in names} | {"tmp": folder(0o1777)}
    found |= {"bin/busybox": program(shell), "etc/passwd": Node(b"root:x:0:0:root:/root:/bin/sh\n")}
    return found | {f"bin/{name}": link("busybox") for name in _COMMANDS.split()}


def _archive(name: str, config: bytes, tar: bytes) -> bytes:
    """As `docker save` writes it."""
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as out:
        for path, data in {"manifest.json": manifest, "config.json": config, "layer.tar": tar}.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return target.getvalue()
