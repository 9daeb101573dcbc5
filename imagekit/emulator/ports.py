"""The seams of the local Lambda: what confines a function's processes, and what the emulator asks of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from socket import socket
from typing import Protocol

from imagekit.architecture import Architecture
from imagekit.errors import Missing
from imagekit.oci.config import Config
from imagekit.values import dataclass


class Network(StrEnum):
    """What a function reaches beside the Runtime API."""

    HOST = "host"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """A folder of this machine in the function's root file system; both paths are absolute."""

    source: str
    target: str
    is_writable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Confines:
    """What a function may use. `memory` and `temporary`, the size of /tmp, are in MiB.

    `keeps_temporary` says that `Sandbox.keep` will be asked for what /tmp holds.
    """

    memory: int = 128
    temporary: int = 512
    network: Network = Network.HOST
    mounts: tuple[Mount, ...] = ()
    keeps_temporary: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RootFilesystem:
    """An image ready to run: its config, and the folder that it is unpacked in (empty where a runner needs none).

    `reference` is its name and digest for messages, and for engines that have it already.
    """

    reference: str
    architecture: Architecture
    config: Config
    folder: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What is started: words, environment and working directory, all as inside the image."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"


class Process(Protocol):
    """A process in a sandbox."""

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code, negative for a signal; None while it runs. Without `seconds` it waits for the end."""

    def terminate(self) -> None:
        """Send SIGTERM to the process itself."""

    def kill(self) -> None:
        """Send SIGKILL to it and to all that it started."""


class Terminal(Protocol):
    """A process in a sandbox with a terminal of its own, seen from the side of the keyboard and the screen."""

    def fileno(self) -> int:
        """What to wait for until something is to be read."""

    def read(self) -> bytes:
        """What it writes; empty at the end."""

    def write(self, data: bytes) -> None:
        """What is typed."""

    def resize(self, rows: int, columns: int) -> None:
        """How large the screen is."""

    def wait(self, seconds: float | None = None) -> int | None:
        """As a Process has it."""

    def close(self) -> None:
        """Let go of it; a process that still runs is told by a hangup."""


class Sandbox(Protocol):
    """One execution environment's place: a read-only root file system, /tmp, limits. Processes in it see each other.

    One thread opens it, calls its methods and closes it, and lives until then: what ends with the thread that started
    it (PR_SET_PDEATHSIG) lives as long. Only `connect`, and what a Process has, are called from other threads too.
    """

    @property
    def keeps_memory(self) -> str:
        """How the limit of its memory is kept, in words for people."""

    def listen(self) -> tuple[socket, str]:
        """A TCP socket that listens, and the `host:port` by which processes inside reach it."""

    def connect(self, port: int) -> socket:
        """A connection to what listens on this TCP port inside (`sandbox.localdomain`, as telemetry goes to it)."""

    def start(self, what: Start, stdout: int, stderr: int) -> Process:
        """Start a process with these descriptors (stdin is /dev/null); raises BuildFailed when it cannot start."""

    def terminal(self, what: Start) -> Terminal:
        """Start a process with a terminal of its own; raises BuildFailed when it cannot start."""

    def keep(self, folder: str) -> int:
        """Copy what /tmp holds into an empty folder; how many things of it could not be. Raises BuildFailed."""

    def peak_memory(self) -> int:
        """The most memory, in bytes, that all processes inside used at once so far; 0 when it is not known."""

    def close(self) -> None:
        """End everything inside and take everything down; a second call does nothing."""


class Runner(Protocol):
    """A way to make sandboxes."""

    @property
    def name(self) -> str:
        """As `--runner` takes it."""

    def missing(self, architecture: Architecture) -> Missing | None:
        """What this machine lacks for it, with advice; None when it works here."""

    def open(self, image: RootFilesystem, confines: Confines) -> Sandbox:
        """A new sandbox."""
