"""Ways into the registry of tests: nobody waits, chance is fixed, and every connection is closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from imagekit.oci.reference import Reference
from imagekit.store.access import Access
from imagekit.store.auth import Keyring
from imagekit.store.hosts import Hosts
from imagekit.store.registry import Registry
from imagekit.store.retry import Retry
from imagekit.store.transport import Transport
from tests.support import registry as support
from tests.support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def retry(clock: Clock) -> Retry:
    return Retry(clock=clock, sleep=clock.sleep, random=lambda: 0.5)


@pytest.fixture
def server() -> Iterator[support.Registry]:
    with support.Registry() as registry:
        yield registry


@pytest.fixture
def connect(retry: Retry) -> Iterator[Callable[..., Access]]:
    """Makes an Access: of `hosts`, or of an environment; a `keyring` and a `retry` may be given."""
    with ExitStack() as stack:

        def connected(
            hosts: Hosts | None = None, *, environment: Mapping[str, str] | None = None, **given: Any
        ) -> Access:
            settings = hosts or Hosts(environment=environment or {})
            transport = stack.enter_context(Transport(settings, given.get("retry", retry)))
            return Access(transport, given.get("keyring") or Keyring(settings, ecr=lambda _: None))

        yield connected


@pytest.fixture
def repository(connect: Callable[..., Access]) -> Callable[..., Registry]:
    """Opens `host/name`, to write, or to read with `reads=True`; the rest is as for `connect`."""

    def opened(name: str, *, reads: bool = False, access: Access | None = None, **given: Any) -> Registry:
        return Registry(Reference.parse(name), access or connect(**given), reads=reads)

    return opened
