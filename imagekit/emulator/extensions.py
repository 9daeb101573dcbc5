"""The Extensions API (2020-01-01): who is registered for what, who has to be waited for.

External extensions are programs in /opt/extensions, known by their file names before they register; any other name is
an internal one, inside the runtime's process. Source: developer guide, "Lambda Extensions API".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from imagekit.emulator.answers import accepted, document, refused
from imagekit.emulator.connection import Collected, Exchange
from imagekit.emulator.identity import uuid
from imagekit.emulator.invocation import FunctionError
from imagekit.emulator.settings import Settings, World

_MOST: Final = 10
_LARGEST_BODY: Final = 1 << 20
_IDENTIFIER: Final = "lambda-extension-identifier"
_INVOKE: Final = "INVOKE"
_SHUTDOWN: Final = "SHUTDOWN"


class Extension:
    """One extension."""

    def __init__(self, name: str, *, external: bool) -> None:
        self.name = name
        self.external = external
        self.id = ""
        self.events: tuple[str, ...] = ()
        #: Its `next` that waits for an event.
        self.waiting: Exchange | None = None
        #: An event that came while it was not waiting.
        self.pending: Mapping[str, object] | None = None
        self.asked = False

    @property
    def registered(self) -> bool:
        """Whether it has called `register`."""
        return bool(self.id)

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do: it waits, and nothing is on its way to it."""
        return self.waiting is not None and self.pending is None


class ExtensionsWatcher(Protocol):
    """Who is told what extensions do."""

    def extensions_changed(self) -> None:
        """One has registered, or waits for an event."""

    def extension_failed(self, error: FunctionError) -> None:
        """One says that it cannot go on."""

    def extension_ready(self, extension: Extension) -> None:
        """One has registered."""


class Extensions:
    """All extensions of one run."""

    def __init__(self, names: Iterable[str], settings: Settings, world: World, watcher: ExtensionsWatcher) -> None:
        self._settings = settings
        self._world = world
        self._watcher = watcher
        self._all = {name: Extension(name, external=True) for name in names}
        #: Whether internal extensions may still register: until the runtime asks for its first event.
        self.open = True
        #: The command's last word, where the function has no handler.
        self.handler = settings.handler

    @property
    def all(self) -> tuple[Extension, ...]:
        """External ones first, in the order of their names."""
        return tuple(self._all.values())

    @property
    def registered(self) -> tuple[Extension, ...]:
        """Those that have called `register`."""
        return tuple(item for item in self._all.values() if item.registered)

    @property
    def external_registered(self) -> bool:
        """Whether every external one has registered."""
        return all(item.registered for item in self._all.values() if item.external)

    @property
    def ready(self) -> bool:
        """Whether all that registered have asked for their first event."""
        return all(item.asked for item in self.registered)

    @property
    def idle(self) -> bool:
        """Whether all that get INVOKE events wait for the next."""
        return all(item.idle for item in self.registered if _INVOKE in item.events)

    def by_id(self, id: str) -> Extension | None:
        """The extension with this identifier."""
        return next((item for item in self.registered if item.id == id), None)

    def invoke(self, *, id: str, deadline_ms: int, arn: str, trace: str) -> None:
        """Tell those that want to know of an event."""
        event = {
            "eventType": _INVOKE,
            "deadlineMs": deadline_ms,
            "requestId": id,
            "invokedFunctionArn": arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": trace},
        }
        self._tell(_INVOKE, event)

    def shutdown(self, reason: str, deadline_ms: int) -> None:
        """Tell those that want to know of the end."""
        self._tell(_SHUTDOWN, {"eventType": _SHUTDOWN, "shutdownReason": reason, "deadlineMs": deadline_ms})

    def awaits_shutdown(self, name: str) -> bool:
        """Whether this one is told of the end, and given time for it; the others are just ended."""
        return _SHUTDOWN in self._all[name].events

    def handle(self, exchange: Exchange, words: list[str]) -> bool:
        """Answer a request; `words` is its path below `/2020-01-01/extension`. False when there is no such path."""
        method = exchange.head.method
        match words:
            case ["register"] if method == "POST":
                exchange.receiver = Collected(_LARGEST_BODY, lambda body, _: self._register(exchange, body))
            case ["event", "next"] if method == "GET":
                self._identified(exchange, self._next)
            case [("init" | "exit") as phase, "error"] if method == "POST":
                self._identified(exchange, lambda extension, asked: self._error(extension, asked, phase))
            case _:
                return False
        return True

    def identified(self, exchange: Exchange) -> Extension | None:
        """Who asks; None when nobody is known by that identifier, which is answered then."""
        id = exchange.head.header(_IDENTIFIER)
        extension = self.by_id(id) if id else None
        if not id:
            refused(exchange, 403, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
        elif extension is None:
            refused(exchange, 403, "Extension.UnknownExtensionIdentifier", f"Unknown extension identifier {id[:100]}")
        return extension

    def _identified(self, exchange: Exchange, then: Callable[[Extension, Exchange], None]) -> None:
        extension = self.identified(exchange)
        if extension is not None:
            then(extension, exchange)

    def _register(self, exchange: Exchange, body: bytes) -> None:
        name = exchange.head.header("lambda-extension-name")
        if not name:
            refused(exchange, 403, "Extension.InvalidExtensionName", "Empty extension name")
            return
        extension = self._all.get(name) or Extension(name, external=False)
        events = _events(body)
        if events is None:
            refused(exchange, 403, "InvalidRequestFormat", 'the body is not {"events": [...]}')
            return
        problem = self._problem(extension, events)
        if problem:
            refused(exchange, 403, *problem)
            return
        extension.id, extension.events = uuid(self._world), events
        self._all[name] = extension
        self._answer_registration(exchange, extension)
        self._watcher.extension_ready(extension)
        self._watcher.extensions_changed()

    def _problem(self, extension: Extension, events: tuple[str, ...]) -> tuple[str, str] | None:
        """Why it may not register: type and message."""
        allowed = (_INVOKE, _SHUTDOWN) if extension.external else (_INVOKE,)
        wrong = [name for name in events if name not in allowed]
        if wrong:
            return "Extension.InvalidEventType", f"{wrong[0][:100]}: this extension may have {', '.join(allowed)}"
        if extension.registered:
            return "Extension.InvalidExtensionState", "Extension with this name already registered"
        if not extension.external and not self.open:
            return "Extension.RegistrationClosed", "Extension registration closed already"
        if not extension.external and len(self._all) >= _MOST:
            return "Extension.TooManyExtensions", f"Extension limit ({_MOST}) reached"
        return None

    def _answer_registration(self, exchange: Exchange, extension: Extension) -> None:
        settings = self._settings
        found = {"functionName": settings.name, "functionVersion": settings.version, "handler": self.handler}
        if "accountId" in exchange.head.header("lambda-extension-accept-feature"):
            found["accountId"] = settings.account
        document(exchange, found, (("Lambda-Extension-Identifier", extension.id),))

    def _next(self, extension: Extension, exchange: Exchange) -> None:
        extension.asked = True
        extension.waiting = exchange
        exchange.gone = lambda: self._gone(extension, exchange)
        if extension.pending is not None:
            self._deliver(extension)
        self._watcher.extensions_changed()

    def _gone(self, extension: Extension, exchange: Exchange) -> None:
        if extension.waiting is exchange:
            extension.waiting = None

    def _tell(self, kind: str, event: Mapping[str, object]) -> None:
        for extension in self.registered:
            if kind in extension.events:
                extension.pending = event
                if extension.waiting is not None:
                    self._deliver(extension)

    def _deliver(self, extension: Extension) -> None:
        exchange, event = extension.waiting, extension.pending
        extension.waiting = extension.pending = None
        if exchange is not None and event is not None:
            document(exchange, event, (("Lambda-Extension-Event-Identifier", uuid(self._world)),))

    def _error(self, extension: Extension, exchange: Exchange, phase: str) -> None:
        kind = exchange.head.header("lambda-extension-function-error-type")
        if not kind:
            refused(exchange, 403, "Extension.MissingHeader", "Missing Lambda-Extension-Function-Error-Type header")
            return
        accepted(exchange)
        name = f"Extension.{phase.capitalize()}Error"
        message = f"Error: extension {extension.name}: {kind[:200]}"
        self._watcher.extension_failed(FunctionError.made(name, message))


def _events(body: bytes) -> tuple[str, ...] | None:
    """What an extension registers for; None when that cannot be read."""
    try:
        read = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None
    events = read.get("events") if isinstance(read, dict) else None
    if events is None and isinstance(read, dict):
        return ()
    if not isinstance(events, list) or not all(isinstance(item, str) for item in events):
        return None
    return tuple(events)
