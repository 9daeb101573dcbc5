"""What a function is configured with, as CreateFunction takes it, and the sizes that Lambda holds it to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Final

from imagekit.emulator.ports import Confines
from imagekit.values import dataclass

#: Bytes of an answer that is not streamed: 6 MiB and 100.
LARGEST_ANSWER: Final = 6 * 1024 * 1024 + 100
#: Bytes of an event, by how it is invoked.
LARGEST_EVENT: Final = 6 * 1024 * 1024
LARGEST_ASYNCHRONOUS_EVENT: Final = 1024 * 1024
#: Bytes of a client context, as it is sent (Base64).
LARGEST_CLIENT_CONTEXT: Final = 3583
#: Bytes of a streamed answer.
LARGEST_STREAM: Final = 200 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """Temporary credentials that a function gets in its environment."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """A function's configuration. Times are in seconds; what it may use stands in `confines`."""

    name: str = "function"
    version: str = "$LATEST"
    #: `_HANDLER`, for functions whose handler is not their image's command.
    handler: str = ""
    timeout: float = 3.0
    init_timeout: float = 10.0
    region: str = "us-east-1"
    account: str = "123456789012"
    environment: Mapping[str, str] = field(default_factory=dict)
    credentials: Credentials | None = None
    confines: Confines = field(default_factory=Confines)
    #: Execution environments at once; events beyond what they take wait.
    environments: int = 1
    #: Events at once in one environment (Lambda Managed Instances).
    concurrency: int = 1
    #: Events that may wait; more are answered with TooManyRequestsException.
    waiting: int = 1000
    #: `on-demand`, or `snap-start`: a runtime that asks for restore/next is held there until the first event.
    initialization_type: str = "on-demand"
    #: External extensions by file name in /opt/extensions; None: those in the root file system's folder.
    extensions: tuple[str, ...] | None = None
    #: Bytes of a streamed answer.
    largest_stream: int = LARGEST_STREAM
    #: How long an external extension has at most to end.
    shutdown: float = 2.0
    #: A folder that gets what each environment's /tmp held at its end, as `tmp-1` and so on; empty: nothing is kept.
    keep: str = ""
    #: Whether the function URL streams (RESPONSE_STREAM) or waits for the whole answer (BUFFERED).
    url_streams: bool = False

    @property
    def arn(self) -> str:
        """The function's ARN without a qualifier."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """What changes from run to run: `now` is seconds since 1970, `random` gives so many random bytes."""

    now: Callable[[], float]
    random: Callable[[int], bytes]
