"""A Lambda function on this machine: invoked directly, or served to others."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from imagekit.emulator.callers import Gathering, Outcome
from imagekit.emulator.connection import Exchange, Server
from imagekit.emulator.happenings import Deaf, Listener
from imagekit.emulator.invocation import Event
from imagekit.emulator.loop import Loop
from imagekit.emulator.place import Function, external_extensions, runtime_start
from imagekit.emulator.pool import Pool
from imagekit.emulator.ports import RootFilesystem, Runner
from imagekit.emulator.settings import Settings, World
from imagekit.errors import Bug, ImagekitError, UsageError

if TYPE_CHECKING:
    from imagekit.emulator.front import Page
    from imagekit.emulator.function_url import FunctionUrl
    from imagekit.emulator.gate import Allowed

#: Seconds that everything may take to end: more than any environment may.
_CLOSING: Final = 15.0


class Lambda:
    """One function with its execution environments; a context: nothing of it is left afterwards.

    All work is done in the thread that calls `invoke` or `run`; only `stop` is for other threads, too. Nothing is
    started before the first event, as on Lambda, unless `warm` is called.
    """

    def __init__(
        self, settings: Settings, runner: Runner, image: RootFilesystem, world: World, listener: Listener | None = None
    ) -> None:
        names = settings.extensions
        self._loop = Loop()
        self._function = Function(
            loop=self._loop,
            world=world,
            settings=settings,
            runner=runner,
            image=image,
            extensions=external_extensions(image, settings.confines) if names is None else names,
            listener=listener or Deaf(),
        )
        self._broken: ImagekitError | None = None
        self._stopped = False
        self._closed = False
        self._servers: list[Server] = []
        self._pool = Pool(self._function, self._break)
        try:
            runtime_start(self._function, "")  # says now what could not be started later
        except ImagekitError:
            self._loop.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def invoke(self, event: Event, sink: Callable[[bytes], None] | None = None) -> Outcome:
        """Send one event and wait for all that comes of it.

        `sink` gets the pieces of the answer as they come; the outcome has no payload then. Raises what a runner raises
        when no environment can be made.
        """
        outcomes: list[Outcome] = []
        self._broken = None
        self._pool.submit(event, Gathering(outcomes.append, sink))
        self._loop.run(lambda: bool(outcomes) or self._broken is not None)
        if not outcomes:
            raise self._why()
        return outcomes[0]

    def warm(self) -> None:
        """Make the first environment now, while `invoke` or `run` runs."""
        self._pool.warm()

    def serve(self, host: str, port: int, page: Page | None = None, allowed: Allowed | None = None) -> tuple[str, int]:
        """Listen for callers of the Lambda API while `run` runs; where that is (port 0 takes a free one).

        `page` gets what no API has; `allowed` are those who may come beside programs and the page itself. Raises
        UsageError when the port cannot be had.
        """
        from imagekit.emulator.front import Front
        from imagekit.emulator.invoke_api import InvokeApi

        invoke = InvokeApi(self._function.settings, self._pool.submit)
        return self._listen(host, port, Front(invoke, self._url(), page).handle, allowed)

    def serve_url(self, host: str, port: int, allowed: Allowed | None = None) -> tuple[str, int]:
        """Listen for requests to the function URL while `run` runs, with all paths; raises UsageError."""
        handle = self._url().handle
        return self._listen(host, port, lambda exchange: handle(exchange, exchange.head.path), allowed)

    def run(self) -> None:
        """Serve until `stop` is called; raises what a runner raises when the first environment cannot be made."""
        self._loop.run(lambda: self._stopped)

    def stop(self) -> None:
        """Let `run` return; from any thread, and from signal handlers."""
        self._loop.call(self._stop)

    def close(self) -> None:
        """End everything: connections, environments, processes."""
        if self._closed:
            return
        self._closed = True
        for server in self._servers:
            server.refuse()
        gone: list[bool] = []
        self._pool.close(lambda: gone.append(True))
        self._loop.run(lambda: bool(gone), _CLOSING)
        for server in self._servers:
            server.close()
        self._loop.close()

    def _url(self) -> FunctionUrl:
        from imagekit.emulator.function_url import FunctionUrl

        return FunctionUrl(self._function.settings, self._function.world, self._pool.submit)

    def _listen(
        self, host: str, port: int, handle: Callable[[Exchange], None], allowed: Allowed | None
    ) -> tuple[str, int]:
        from imagekit.emulator.front import refuse
        from imagekit.emulator.gate import Allowed, Gate

        allowed = allowed or Allowed()
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server((host, port), family=family, backlog=512)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(f"cannot listen on {host}:{port}: {reason}", hint="choose another port") from error
        address = listener.getsockname()
        gate = Gate(address=str(address[0]), allowed=replace(allowed, names=(*allowed.names, host.lower())))

        def pass_gate(exchange: Exchange) -> None:
            if reason := gate.refusal(exchange.head):
                refuse(exchange, 403, "AccessDeniedException", reason)
            else:
                handle(exchange)

        self._servers.append(Server(self._loop, listener, pass_gate))
        return str(address[0]), int(address[1])

    def _why(self) -> ImagekitError:
        return self._broken or Bug("an event was lost")

    def _stop(self) -> None:
        self._stopped = True

    def _break(self, error: ImagekitError) -> None:
        self._broken = error
