"""Loading into a Docker engine: streamed, its own words in the errors, and nothing without an engine."""

import gc
import io
import json
import socketserver
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from imagekit.errors import BuildFailed, Missing, RemoteFailed, UsageError, WrongDigest
from imagekit.store import archive, docker
from tests.support.layouts import ARM64, index_of, opener, picture
from tests.support.tools import need

ONE = picture({"etc/os-release": b"base" * 5000}, {"var/task/app.py": b"one"})
ARM = picture({"etc/os-release": b"arm"}, platform=ARM64)


class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The part of the Docker Engine API that loads images; `answer` is what it sends, `received` what it got."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(path, _Requests)
        self.status = 200
        self.answer: list[object] = [{"stream": "Loaded image: registry.corp/app:1\n"}]
        self.received = b""
        self.pieces = 0
        self.hangs_up = False


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Engine

    def do_GET(self) -> None:
        self._reply(200, json.dumps({"ApiVersion": "1.44", "Version": "25.0"}).encode())

    def do_POST(self) -> None:
        assert self.path.endswith("/images/load"), self.path
        assert self.headers["Transfer-Encoding"] == "chunked"
        received = io.BytesIO()
        while size := int(self.rfile.readline(), 16):
            received.write(self.rfile.read(size))
            self.rfile.readline()
            self.server.pieces += 1
            if self.server.hangs_up:
                self.close_connection = True
                return
        self.rfile.readline()
        self.server.received = received.getvalue()
        if self.server.status != 200:
            self._reply(self.server.status, json.dumps(self.server.answer[0]).encode())
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for item in self.server.answer:
            line = json.dumps(item).encode() + b"\r\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "local"

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def engine(tmp_path) -> Iterator[Engine]:
    with Engine(str(tmp_path / "engine.sock")) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def environment(tmp_path, monkeypatch) -> dict[str, str]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))  # the SDK itself reads contexts from there
    return {"DOCKER_HOST": f"unix://{tmp_path}/engine.sock"}


def test_an_image_is_streamed_as_its_docker_archive(engine, environment, tmp_path):
    with docker.loading("registry.corp/app", environment) as sink:
        ONE.put_into(sink, "1")
    with archive.writing_docker(tmp_path / "out.tar", "registry.corp/app") as sink:
        ONE.put_into(sink, "1")
    assert engine.received == (tmp_path / "out.tar").read_bytes()
    assert engine.pieces > 10, "in pieces, as they come"


def test_loading_a_stream_tells_the_names_that_the_engine_tells(engine, environment):
    engine.answer = [
        {"status": "Loading layer", "progressDetail": {"current": 1}},
        {"stream": "Loaded image: a:1\n"},
        {"stream": "Loaded image ID: sha256:12\x1b[31m\n"},
    ]
    assert docker.load(iter([b"one", b"", b"two"]), environment) == ("a:1", "sha256:12")
    assert engine.received == b"onetwo"


def test_the_current_context_names_the_engine(engine, tmp_path, monkeypatch):
    import hashlib

    folder = tmp_path / "docker"
    meta = folder / "contexts/meta" / hashlib.sha256(b"here").hexdigest()
    meta.mkdir(parents=True)
    (folder / "config.json").write_text('{"currentContext": "here"}')
    host = f"unix://{tmp_path}/engine.sock"
    context = {"Name": "here", "Metadata": {}, "Endpoints": {"docker": {"Host": host}}}
    (meta / "meta.json").write_text(json.dumps(context))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert docker.load([b"x"], {"PATH": "/bin"}) == ("registry.corp/app:1",)
    (meta / "meta.json").write_text("{}")
    with pytest.raises(Missing, match="no Docker engine"):
        docker.load([b"x"], {"PATH": "/bin"})


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the SDK forgets a socket that cannot connect
@pytest.mark.parametrize("host", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "nonsense://x", "unix://"])
def test_no_engine_is_said_before_anything_is_opened(environment, host):
    def attempt() -> str:
        with pytest.raises(Missing, match="no Docker engine") as caught, docker.loading("app", {"DOCKER_HOST": host}):
            pytest.fail("there is none")
        return caught.value.hint

    assert "DOCKER_HOST" in attempt()
    gc.collect()


@pytest.mark.parametrize(
    ("status", "kind"), [(400, BuildFailed), (404, BuildFailed), (500, RemoteFailed), (503, RemoteFailed)]
)
def test_an_answer_that_is_no_success_is_told_in_the_engines_words(engine, environment, status, kind):
    engine.status, engine.answer = status, [{"message": "no space\x1b[2J left"}]
    with pytest.raises(kind, match="did not load the image: no space left"):
        docker.load([b"x"], environment)


@pytest.mark.parametrize("answer", [{"error": "bad layer", "errorDetail": {}}, {"message": "bad layer"}])
def test_an_error_in_the_stream_is_told_in_the_engines_words(engine, environment, answer):
    engine.answer = [{"status": "Loading"}, answer]
    with pytest.raises(BuildFailed, match="bad layer"):
        docker.load([b"x"], environment)


def test_an_engine_that_goes_away_is_a_broken_connection(engine, environment):
    engine.hangs_up = True
    with pytest.raises(RemoteFailed, match="broke"):
        docker.load((bytes(65536) for _ in range(1000)), environment)


def test_wrong_bytes_never_end_well(engine, environment):
    with pytest.raises(WrongDigest), docker.loading("app", environment) as sink:  # noqa: PT012 - it is sent at the end
        ONE.put_into(sink, "1")
        sink.put(ONE.blobs[0], opener(b"x" * ONE.blobs[0].size))
    assert not engine.received


def test_an_image_for_several_platforms_is_refused(engine, environment):
    with pytest.raises(UsageError), docker.loading("app", environment) as sink:  # noqa: PT012 - at the end
        ONE.put_into(sink)
        ARM.put_into(sink)
        sink.put_document(index_of(ONE, ARM), "1")
    assert not engine.received


@pytest.mark.real
def test_podman_as_an_engine_has_the_image(environment):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:  # podman wants short paths
        podman = [need("podman"), f"--root={place}/root", f"--runroot={place}/run", "--storage-driver=vfs"]
        service = subprocess.Popen([*podman, "system", "service", "--time=0", f"unix://{place}/podman.sock"])
        try:
            _wait_for(Path(place, "podman.sock"))
            with docker.loading("registry.corp/team/app", {"DOCKER_HOST": f"unix://{place}/podman.sock"}) as sink:
                ONE.put_into(sink, "1", "latest")
            words = [*podman, "image", "inspect", "registry.corp/team/app:latest"]
            told = subprocess.run(words, capture_output=True, check=True)
        finally:
            service.terminate()
            service.wait()
    assert json.loads(told.stdout)[0]["RootFS"]["Layers"] == [str(item) for item in ONE.image.config.diff_ids]


def _wait_for(path: Path) -> None:
    for _ in range(200):
        if path.exists():
            return
        time.sleep(0.05)
    pytest.fail(f"{path} did not appear")
