"""The environment of a function's processes, as the developer guide's "Working with environment variables" has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from imagekit.emulator.settings import Credentials, Settings
from imagekit.errors import UsageError
from imagekit.spec.reserved import RESERVED

#: Set unless the image or the function sets them.
_DEFAULTS: Final = {
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH": "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
    "_AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129",
    "_AWS_XRAY_DAEMON_PORT": "2000",
}
#: What extensions do not get ("Lambda Extensions API", "Environment variables").
_RUNTIME_ONLY: Final = frozenset(
    (
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    )
)


def of_runtime(image: Mapping[str, str], settings: Settings, given: Mapping[str, str]) -> dict[str, str]:
    """The runtime's: Lambda's defaults, the image's own, the function's, and what is reserved.

    `given` is what an execution environment adds: where its APIs are and how its log is called. Raises UsageError for
    a reserved name in the function's own.
    """
    for name in settings.environment:
        if name in RESERVED:
            raise UsageError(f"{name} is reserved: Lambda sets it itself", hint="choose another name")
    own = {name: value for name, value in settings.environment.items() if not name.startswith("_")}
    return {**_DEFAULTS, **image, **own, **_reserved(settings), **_credentials(settings.credentials), **given}


def of_extension(runtime: Mapping[str, str]) -> dict[str, str]:
    """An extension's, out of the runtime's."""
    return {name: value for name, value in runtime.items() if name not in _RUNTIME_ONLY and not name.startswith("_")}


def _reserved(settings: Settings) -> dict[str, str]:
    found = {
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_EXECUTION_ENV": "AWS_Lambda_Image",
        "AWS_LAMBDA_FUNCTION_NAME": settings.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.confines.memory),
        "AWS_LAMBDA_FUNCTION_VERSION": settings.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": initialization_type(settings),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{settings.name}",
    }
    if settings.handler:
        found["_HANDLER"] = settings.handler
    if settings.concurrency > 1:
        found["AWS_LAMBDA_MAX_CONCURRENCY"] = str(settings.concurrency)
    return found


def initialization_type(settings: Settings) -> str:
    """What the runtime and telemetry are told."""
    return "lambda-managed-instances" if settings.concurrency > 1 else settings.initialization_type


def _credentials(credentials: Credentials | None) -> dict[str, str]:
    if credentials is None:
        return {}
    found = {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
    }
    return {name: value for name, value in found.items() if value}
