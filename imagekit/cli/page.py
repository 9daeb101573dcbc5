"""The page beside a function that is served: what it is made of, where it is, and a browser for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from imagekit.cli.frame import option
from imagekit.cli.session import Session

if TYPE_CHECKING:
    from imagekit.emulator.page.about import Template
    from imagekit.emulator.page.site import Site
    from imagekit.execute.image import LocalImage
    from imagekit.execute.local import Wishes
    from imagekit.project import Project

_Function = TypeVar("_Function", bound=Callable[..., Any])
#: Addresses that stand for all of this machine's, with the one that a browser here reaches them by.
_ALL = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def callers(function: _Function) -> _Function:
    """`--allow-host` and `--allow-origin`, given as `names` and `origins`."""
    name = option("--allow-host", "names", metavar="NAME", multiple=True, help="A further name that callers use.")
    origin = option("--allow-origin", "origins", metavar="ORIGIN", multiple=True, help="A web site that may call it.")
    return name(origin(function))


def page(session: Session, image: LocalImage, made: Wishes, project: Project | None) -> Site:
    """The page of this function; the spec's tests are among its templates."""
    from imagekit.emulator.page.about import About
    from imagekit.emulator.page.site import Site
    from imagekit.execute.local import settings

    about = About(
        run=f"{session.now():.6f}".replace(".", "-"),
        name=settings(image.name, made).name,
        image=image.name,
        architecture=image.architecture.name,
        memory=made.memory,
        timeout=made.timeout,
        tests=_tests(session, project) if project else (),
    )
    return Site(about)


def url(host: str, port: int) -> str:
    """Where a server is that listens there."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def page_url(host: str, port: int) -> str:
    """Where a browser on this machine finds the page."""
    return f"{url(_ALL.get(host, host), port)}/"


def show(session: Session, address: str) -> None:
    """Open a browser; what keeps it from that is said, and nothing else comes of it."""
    from threading import Thread

    names = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform != "darwin" and not any(session.environment.get(name) for name in names):
        session.say("  there is no browser to open here")
        return
    # A browser may keep whoever starts it waiting until it is closed.
    Thread(target=_open, args=(session, address), name="browser", daemon=True).start()


def _open(session: Session, address: str) -> None:
    import webbrowser

    try:
        opened = webbrowser.open(address)
    except (webbrowser.Error, OSError):
        opened = False
    if not opened:
        session.say("  no browser could be opened")


def _tests(session: Session, project: Project) -> tuple[Template, ...]:
    """The events of the spec's tests; a test whose files are not there is no reason not to serve."""
    from imagekit.emulator.page.about import Template
    from imagekit.errors import ImagekitError
    from imagekit.execute.trials import trials

    try:
        found = trials(project.platforms[0])
    except ImagekitError as error:
        session.say(f"  the page is without the spec's tests: {error.message}")
        return ()
    return tuple(Template(name=item.what.name, event=item.event.decode("utf-8", "replace")) for item in found)
