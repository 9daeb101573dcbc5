"""The client of arm64 in a root directory of arm64: client, worker and interpreter lie where an image has them."""

from __future__ import annotations

import os
from pathlib import Path

from tests.client.running import Client
from tests.client.workers import Worker
from tests.support.runtime_api import RuntimeApi
from tests.support.tools import ARM64_SYSROOT, missing, need, need_file

#: Who runs programs of arm64; registered so that the kernel has it at hand in any root directory (flag F).
_EMULATOR = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64")
#: What is mounted lies in a namespace of its own, which ends with its last process: nothing stays behind.
_ENTER = """
set -eu
root=$1 system=$2 folder=$3 count=$4
shift 4
mount -t tmpfs root "$root"
for path in "$system"/*; do
    name=$root/${path##*/}
    if [ -L "$path" ]; then
        cp -P "$path" "$name"
    else
        mkdir "$name"
        [ "${path##*/}" = var ] || mount --bind "$path" "$name"
    fi
done
for name in proc dev; do
    mkdir -p "$root/$name"
    mount --rbind "/$name" "$root/$name"
done
mkdir -m 1777 -p "$root/tmp"
mkdir -p "$root/var/runtime" "$root/var/task"
mount --bind "$folder" "$root/var/runtime"
mount --bind "$folder/task" "$root/var/task"
while [ "$count" -gt 0 ]; do
    mkdir -p "$(dirname "$root$2")"
    : >"$root$2"
    mount --bind "$1" "$root$2"
    shift 2
    count=$((count - 1))
done
exec chroot "$root" "$@"
"""


class ClientInRoot(Client):
    """A client that sees nothing of this machine but its kernel; it needs root, or namespaces that users may make."""

    def __init__(self, folder: Path, api: RuntimeApi) -> None:
        super().__init__(folder, "arm64", api)
        need_file(f"{ARM64_SYSROOT}/.packages")
        if not _EMULATOR.exists() or "F" not in _EMULATOR.read_text().partition("flags: ")[2].partition("\n")[0]:
            missing("programs of arm64 do not run here; scripts/ci-tools registers qemu for them")
        api.patience = 6
        self._root = folder / "root"
        self._root.mkdir()
        #: Paths in the root directory by what lies there.
        self._programs: dict[str, str] = {}
        self.environment["LAMBDA_TASK_ROOT"] = "/var/task"

    def install(self, worker: Worker) -> tuple[str, ...]:
        self._programs = {path: find() for path, find in worker.arm64.items()}
        worker.copy(self.folder)
        worker.handlers(self.task)
        return worker.command

    def _command(self) -> tuple[str, ...]:
        own = () if os.geteuid() == 0 else ("--map-root-user",)
        mounts = [word for path, program in self._programs.items() for word in (program, path)]
        places = (str(self._root), ARM64_SYSROOT, str(self.folder), str(len(self._programs)))
        enter = (need("unshare"), "--mount", *own, "/bin/sh", "-c", _ENTER, "sh", *places, *mounts)
        return (*enter, "/var/runtime/bootstrap")
