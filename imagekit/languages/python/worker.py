"""imagekit's worker for Python 3.7 and later: answers Lambda's events with a handler, over frames v1 (docs/frames.md).

A handler may be a coroutine function. Bytes are sent as they are. A generator is streamed: texts and bytes as they are,
anything else as a line of JSON; but a first piece with a `statusCode` is the head of an HTTP answer.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
import sys
import time
from types import SimpleNamespace

TYPE_CHECKING = False  # `typing` takes milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

BINARY = b"application/octet-stream"
FRAMES = 100  # of a stack, the innermost ones: endless recursion has a thousand
HTTP = b"application/vnd.awslambda.http-integration-response"


class Fault(Exception):
    """A failure that Lambda has a name for, such as Runtime.HandlerNotFound."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Context:
    """What a handler is told beside its event, by the names that AWS's own runtime has."""

    function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
    function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
    memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
    log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")

    def __init__(self, fields: list[bytes]) -> None:
        known = [text(field) for field in (*fields, *[b"-"] * 7)[:7]]
        self.aws_request_id, deadline, self.invoked_function_arn, self.trace_id, self.tenant_id, cognito, client = known
        self._deadline = int(deadline or 0)
        self.identity = identity(mapping(decode(cognito))) if cognito else NOBODY
        self.client_context = client_context(mapping(decode(client))) if client else None

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline - int(time.time() * 1000))


def identity(cognito: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(
        cognito_identity_id=cognito.get("cognitoIdentityId"),
        cognito_identity_pool_id=cognito.get("cognitoIdentityPoolId"),
    )


NOBODY = identity({})


def client_context(mobile: dict[str, Any]) -> SimpleNamespace:
    client = SimpleNamespace(**mapping(mobile.get("client")))
    return SimpleNamespace(custom=mobile.get("custom"), env=mobile.get("env"), client=client)


def text(field: bytes) -> str | None:
    """A field of a frame."""
    if b"%" in field:
        field = re.sub(b"%([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode()), field)
    elif field == b"-":
        return None
    return field.decode(errors="replace")


def decode(document: str | bytes | None) -> Any:
    """The value of a JSON text; None for none."""
    try:
        return json.loads(document.decode() if isinstance(document, bytes) else document) if document else None
    except (ValueError, RecursionError) as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None


def mapping(value: Any) -> dict[str, Any]:
    """An object of JSON; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float:
    if type(value).__name__ == "Decimal":  # which DynamoDB's numbers are
        return float(value)
    raise TypeError(f"an object of type {type(value).__name__} has no form in JSON")


_UNICODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_number)
_ASCII = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_number)


def encode(value: object) -> bytes:
    try:
        return _UNICODE.encode(value).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can escape
        return _ASCII.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its message cannot be shown)"


@functools.lru_cache(maxsize=1)
def event_loop() -> Any:
    """One for all events, so that what a handler keeps open goes on working; the import takes 30 milliseconds."""
    import asyncio

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def settled(value: Any) -> Any:
    """What a coroutine returns; an asynchronous generator becomes a plain one; anything else is itself."""
    if hasattr(value, "__aiter__"):
        return _pieces(value.__aiter__())
    return event_loop().run_until_complete(value) if hasattr(value, "__await__") else value


def _pieces(iterator: Any) -> Iterator[Any]:
    while True:
        try:
            yield settled(iterator.__anext__())
        except StopAsyncIteration:
            return


class Channel:
    """Frames to and from the runtime client."""

    def __init__(self, descriptors: str) -> None:
        reads, writes = map(int, descriptors.split(","))
        for descriptor in (reads, writes):
            os.set_inheritable(descriptor, False)
        self._reads, self._writes = os.fdopen(reads, "rb", 65536), os.fdopen(writes, "wb")
        os.register_at_fork(after_in_child=self._leave)

    def __iter__(self) -> Iterator[tuple[bytes, list[bytes], bytes]]:
        for line in iter(self._reads.readline, b""):
            kind, length, *fields = line[:-1].split(b" ")
            yield kind, fields, self._reads.read(int(length))

    def _leave(self) -> None:
        """A child that a handler forks has no part in events: it reads the end, and what it writes is nothing."""
        null = os.open(os.devnull, os.O_RDWR)
        for file in (self._reads, self._writes):
            os.dup2(null, file.fileno(), False)
        os.close(null)

    def send(self, kind: bytes, body: bytes, *fields: bytes) -> None:
        self._writes.write(b" ".join((kind, b"%d" % len(body), *fields)) + b"\n")
        self._writes.write(body)
        self._writes.flush()

    def fail(self, kind: bytes, error: BaseException, *fields: bytes) -> None:
        """Log an error and send it, without the stack frames that lie between the worker and the handler."""
        import traceback  # takes several milliseconds

        cause = error.__cause__ if isinstance(error, Fault) and error.__cause__ else error
        stack = cause.__traceback__
        while stack and re.search(r"\bimportlib\b|^" + re.escape(__file__), stack.tb_frame.f_code.co_filename):
            stack = stack.tb_next
        sys.stderr.write("".join(traceback.format_exception(type(cause), cause, stack, limit=-FRAMES)))
        sys.stderr.flush()
        name = error.kind if isinstance(error, Fault) else type(error).__name__
        letters = re.sub("[^A-Za-z]", "", name)
        counted = name if isinstance(error, Fault) else f"Function.{letters[:1].upper()}{letters[1:]}"
        frames = traceback.format_list(traceback.extract_tb(stack, limit=-FRAMES))
        report = {"errorType": name, "errorMessage": message(error), "stackTrace": frames}
        self.send(kind, json.dumps(report).encode(), *fields, counted.encode())

    def answer(self, value: Any, id: bytes) -> None:
        if hasattr(value, "__next__"):
            self.stream(value, id)
        elif isinstance(value, (bytes, bytearray, memoryview)):
            self.send(b"OK", bytes(value), id, BINARY)
        else:
            self.send(b"OK", encode(value), id)

    def stream(self, pieces: Iterator[Any], id: bytes) -> None:
        """Before the first piece there is no stream, and an error is an error."""
        begun = False
        try:
            for piece in pieces:
                http = not begun and isinstance(piece, dict) and "statusCode" in piece
                body = piece.encode() if isinstance(piece, str) else piece
                if not isinstance(body, (bytes, bytearray, memoryview)):
                    body = encode(piece) + (bytes(8) if http else b"\n")
                if not begun:
                    self.send(b"STREAM", b"", id, HTTP if http else BINARY)
                begun = True
                self.send(b"DATA", bytes(body), id)
            if not begun:
                self.send(b"STREAM", b"", id, BINARY)
            self.send(b"END", b"", id)
        except Exception as error:
            self.fail(b"FAIL" if begun else b"ERR", error, id)


def load(name: str) -> Callable[[Any, Context], Any]:
    """The function; before its module there may be folders: `src/app.handler`."""
    module, dot, function = name.replace("/", ".").rpartition(".")
    if not dot:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': it is not module.function")
    if module.startswith("."):
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module}': it is not below the code")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}") from error
    except SyntaxError as error:
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}") from error
    if not callable(getattr(found, function, None)):
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module}'")
    handler: Callable[[Any, Context], Any] = getattr(found, function)
    return handler


def invoke(handler: Callable[[Any, Context], Any], fields: list[bytes], body: bytes, channel: Channel) -> None:
    try:
        context = Context(fields)
        os.environ["_X_AMZN_TRACE_ID"] = context.trace_id or ""
        channel.answer(settled(handler(decode(body), context)), fields[0])
    except Exception as error:
        channel.fail(b"ERR", error, fields[0])


def hooks(name: str) -> None:
    """Run what was registered with snapshot_restore_py, AWS's library."""
    registry = sys.modules.get("snapshot_restore_py")
    for function, arguments, keywords in getattr(registry, name)() if registry else ():
        function(*arguments, **keywords)


def main() -> None:
    channel = Channel(os.environ["IMAGEKIT_FDS"])
    root = os.environ["LAMBDA_TASK_ROOT"]
    version = "python{}.{}".format(*sys.version_info)
    packages = [f"{root}/site-packages", f"/opt/python/lib/{version}/site-packages", "/opt/python"]
    sys.path[:] = [root, *packages, *(path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__)))]
    log: Any
    for log in (sys.stdout, sys.stderr):  # a line is in the log when it is written, whatever happens then
        log.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    try:
        handler = load(os.environ["_HANDLER"])
        if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
            hooks("get_before_snapshot")
        channel.send(b"READY", b"")
        for kind, fields, body in channel:
            if kind == b"INVOKE":
                invoke(handler, fields, body, channel)
            elif kind == b"RESTORE":
                hooks("get_after_restore")
                channel.send(b"READY", b"")
    except Exception as error:
        channel.fail(b"INITERR", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
