"""The Telemetry API (2022-07-01): extensions subscribe, and get platform events and logs over HTTP or TCP.

Source: developer guide, "Lambda Telemetry API reference" and "Event schema reference". What happens before a
subscription is kept for it, as Lambda does during the init phase.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Self

from imagekit.emulator.answers import refused
from imagekit.emulator.connection import Collected, Exchange
from imagekit.emulator.delivery import Delivery
from imagekit.emulator.identity import moment
from imagekit.emulator.ports import Sandbox
from imagekit.values import dataclass

_LARGEST_BODY: Final = 1 << 20
_SCHEMAS: Final = ("2022-07-01", "2022-12-13", "2025-01-29")
_TYPES: Final = ("platform", "function", "extension")
_URI: Final = r"(http|tcp)://(?:sandbox(?:\.localdomain)?|127\.0\.0\.1|localhost):(\d{1,5})(/[\x21-\x7e]*)?"
_KEPT: Final = 1000
#: Bounds and defaults ("Buffering configuration").
_BUFFERING: Final = {
    "maxItems": (1000, 10000, 1000),
    "maxBytes": (262_144, 1_048_576, 262_144),
    "timeoutMs": (25, 30_000, 10_000),
}


class _WrongSubscriptionError(Exception):
    """A subscription that Lambda refuses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """Where telemetry goes, what of it, and in which portions."""

    types: tuple[str, ...]
    is_http: bool
    port: int
    path: str
    most_items: int
    most_bytes: int
    seconds: float

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Out of a request's body; raises _WrongSubscriptionError."""
        try:
            read = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise _WrongSubscriptionError("the body is not JSON") from error
        if not isinstance(read, dict) or read.get("schemaVersion") not in _SCHEMAS:
            raise _WrongSubscriptionError(f"schemaVersion is none of {', '.join(_SCHEMAS)}")
        types = read.get("types")
        if not isinstance(types, list) or not types or any(item not in _TYPES for item in types):
            raise _WrongSubscriptionError(f"types are some of {', '.join(_TYPES)}")
        protocol, port, path = _destination(read.get("destination"))
        buffering = read.get("buffering") or {}
        items, size, milliseconds = (_bounded(buffering, name) for name in _BUFFERING)
        return cls(
            types=tuple(types),
            is_http=protocol == "HTTP",
            port=port,
            path=path,
            most_items=items,
            most_bytes=size,
            seconds=milliseconds / 1000,
        )


def _destination(value: object) -> tuple[str, int, str]:
    protocol = value.get("protocol", "") if isinstance(value, dict) else ""
    uri = value.get("URI", "") if isinstance(value, dict) else ""
    if protocol not in ("HTTP", "TCP"):
        raise _WrongSubscriptionError("destination.protocol is HTTP or TCP")
    if protocol == "TCP":
        port = value.get("port") if isinstance(value, dict) else None
        uri = uri or f"tcp://sandbox.localdomain:{port}"
    found = re.fullmatch(_URI, uri, re.IGNORECASE) if isinstance(uri, str) else None
    if not found or found[1].upper() != protocol or not 0 < int(found[2]) < 65536:
        raise _WrongSubscriptionError("destination.URI is http://sandbox.localdomain:PORT/PATH")
    return protocol, int(found[2]), found[3] or "/"


def _bounded(buffering: object, name: str) -> int:
    least, most, usual = _BUFFERING[name]
    value = buffering.get(name, usual) if isinstance(buffering, dict) else None
    if not isinstance(value, int) or not least <= value <= most:
        raise _WrongSubscriptionError(f"buffering.{name} is from {least} to {most}")
    return value


class Telemetry:
    """All subscriptions of one run, and what is published to them."""

    def __init__(self, sandbox: Sandbox, now: Callable[[], float]) -> None:
        self._sandbox = sandbox
        self._now = now
        self._deliveries: dict[str, tuple[Subscription, Delivery]] = {}
        self._kept: deque[tuple[str, bytes]] = deque(maxlen=_KEPT)
        #: Whether subscriptions are taken and events kept for them: until the init phase is over.
        self.open = True

    @property
    def is_heard(self) -> bool:
        """Whether publishing is of use."""
        return self.open or bool(self._deliveries)

    def subscribe(self, exchange: Exchange, id: str, name: str) -> None:
        """Answer a subscription of the extension with this identifier."""
        exchange.receiver = Collected(_LARGEST_BODY, lambda body, _: self._subscribe(exchange, body, id, name))

    def publish(self, kind: str, record: Mapping[str, object] | str) -> None:
        """An event, such as `platform.start` or `function`, to all who want it."""
        if not self.is_heard:
            return
        event = {"time": moment(self._now()), "type": kind, "record": record}
        data = json.dumps(event, separators=(",", ":")).encode()
        topic = kind.partition(".")[0]
        if self.open:
            self._kept.append((topic, data))
        for subscription, delivery in self._deliveries.values():
            if topic in subscription.types:
                delivery.put(data)

    def close_registration(self) -> None:
        """The init phase is over: nothing is kept for those who come later."""
        self.open = False
        self._kept.clear()

    def flush(self) -> None:
        """Send what is buffered, now."""
        for _, delivery in self._deliveries.values():
            delivery.flush()

    @property
    def is_sent(self) -> bool:
        """Whether all that was buffered at the last `flush` was sent, as far as its subscribers took it."""
        return all(delivery.is_sent for _, delivery in self._deliveries.values())

    def close(self) -> None:
        """Send nothing more."""
        for _, delivery in self._deliveries.values():
            delivery.close()
        self._deliveries.clear()
        self.close_registration()

    def _subscribe(self, exchange: Exchange, body: bytes, id: str, name: str) -> None:
        if not self.open:
            refused(exchange, 403, "Telemetry.SubscriptionClosed", "Telemetry API subscription is closed already")
            return
        try:
            subscription = Subscription.from_bytes(body)
        except _WrongSubscriptionError as error:
            refused(exchange, 400, "ValidationError", str(error))
            return
        if id in self._deliveries:
            self._deliveries[id][1].close()
        delivery = Delivery(lambda: self._sandbox.connect(subscription.port), subscription)
        self._deliveries[id] = (subscription, delivery)
        for topic, data in self._kept:
            if topic in subscription.types:
                delivery.put(data)
        exchange.respond(200, b"OK", (("Content-Type", "text/plain"),))
        subscribed = {"name": name, "state": "Subscribed", "types": list(subscription.types)}
        self.publish("platform.telemetrySubscription", subscribed)
