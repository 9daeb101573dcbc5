"""What the commands that run functions here have in common: their options, and what they run."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from imagekit.architecture import Architecture, from_text
from imagekit.cli.frame import option
from imagekit.cli.options import SPEC_FILE, overrides, spec_path
from imagekit.errors import InvalidFile, UsageError

if TYPE_CHECKING:
    from imagekit.cli.session import Session
    from imagekit.emulator.ports import Mount
    from imagekit.emulator.settings import Credentials
    from imagekit.execute.image import LocalImage
    from imagekit.execute.kept import Kept
    from imagekit.execute.local import Machine, Wishes
    from imagekit.pipeline import Session as Opened
    from imagekit.project import Project

_Function = TypeVar("_Function", bound=Callable[..., Any])
#: Bytes of a file with variables.
_MAX_FILE: Final = 1024 * 1024
#: MiB that a function may be given (Lambda quotas).
_LEAST, _MOST = 128, 32768


class _Seconds(click.FloatRange):
    """A number in a range; what is no number is in every range by its comparisons."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found: float = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value} is no number.", param, ctx)
        return found


def host(function: _Function) -> _Function:
    """`--host`, given as `host`; an empty one, as of a variable that is not set, would be all that there are."""

    def named(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
        if not value.strip():
            raise UsageError("--host is empty", hint="name an address, or 0.0.0.0 for all of this machine")
        return value

    return option("--host", default="127.0.0.1", callback=named, help="Where to listen.")(function)


def target(function: _Function) -> _Function:
    """SPEC|IMAGE, given as `target`; by default the spec in the current folder."""
    return click.argument("target", default=".", metavar="[SPEC|IMAGE]")(function)


def only_platform(function: _Function) -> _Function:
    """`--platform`, given as `architecture`: one, or None for this machine's own."""

    def chosen(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Architecture | None:
        return from_text(value) if value else None

    return option("--platform", "architecture", metavar="PLATFORM", callback=chosen, help="Which of its platforms.")(
        function
    )


def wishes(function: _Function) -> _Function:
    """The options of a function that runs here, given as `wished`: what makes the Wishes, once a session is there."""
    declared = (
        option("--env", "variables", metavar="KEY=VALUE", multiple=True, help="A variable of the function."),
        option("--env-file", metavar="FILE", help="Variables of the function, KEY=VALUE a line."),
        option("--aws-profile", metavar="NAME", help="Temporary credentials of this profile for the function."),
        option("--network", type=click.Choice(["host", "none"]), default="host", help="What it may reach."),
        option("--mount", "mounts", metavar="FOLDER:PATH", multiple=True, help="A folder over one of the image."),
        option("--handler", default="", metavar="NAME", help="Another handler than the image's."),
        option("--memory", type=click.IntRange(_LEAST, _MOST), default=_LEAST, help="MiB; 128 as on Lambda."),
        option("--timeout", type=_Seconds(0.1, 900), default=3.0, help="Seconds; 3 as on Lambda."),
        option("--runner", type=click.Choice(["docker", "bubblewrap", "namespaces"]), help="What confines it."),
        option("--keep", is_flag=True, help="Keep log, /tmp and root file system for a look afterwards; says where."),
        option("--debug", type=click.IntRange(1, 65535), metavar="PORT", help="Let a debugger attach at this port."),
        overrides,
    )
    names = (
        "variables",
        "env_file",
        "aws_profile",
        "network",
        "mounts",
        "handler",
        "memory",
        "timeout",
        "runner",
        "keep",
        "debug",
        "overrides",
    )

    @wraps(function)
    def with_wishes(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, wished={name: named.pop(name) for name in names}, **named)

    wrapped: Any = with_wishes
    for declare in reversed(declared):
        wrapped = declare(wrapped)
    return wrapped  # type: ignore[no-any-return]  # `wished` in place of the options


def is_spec(named: str) -> bool:
    """Whether a person means a spec: a folder, or a file that is there, or what looks like one."""
    return os.path.exists(spec_path(named)) or os.path.isdir(named) or named.endswith((".yaml", ".yml"))


def image(
    session: Session, opened: Opened, named: str, architecture: Architecture | None, wished: Mapping[str, Any]
) -> tuple[LocalImage, Project | None]:
    """The image that is meant, built first when it is a spec's; and the spec's project."""
    from imagekit import pipeline
    from imagekit.cli import work
    from imagekit.execute.image import LocalImage
    from imagekit.lockfile import Use

    if is_spec(named):
        project = work.load(session, opened, spec_path(named), wished["overrides"])
        chosen = architecture or _own(project.spec.architectures)
        project = project.only([chosen])
        return pipeline.local(opened, project, Use.RENEW, partial(work.warn, session)), project
    if wished["overrides"]:
        raise UsageError("--set changes a spec, and this is an image", hint="leave it out, or name a spec")
    source, selector = opened.places.source(named)
    wanted = architecture or _own_of(source, selector)
    return LocalImage.from_source(source, selector, wanted, named), None


def machine(session: Session, opened: Opened) -> Machine:
    """This machine."""
    from imagekit.emulator.runners.means import Means
    from imagekit.emulator.settings import World
    from imagekit.execute.local import Machine

    folder = opened.roots
    return Machine(
        folder=folder,
        means=Means(environment=session.environment, folder=os.path.dirname(folder)),
        world=World(now=session.now, random=os.urandom),
    )


@contextmanager
def kept(session: Session, wished: Mapping[str, Any]) -> Iterator[Kept | None]:
    """What `--keep` keeps of all that runs in this context; says at its end where that is."""
    if not wished["keep"]:
        yield None
        return
    import tempfile

    from imagekit.execute.kept import Kept

    found = Kept(tempfile.mkdtemp(prefix="imagekit-kept-"))
    try:
        yield found
    finally:
        for problem in found.problems:
            session.console.say(problem)
        if os.listdir(found.folder):
            session.console.say(f"kept in {found.folder}: the log, what /tmp held, a link to the root file system")
        else:
            os.rmdir(found.folder)  # nothing ran


def made(wished: Mapping[str, Any], project: Project | None, kept: Kept | None) -> Wishes:
    """The Wishes of the options; raises UsageError, InvalidFile, Missing."""
    from imagekit.emulator.ports import Network
    from imagekit.execute.local import Wishes

    variables = {**_from_file(wished["env_file"]), **dict(_pair(text) for text in wished["variables"])}
    if wished["debug"]:
        variables |= _debugging(project, wished["debug"])
    return Wishes(
        runner=wished["runner"] or "",
        handler=wished["handler"],
        environment=variables,
        credentials=_credentials(wished["aws_profile"]),
        network=Network(wished["network"]),
        mounts=tuple(_mount(text) for text in wished["mounts"]),
        memory=wished["memory"],
        # A debugger stops the clock of nobody else.
        timeout=900.0 if wished["debug"] else wished["timeout"],
        changes_soon=project is not None,
        kept=kept,
    )


def _own(among: Sequence[Architecture]) -> Architecture:
    """This machine's architecture, or the first."""
    here = platform.machine()
    return next((item for item in among if here in (item.name, item.rpm, item.oci)), among[0])


def _own_of(source: Any, selector: str) -> Architecture:
    from imagekit.architecture import ARCHITECTURES
    from imagekit.look import look

    _, seen = look(source, selector)
    names = {item.architecture for item in seen}
    found = [item for item in ARCHITECTURES if item.name in names]
    if not found:
        raise UsageError("the image is for no architecture of Lambda's", hint="`imagekit inspect` shows its platforms")
    return _own(found)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name):
        raise UsageError(f"--env takes KEY=VALUE, not {name[:40]!r}", hint="for example --env STAGE=test")
    return name, value


def _from_file(path: str | None) -> dict[str, str]:
    """KEY=VALUE a line; empty lines and those that begin with # are skipped, quotes around a value are taken off."""
    if not path:
        return {}
    from imagekit.gather import regular

    try:
        text = regular.read(path, _MAX_FILE).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFile(f"{path}: {error}", hint="--env-file takes a text file, KEY=VALUE a line") from error
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().removeprefix("export ")
        if stripped and not stripped.startswith("#"):
            name, equals, value = stripped.partition("=")
            if not (equals and name.strip()):
                raise InvalidFile(f"{path}:{number}: not KEY=VALUE", hint="comments begin with #")
            found[name.strip()] = _unquoted(value.strip())
    return found


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"" else value


def _mount(text: str) -> Mount:
    from imagekit.emulator.ports import Mount

    source, colon, path = text.rpartition(":")
    if not (colon and source and path.startswith("/")):
        raise UsageError(f"--mount takes FOLDER:/PATH, not {text!r}", hint="for example --mount src:/var/task")
    if not os.path.isdir(source):
        raise UsageError(f"--mount: {source} is no folder", hint="name a folder of this machine")
    return Mount(source=os.path.realpath(source), target=os.path.normpath(path))


def _credentials(profile: str | None) -> Credentials | None:
    if not profile:
        return None
    from imagekit.emulator.settings import Credentials
    from imagekit.store.aws import temporary_credentials

    return Credentials(**temporary_credentials(profile))


def _debugging(project: Project | None, port: int) -> dict[str, str]:
    """What makes a language's interpreter wait for a debugger."""
    if project is None:
        raise UsageError("--debug needs a spec: it says which language this is", hint=f"name a {SPEC_FILE}")
    if not project.language.debug:
        raise UsageError(f"imagekit does not know how {project.language.title} is debugged", hint="leave --debug out")
    return {name: text.replace("{port}", str(port)) for name, text in project.language.debug.items()}
