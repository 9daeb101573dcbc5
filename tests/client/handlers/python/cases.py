import os
import signal
import subprocess
import sys
import time


def same(event, context):
    return event


def context(event, context):
    return {
        "id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "tenant": context.tenant_id,
        "client_context": context.client_context and {"custom": context.client_context.custom},
        "cognito": (name := context.identity.cognito_identity_id) and {"cognitoIdentityId": name},
        "function": context.function_name,
        "version": context.function_version,
        "memory": context.memory_limit_in_mb,
        "remaining": context.get_remaining_time_in_millis(),
    }


def fail(event, context):
    if "message" in event:
        raise ValueError(event["message"])
    return "fine"


def leave(event, context):
    if "code" in event:
        os.write(2, b"leaving on purpose\n")
        os._exit(event["code"])
    return "here"


def killed(event, context):
    if "kill" in event:
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def forks(event, context):
    if "code" in event:
        subprocess.Popen(["sleep", "60"], close_fds=False)
        os._exit(event["code"])
    return "here"


def splits(event, context):
    if os.fork() == 0:
        return "child"
    time.sleep(0.1)
    return "parent"


def hang(event, context):
    if "hang" in event:
        time.sleep(600)
    return "quick"


def big(event, context):
    return "x" * event["size"]


def logs(event, context):
    for _ in range(event.get("lines", 0)):
        sys.stderr.write("l" * 999 + "\n")
    sys.stdout.write(event["out"] + "\n")
    sys.stderr.write(event["err"] + "\n")
    return "logged"


def invalid(event, context):
    return {"a set": {1, 2}}


def whole_range(event, context):
    return bytes(range(256))


def stream(event, context):
    yield b"one"
    if "fail" in event:
        raise ValueError("half way")
    yield "two"
    yield b"three"


def web(event, context):
    yield {"statusCode": 201, "headers": {"x-test": "yes"}}
    yield b"made"
