"""imagekit's runtime client, before every worker whose interpreter is on this machine."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.runtime_client import foreign
from benchmarks.runtime_client.candidates import PARTS, Candidate, Missing, Workshop, need
from imagekit import architecture, client, language
from imagekit.client import build, configuration
from imagekit.spec.bootstrap import Client, Mode

_RUNTIME = "/var/runtime/"
#: Bytes of a streamed answer.
STREAM = 1_000_000_000
#: Languages by what their handler is called in `handlers/`.
_HANDLERS = {
    "nodejs": "echo.handler",
    "python": "echo.handler",
    "php": "echo.php",
    "perl": "echo.handler",
    "ruby": "echo.handler",
    "bash": "echo.handler",
}


def makers() -> Mapping[str, Callable[[Workshop], Candidate]]:
    """Candidates by name; making one raises Missing where it cannot be measured."""
    languages = {name: lambda shop, name=name: _language(shop, name) for name in _HANDLERS}
    return {"native": _native, "native stream": _stream, "per event": _per_event, **languages}


def _native(shop: Workshop) -> Candidate:
    worker = shop.compiled("echo", PARTS / "workers/echo.c")
    return _candidate(shop, "native", Client(command=(str(worker),)))


def _stream(shop: Workshop) -> Candidate:
    worker = shop.compiled("echo", PARTS / "workers/echo.c")
    return _candidate(shop, "native stream", Client(command=(str(worker), str(STREAM))), stream=STREAM)


def _per_event(shop: Workshop) -> Candidate:
    program = shop.compiled("copy", PARTS / "workers/copy.c")
    return _candidate(shop, "per event", Client(mode=Mode.PER_EVENT, command=(str(program),)))


def _language(shop: Workshop, name: str) -> Candidate:
    worker = language.read(name).worker if name in language.known() else None
    if worker is None:
        raise Missing(f"imagekit has no worker for {name}")
    folder = _folder(shop, name)
    for file, source in worker.files.items():
        shutil.copy(source, folder / file)
    words = [word.replace(_RUNTIME, f"{folder}/") for word in worker.command]
    command = (*_interpreter(shop, words[0]), *words[1:])
    settings = {**worker.settings, "directory": str(shop.task)}
    made = Client(command=command, settings=settings, environment=worker.environment)
    more = foreign.perl(shop) if name == "perl" else {}
    return _candidate(shop, name, made, handler=_HANDLERS[name], **more)


def _interpreter(shop: Workshop, path: str) -> tuple[str, ...]:
    """The interpreter and the settings that the peer of the same language runs with too."""
    name = Path(path).name
    if name == "python3":
        return (foreign.python(shop),)
    if name == "php":
        return foreign.php(shop)
    return (need(name),)


def _folder(shop: Workshop, name: str) -> Path:
    folder = shop.folder / "own" / name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _candidate(shop: Workshop, name: str, made: Client, **more: Any) -> Candidate:
    """The client in a folder of its own, with its configuration; `more` are fields of the candidate."""
    folder = _folder(shop, name)
    program = client.path(architecture.from_text(platform.machine()))
    if not program.exists():
        raise Missing("the runtime client is not built: pip install --editable .")
    source = Path(client.__file__).parent
    if (source / "bin/.fingerprint").read_text() != build.fingerprint(source):
        raise Missing("the runtime client is older than its source: pip install --editable .")
    shutil.copy(program, folder / "bootstrap")
    (folder / "bootstrap.conf").write_bytes(configuration.to_bytes(made))
    return Candidate(name=name, command=(str(folder / "bootstrap"),), **more)
