"""The commands of this machine that a language's own build needs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from imagekit.errors import Missing
from imagekit.findings import Place
from imagekit.language import Language, Tool
from imagekit.spec import placeholders
from imagekit.spec.platform import PlatformSpec
from imagekit.words import cleaned

#: Seconds that a tool gets to answer a probe.
_PROBE: Final = 60
#: Characters that are shown of what it said.
_SAID: Final = 200


def check(
    tools: Iterable[Tool], spec: PlatformSpec, language: Language, environment: Mapping[str, str], place: Place | None
) -> None:
    """Raise Missing for the first that is not there or not ready for the platform."""
    for _, missing in looked_for(tools, spec, language, environment, place):
        if missing:
            raise missing


def looked_for(
    tools: Iterable[Tool], spec: PlatformSpec, language: Language, environment: Mapping[str, str], place: Place | None
) -> Iterator[tuple[str, Missing | None]]:
    """Each command, and what is wrong with it for the platform."""
    architecture = spec.architecture
    words = {"rpm_arch": architecture.rpm, "oci_arch": architecture.oci, **language.words(architecture)}
    for tool in tools:
        command = placeholders.expand(tool.command, words)
        what = _problem(tool, command, spec.root, environment)
        missing = Missing(
            f"{what}: {language.title} needs it to build for {architecture}",
            hint=placeholders.expand(tool.advice, words),
            place=place,
        )
        yield command, missing if what else None


def _problem(tool: Tool, command: str, folder: str, environment: Mapping[str, str]) -> str:
    if shutil.which(command, path=environment.get("PATH")) is None:
        return f"there is no `{command}` on this machine"
    said = _refusal(tool.probe, folder, environment) if tool.probe else None
    if said is None:
        return ""
    return f"`{command}` is not ready ({said})" if said else f"`{command}` is not ready"


def _refusal(probe: str, folder: str, environment: Mapping[str, str]) -> str | None:
    """The last that a probe said which failed in the project's folder, where tools look for their settings."""
    try:
        ran = subprocess.run(
            ["/bin/sh", "-c", probe],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not answer in {_PROBE} s"
    if not ran.returncode:
        return None
    lines = ran.stderr.decode("utf-8", "replace").strip().splitlines()
    return cleaned(lines[-1], _SAID) if lines else ""
