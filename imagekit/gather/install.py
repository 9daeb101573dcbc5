"""Running what installs dependencies: in a scratch folder with copies of its inputs, and only when these changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from typing import Final

from imagekit.errors import BuildFailed, InvalidFile
from imagekit.gather import host, paths, tools
from imagekit.gather.dependencies import Installation
from imagekit.gather.workshop import Workshop
from imagekit.language import Language
from imagekit.oci import canonical
from imagekit.oci.digest import Digest
from imagekit.spec.platform import PlatformSpec

_KIND: Final = "dependencies"


def check(spec: PlatformSpec, language: Language, wanted: Installation, workshop: Workshop) -> None:
    """Raise Missing when this machine lacks what the command needs.

    Where these inputs were installed before the command will hardly run, and its tools are not asked: starting them
    takes longer than all else of a build that changes nothing. Should it run after all, they are asked then.
    """
    environment = workshop.environment_of(spec, language, wanted.output)
    inputs = dict(_inputs(spec, wanted))
    key = _key(wanted, inputs, _added(environment, workshop))
    if workshop.cache.record(_KIND, key) is None or not wanted.output.is_dir():
        _check_tools(spec, language, wanted, environment, workshop)


def install(spec: PlatformSpec, language: Language, wanted: Installation, workshop: Workshop) -> None:
    """Run the command, unless what it left is still what these inputs gave; raises BuildFailed."""
    how, title = wanted.how, f"{spec.architecture} dependencies"
    environment = workshop.environment_of(spec, language, wanted.output)
    inputs = dict(_inputs(spec, wanted))
    with workshop.progress.task(f"{title}: {how.manifest}") as task:
        key = _key(wanted, inputs, _added(environment, workshop))
        kept = workshop.cache.record(_KIND, key)
        if kept is not None and wanted.output.is_dir() and kept == str(workshop.state(wanted.output)).encode():
            task.say("unchanged")
            return
        _check_tools(spec, language, wanted, environment, workshop)
        _lay_out(wanted, inputs)
        command = host.HostCommand(
            script=how.run,
            directory=wanted.work,
            environment=environment,
            log=workshop.folder / "log" / f"{spec.architecture}-dependencies.log",
        )
        try:
            host.run(command, task.say)
        except BuildFailed as error:
            raise BuildFailed(f"{title}: {error.message}", hint=error.hint, place=wanted.place) from error
        wanted.output.mkdir(parents=True, exist_ok=True)
        workshop.cache.keep(_KIND, key, str(workshop.state(wanted.output)).encode())


def _check_tools(
    spec: PlatformSpec, language: Language, wanted: Installation, environment: Mapping[str, str], workshop: Workshop
) -> None:
    """Ask the tools, once for a platform."""
    if spec.architecture.name not in workshop.asked:
        tools.check(wanted.how.toolchain, spec, language, environment, wanted.place)
        workshop.asked.add(spec.architecture.name)


def _added(environment: Mapping[str, str], workshop: Workshop) -> dict[str, str]:
    """What the command sees beside the user's own environment."""
    return {name: text for name, text in environment.items() if workshop.environment.get(name) != text}


def _inputs(spec: PlatformSpec, wanted: Installation) -> Iterator[tuple[str, bytes]]:
    """The files that the command reads, by their path below the code."""
    for pattern in wanted.how.inputs:
        for path in sorted(wanted.source.glob(pattern)):
            if path.is_file():
                real = paths.local(spec.root, str(path), wanted.place)
                yield str(path.relative_to(wanted.source)), real.read_bytes()


def _key(wanted: Installation, inputs: Mapping[str, bytes], environment: Mapping[str, str]) -> str:
    document = {
        "run": wanted.how.run,
        "work": str(wanted.work),
        "environment": dict(environment),
        "inputs": {path: str(Digest.of(data)) for path, data in inputs.items()},
    }
    return str(Digest.of(canonical.to_bytes(document)))


def _lay_out(wanted: Installation, inputs: Mapping[str, bytes]) -> None:
    """The scratch folder with nothing but the inputs; raises InvalidFile where it cannot be made."""
    try:
        if wanted.work.exists():
            shutil.rmtree(wanted.work)
        for path, data in inputs.items():
            copy = wanted.work / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise InvalidFile(
            f"{wanted.work} cannot be made: {error.strerror}",
            hint="remove what is in its way; imagekit makes it anew",
            place=wanted.place,
        ) from error
