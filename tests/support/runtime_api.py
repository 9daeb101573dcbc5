"""As much of Lambda's Runtime API as it takes to give a program one event and to hear its answer."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PREFIX = "/2018-06-01/runtime/invocation"
_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """The event, once; whoever asks for a second one waits until the program is ended."""
        assert self.path == f"{_PREFIX}/next"
        if self.server.asked.is_set():
            self.server.over.wait(60)
            self.close_connection = True
            return
        self.server.asked.set()
        self._answer(200, self.server.event)

    def do_POST(self) -> None:
        """What the program says to it."""
        self.server.answers.append((self.path.removeprefix(f"{_PREFIX}/{_ID}"), self._body()))
        self._answer(202, b"")
        self.server.answered.set()

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):  # RFC 9112, section 7.1
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        for name, value in {
            "Lambda-Runtime-Aws-Request-Id": _ID,
            "Lambda-Runtime-Deadline-Ms": "4102444800000",
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:f",
            "Content-Length": str(len(body)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, event: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.event = event
        self.answers: list[tuple[str, bytes]] = []
        self.asked, self.answered, self.over = threading.Event(), threading.Event(), threading.Event()


def invoke(command: Sequence[str], event: Any, environment: Mapping[str, str]) -> tuple[str, Any]:
    """Start a program, give it one event; `/response` or `/error`, and what came with it."""
    with _Server(json.dumps(event).encode()) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        around = {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
            "AWS_LAMBDA_LOG_STREAM_NAME": "f",
        }
        program = subprocess.Popen(command, env={**around, **environment}, stdin=subprocess.DEVNULL)
        try:
            assert server.answered.wait(60), f"{command[-1]} gave no answer"
        finally:
            program.kill()
            program.wait()
            server.over.set()
            server.shutdown()
            thread.join()
        path, body = server.answers[0]
        return path, json.loads(body)
