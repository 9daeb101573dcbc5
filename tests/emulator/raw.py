"""A runtime, or an extension, that does what a script says, over raw sockets. `python -S -E raw.py SCRIPT [NAME]`.

It has to start fast, so it imports next to nothing. The script sees what is defined here.
"""

import os
import signal
import socket
import sys
import time

__all__ = ["signal", "time"]

HOST, _, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
RUNTIME = "/2018-06-01/runtime"
EXTENSION = "/2020-01-01/extension"


class Answer:
    """What came back; header names are in lower case."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def id(self):
        return self.headers.get("lambda-runtime-aws-request-id", "")


class Api:
    """One connection that is kept."""

    def __init__(self):
        self.sock = None

    def open(self):
        self.sock = socket.create_connection((HOST, int(PORT)))
        self.file = self.sock.makefile("rb")

    def send(self, data):
        if self.sock is None:
            self.open()
        self.sock.sendall(data)

    def head(self, method, path, headers=None):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}:{PORT}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def call(self, method, path, body=b"", headers=None):
        self.head(method, path, {"Content-Length": len(body), **(headers or {})})
        self.send(body)
        return self.answer()

    def answer(self):
        status = int(self.file.readline().split()[1])
        headers = {}
        while (line := self.file.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return Answer(status, headers, self.file.read(int(headers.get("content-length", 0))))

    def close(self):
        self.file.close()
        self.sock.close()
        self.sock = None


api = Api()


def take():
    """The next event."""
    return api.call("GET", f"{RUNTIME}/invocation/next")


def respond(event, body, **headers):
    """Answer it."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.call("POST", f"{RUNTIME}/invocation/{event.id}/response", body, names)


def fail(event, body=b'{"errorType":"E","errorMessage":"m"}', kind="Function.Oops"):
    """Say that it failed."""
    path = f"{RUNTIME}/invocation/{event.id}/error"
    return api.call("POST", path, body, {"Lambda-Runtime-Function-Error-Type": kind})


def stream(event, pieces, trailers=None, kind="text/plain"):
    """Answer it piece by piece."""
    api.head(
        "POST",
        f"{RUNTIME}/invocation/{event.id}/response",
        {
            "Transfer-Encoding": "chunked",
            "Lambda-Runtime-Function-Response-Mode": "streaming",
            "Content-Type": kind,
            "Trailer": "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
        },
    )
    for piece in pieces:
        api.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    lines = "".join(f"{name}: {value}\r\n" for name, value in (trailers or {}).items())
    api.send(f"0\r\n{lines}\r\n".encode())
    return api.answer()


def register(name, *events, connection=None):
    """Register an extension; its identifier."""
    listed = ",".join(f'"{event}"' for event in events)
    body = f'{{"events":[{listed}]}}'.encode()
    answer = (connection or api).call("POST", f"{EXTENSION}/register", body, {"Lambda-Extension-Name": name})
    return answer.headers.get("lambda-extension-identifier", ""), answer


def event_next(id, connection=None):
    """An extension's next event."""
    headers = {"Lambda-Extension-Identifier": id}
    return (connection or api).call("GET", f"{EXTENSION}/event/next", b"", headers)


def note(*words):
    """Leave words for the test, a line for each call."""
    path = os.path.join(os.environ["IMAGEKIT_TEST_TMP"], "notes")
    with open(path, "a", encoding="utf-8") as notes:
        notes.write(" ".join(str(word) for word in words) + "\n")


def say(text):
    """Write to the log."""
    os.write(1, text.encode())


def echo():
    """Answer every event with itself."""
    while True:
        event = take()
        respond(event, event.body)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as opened:
        text = opened.read()
    exec(compile(text, sys.argv[1], "exec"), globals())
