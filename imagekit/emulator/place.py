"""What environments are made of: the function, its image, and how its runtime is started."""

from __future__ import annotations

import os
from typing import Final

from imagekit.emulator.happenings import Listener
from imagekit.emulator.identity import log_stream, uuid
from imagekit.emulator.loop import Loop
from imagekit.emulator.ports import Confines, RootFilesystem, Runner, Start
from imagekit.emulator.settings import Settings, World
from imagekit.emulator.variables import of_runtime
from imagekit.errors import InvalidFile
from imagekit.values import dataclass

_EXTENSIONS: Final = "opt/extensions"


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A function, and where it is to run."""

    loop: Loop
    world: World
    settings: Settings
    runner: Runner
    image: RootFilesystem
    extensions: tuple[str, ...]
    listener: Listener


def runtime_start(function: Function, address: str) -> tuple[Start, str]:
    """How a runtime is started that finds its API at this address, and its metadata token; raises InvalidFile."""
    config = function.image.config
    command = (*config.entrypoint, *config.command)
    if not command:
        raise InvalidFile(f"{function.image.reference} has neither ENTRYPOINT nor CMD", hint="nothing can be started")
    token = uuid(function.world)
    given = {
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream(function.world, function.settings.version),
        "AWS_LAMBDA_METADATA_API": address,
        "AWS_LAMBDA_METADATA_TOKEN": token,
    }
    if config.entrypoint and config.command:  # some runtime clients look nowhere else for it
        given["_HANDLER"] = function.settings.handler or config.command[-1]
    environment = of_runtime(config.environment, function.settings, given)
    return Start(command=command, environment=environment, directory=config.working_directory or "/"), token


def external_extensions(image: RootFilesystem, confines: Confines) -> tuple[str, ...]:
    """The programs in /opt/extensions, of the root file system and of what is mounted over it."""
    folders = [os.path.join(image.folder, _EXTENSIONS)] if image.folder else []
    folders += [
        os.path.join(mount.source, os.path.relpath(f"/{_EXTENSIONS}", mount.target))
        for mount in confines.mounts
        if f"/{_EXTENSIONS}/".startswith(mount.target.rstrip("/") + "/")
    ]
    found: set[str] = set()
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                found |= {entry.name for entry in entries if _is_program(entry)}
        except OSError:
            continue  # there is no such folder, which is usual
    return tuple(sorted(found))


def _is_program(entry: os.DirEntry[str]) -> bool:
    return entry.is_file() and bool(entry.stat().st_mode & 0o111)
