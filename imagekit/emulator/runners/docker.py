"""A Docker engine: a container a sandbox, and each process an `exec` in it (Docker Engine API).

The container lives as long as the connection to its first process's standard input: when imagekit is killed, the engine
closes it, the container ends and is removed. What an engine that was killed itself leaves is removed by a later run.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from imagekit import architecture as architectures
from imagekit.architecture import Architecture
from imagekit.containers import connection, images
from imagekit.emulator.ports import Confines, Mount, Network, RootFilesystem
from imagekit.emulator.runners import emulated, inside, rules
from imagekit.emulator.runners.container import Container
from imagekit.emulator.runners.holder import holder
from imagekit.emulator.runners.means import Means
from imagekit.emulator.runners.wardens import Warden
from imagekit.errors import BuildFailed, Missing, RemoteFailed

if TYPE_CHECKING:
    from docker import APIClient

_CONNECT: Final = 10
_SOCKET: Final = "/var/run/docker.sock"
_LABEL: Final = "dev.imagekit.sandbox"
#: Where a folder of imagekit's with the holder is mounted.
_TOOLS: Final = "/.imagekit"


class Docker:
    """The runner `docker`."""

    name = "docker"

    def __init__(self, means: Means) -> None:
        self._means = means
        self._warden = Warden()
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._is_swept = False

    def missing(self, architecture: Architecture) -> Missing | None:
        """What this machine lacks; without an engine in reach, the Docker SDK is not even imported."""
        if not _may_be_there(self._means):
            return Missing("no Docker engine can be reached", hint="start one, or name it with DOCKER_HOST")
        try:
            with self._engine() as engine:
                return _unfit(engine, architecture)
        except Missing as missing:
            return missing

    def open(self, image: RootFilesystem, confines: Confines) -> Container:
        """A new sandbox; the image is loaded or pulled when the engine lacks it. Raises Missing, BuildFailed."""
        engine = self._connected()
        try:
            with _in_words():
                problem = _unfit(engine, image.architecture)
                if problem:
                    raise problem
                self._sweep(engine)
                name = self._image(engine, image)
                tools = self._tools(engine)
                options = _options(confines, tools)
                container = engine.create_container(
                    name,
                    entrypoint=[f"{_TOOLS}/{os.path.basename(tools)}"],
                    command=[],
                    user=f"{rules.USER}:{rules.GROUP}",
                    stdin_open=True,
                    working_dir="/",
                    hostname=rules.HOST if confines.network is Network.NONE else None,
                    labels={_LABEL: str(os.getpid())},
                    healthcheck={"test": ["NONE"]},
                    host_config=engine.create_host_config(**options),
                    platform=image.architecture.platform,
                )
                return Container(engine, container["Id"], confines, self._warden, os.path.dirname(tools))
        except BaseException:
            engine.close()
            raise

    def _image(self, engine: APIClient, image: RootFilesystem) -> str:
        """The engine's name of the image: what it has when its layers are the same, else what it loads or pulls."""
        wanted = [str(item) for item in image.config.diff_ids]
        with self._lock:
            for name in (self._known.get(image.reference, ""), image.reference):
                if name and _layers(engine, name, image.architecture) == wanted:
                    return name
            if self._means.archive:
                with self._means.archive(image) as pieces:
                    names = [*images.load(engine, pieces)]
            else:
                engine.pull(image.reference, platform=image.architecture.platform)
                names = [image.reference]
            for name in names:
                if _layers(engine, name, image.architecture) == wanted:
                    self._known[image.reference] = name
                    return name
        raise BuildFailed(
            f"the Docker engine has another image under {image.reference}",
            hint="remove it there, or use --runner bubblewrap",
        )

    def _tools(self, engine: APIClient) -> str:
        """The holder for the engine's machine, in a folder that the engine can mount."""
        machine = architectures.from_text(engine.version()["Arch"])
        folder = os.path.join(self._means.folder, "tools")
        path = os.path.join(folder, f"holder-{machine}")
        program = holder(machine)
        os.makedirs(folder, 0o755, exist_ok=True)
        if not os.path.exists(path) or os.stat(path).st_size != len(program):
            unfinished = f"{path}.{os.getpid()}.part"
            with open(unfinished, "wb") as file:
                file.write(program)
                os.fchmod(file.fileno(), stat.S_IRUSR | stat.S_IWUSR | 0o155)
            os.replace(unfinished, path)
        return path

    def _sweep(self, engine: APIClient) -> None:
        """Remove containers of runs that are over."""
        if self._is_swept:
            return
        self._is_swept = True
        for found in engine.containers(all=True, filters={"label": _LABEL}):
            owner = found["Labels"].get(_LABEL, "")
            if not owner.isdigit() or not os.path.exists(f"/proc/{owner}"):
                engine.remove_container(found["Id"], force=True, v=True)

    @contextmanager
    def _engine(self) -> Iterator[APIClient]:
        engine = self._connected()
        try:
            with _in_words():
                yield engine
        finally:
            engine.close()

    def _connected(self) -> APIClient:
        return connection.client(self._means.environment)


def _may_be_there(means: Means) -> bool:
    """False when nobody listens on the socket where the engine should be; what is no such socket is left to the SDK."""
    named = means.environment.get("DOCKER_HOST", "")
    if (named and not named.startswith("unix://")) or (not named and _names_context(means)):
        return True
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(_CONNECT)
        try:
            end.connect(named.removeprefix("unix://") or _SOCKET)
        except OSError:
            return False
    return True


def _names_context(means: Means) -> bool:
    """True when the user chose a context of the Docker command's."""
    folder = means.environment.get("DOCKER_CONFIG") or os.path.join(means.environment.get("HOME", "/"), ".docker")
    try:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            settings = json.load(file)
    except (OSError, ValueError):
        return False
    context = settings.get("currentContext", "") if isinstance(settings, dict) else ""
    return "DOCKER_CONTEXT" in means.environment or context not in ("", "default")


def _unfit(engine: APIClient, architecture: Architecture) -> Missing | None:
    """Why this engine cannot run images of an architecture here."""
    if not engine.base_url.startswith(("http+docker://", "http://127.0.0.1", "http://localhost", "npipe://")):
        return Missing(
            f"the Docker engine {engine.base_url} is another machine",
            hint="use an engine of this machine; unset DOCKER_HOST or choose another context",
        )
    version = engine.version()
    runs = version["Arch"] == architecture.oci or _is_elsewhere() or emulated.kernel_runs(architecture)
    if version["Os"] != "linux" or not runs:
        return Missing(
            f"the Docker engine runs no programs of {architecture.platform}",
            hint="install the package qemu-user-static on the engine's machine, or use a Linux engine",
        )
    return None


def _is_elsewhere() -> bool:
    """True where the engine is in a virtual machine, which brings interpreters for the other architecture."""
    return os.uname().sysname != "Linux"


def _options(confines: Confines, tools: str) -> dict[str, Any]:
    """Lambda's rules as the engine's options."""
    network = "none" if confines.network is Network.NONE else "bridge" if _is_elsewhere() else "host"
    memory = (confines.memory + confines.temporary) * rules.MIB
    binds = {os.path.dirname(tools): {"bind": _TOOLS, "mode": "ro"}}
    return {
        "auto_remove": True,
        "network_mode": network,
        "read_only": True,
        **_temporary(confines),
        "ipc_mode": "none",  # there is no /dev/shm on Lambda
        "mem_limit": memory,
        "memswap_limit": memory,
        "pids_limit": rules.PROCESSES,
        "ulimits": [
            {"Name": "nofile", "Soft": rules.OPEN_FILES, "Hard": rules.OPEN_FILES},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "extra_hosts": {rules.HOST: "127.0.0.1", f"{rules.HOST}.localdomain": "127.0.0.1"},
        "binds": {**binds, **dict(_bind(mount) for mount in confines.mounts)},
    }


def _temporary(confines: Confines) -> dict[str, Any]:
    """/tmp with its size; where it is kept, a volume, since an engine gives no archive of a container's own tmpfs."""
    from docker.types import DriverConfig
    from docker.types import Mount as Volume

    options = f"nosuid,nodev,mode=1777,size={confines.temporary * rules.MIB}"
    if not confines.keeps_temporary:
        return {"tmpfs": {"/tmp": f"rw,exec,{options}"}}
    driver = DriverConfig("local", {"type": "tmpfs", "device": "tmpfs", "o": options})
    return {"mounts": [Volume("/tmp", None, type="volume", no_copy=True, driver_config=driver)]}


def _bind(mount: Mount) -> tuple[str, dict[str, str]]:
    return inside.source_of(mount), {"bind": mount.target, "mode": "rw" if mount.is_writable else "ro"}


def _layers(engine: Any, name: str, architecture: Architecture) -> list[str] | None:
    """The diff IDs of an image that the engine has."""
    from docker.errors import ImageNotFound

    try:
        found = engine.inspect_image(name)
    except ImageNotFound:
        return None
    layers: list[str] = found["RootFS"].get("Layers") or []
    return layers if found["Architecture"] == architecture.oci else None


@contextmanager
def _in_words() -> Iterator[None]:
    """The engine's errors as imagekit's."""
    from docker.errors import APIError, DockerException

    try:
        yield
    except APIError as error:
        kind = BuildFailed if error.is_client_error() else RemoteFailed
        raise kind(f"the Docker engine does not make a sandbox: {error.explanation or error}") from error
    except (DockerException, OSError) as error:
        raise RemoteFailed(f"the connection to the Docker engine broke: {error}") from error
