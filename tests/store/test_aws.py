"""ECR through boto3, with botocore's own stubs: tokens, errors in words."""

from __future__ import annotations

import base64
import builtins
import json
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from botocore.stub import Stubber

from imagekit.errors import Missing, RemoteFailed
from imagekit.oci.reference import Reference
from imagekit.store.auth import Keyring
from imagekit.store.aws import boto3_factory, ecr_credential, ecr_token
from imagekit.store.hosts import Hosts
from imagekit.store.places import Places
from imagekit.store.repositories import create, tag_mutability
from tests.support.registry import tls_context

PRIVATE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
CHINA = "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"
TOKEN = base64.b64encode(b"AWS:secret-token").decode()
EXPIRES = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def stubbed() -> Iterator[Callable[..., Callable[[str, str], Any]]]:
    """A factory whose one client answers one call; it remembers in `made` what it was asked for."""
    stubs: list[Stubber] = []

    def stub(service: str, method: str, answer: dict[str, Any] | str, expected: dict[str, Any]) -> Any:
        client = boto3.client(service, "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
        stubber = Stubber(client)
        if isinstance(answer, str):
            stubber.add_client_error(method, answer, "words of AWS", expected_params=expected)
        else:
            stubber.add_response(method, answer, expected)
        stubber.activate()
        stubs.append(stubber)

        def factory(name: str, region: str) -> Any:
            factory.made = (name, region)  # type: ignore[attr-defined]
            return client

        return factory

    yield stub
    for stubber in stubs:
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(("registry", "region"), [(PRIVATE, "eu-west-1"), (CHINA, "cn-north-1")])
def test_a_private_registrys_token_is_of_its_region_and_account(stubbed, registry, region):
    answer = {"authorizationData": [{"authorizationToken": TOKEN, "expiresAt": EXPIRES, "proxyEndpoint": "https://x"}]}
    factory = stubbed("ecr", "get_authorization_token", answer, {"registryIds": ["123456789012"]})
    found = ecr_token(registry, factory)
    assert (found.username, found.secret.reveal(), found.renewable) == ("AWS", "secret-token", True)
    assert factory.made == ("ecr", region)
    assert "secret-token" not in repr(found)


def test_the_public_registrys_token_is_of_us_east_1(stubbed):
    answer = {"authorizationData": {"authorizationToken": TOKEN, "expiresAt": EXPIRES}}
    factory = stubbed("ecr-public", "get_authorization_token", answer, {})
    found = ecr_credential("public.ecr.aws", factory)
    assert found is not None
    assert found.secret.reveal() == "secret-token"
    assert factory.made == ("ecr-public", "us-east-1")


def test_an_error_of_aws_is_told_in_its_words(stubbed):
    factory = stubbed("ecr", "get_authorization_token", "AccessDeniedException", {"registryIds": ["123456789012"]})
    with pytest.raises(RemoteFailed, match=f"the token for {PRIVATE}: AccessDeniedException: words of AWS") as caught:
        ecr_token(PRIVATE, factory)
    assert "aws sts get-caller-identity" in caught.value.hint


def test_without_aws_credentials_this_machine_lacks_something():
    def factory(name: str, region: str) -> Any:
        raise NoCredentialsError

    with pytest.raises(Missing, match="Unable to locate credentials") as caught:
        ecr_token(PRIVATE, factory)
    assert "AWS_PROFILE" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("AWS_PROFILE", "nope", "nope"),
        ("AWS_CONFIG_FILE", "garbage", "garbage"),
        ("AWS_CONFIG_FILE", "process", "/nonexistent/program"),
    ],
)
def test_settings_of_aws_that_lead_nowhere_are_told(tmp_path, monkeypatch, name, value, told):
    for one in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(one, raising=False)
    (tmp_path / "garbage").write_text("garbage")
    (tmp_path / "process").write_text("[default]\ncredential_process = /nonexistent/program\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv(name, str(tmp_path / value) if name == "AWS_CONFIG_FILE" else value)
    with pytest.raises(Missing, match=told) as caught:
        ecr_token(PRIVATE, boto3_factory())
    assert "AWS_PROFILE" in caught.value.hint


@pytest.mark.parametrize("data", [[], [{}], [{"authorizationToken": "%%%"}], [{"authorizationToken": "w7/D"}], None])
def test_an_answer_that_is_no_token_is_a_remote_failure(data):
    class Client:
        def get_authorization_token(self, **_: object) -> dict[str, Any]:
            return {"authorizationData": data}

    with pytest.raises(RemoteFailed, match="AWS does not give the token"):
        ecr_token(PRIVATE, lambda name, region: Client())


class TestWithoutBoto3:
    @pytest.fixture(autouse=True)
    def absent(self, monkeypatch: pytest.MonkeyPatch):
        real = builtins.__import__

        def without(name: str, *arguments: Any, **options: Any) -> Any:
            if name.partition(".")[0] in ("boto3", "botocore"):
                raise ImportError(name)
            return real(name, *arguments, **options)

        for name in [name for name in sys.modules if name.partition(".")[0] in ("boto3", "botocore")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(builtins, "__import__", without)

    def test_there_is_no_token_and_no_crash(self):
        assert boto3_factory() is None
        assert ecr_credential(PRIVATE) is None
        assert tag_mutability(PRIVATE, "app", "v1") is None
        with pytest.raises(Missing, match="boto3 is not installed, which creates ECR's repositories"):
            create(PRIVATE, "app")

    def test_the_refusal_says_what_to_install(self, server, repository, monkeypatch):
        """The registry's name is ECR's; the proxy is the in-process registry, which refuses everybody."""
        from imagekit.store.hosts import Host, Hosts
        from tests.support import faults
        from tests.support.blobs import blob_of

        server.fault(".", faults.status(401, headers={"WWW-Authenticate": 'Basic realm="ecr"'}), times=9)
        environment = {"HTTP_PROXY": f"http://{server.host}"}
        hosts = Hosts(hosts={PRIVATE: Host(insecure=True)}, environment=environment)
        with pytest.raises(RemoteFailed, match="wants credentials") as caught:
            repository(f"{PRIVATE}/app", hosts=hosts).has(blob_of(b"x"))
        assert "lambda-imagekit[aws]" in caught.value.hint
        assert f"docker login --username AWS --password-stdin {PRIVATE}" in caught.value.hint


def test_a_client_is_made_without_the_network():
    factory = boto3_factory()
    assert factory is not None
    assert factory("ecr", "eu-west-1").meta.region_name == "eu-west-1"


class _Endpoint(BaseHTTPRequestHandler):
    """ECR behind a proxy that has a certificate of its own authority."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        action = self.headers["X-Amz-Target"].rpartition(".")[2]
        answers = {
            "GetAuthorizationToken": {"authorizationData": [{"authorizationToken": TOKEN}]},
            "DescribeRepositories": {"repositories": [{"imageTagMutability": "IMMUTABLE"}]},
        }
        body = json.dumps(answers[action]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def endpoint(tmp_path, monkeypatch) -> Iterator[str]:
    """The file with the authority of an endpoint that boto3 is led to."""
    context, authority = tls_context(tmp_path)
    with HTTPServer(("127.0.0.1", 0), _Endpoint) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", f"https://127.0.0.1:{server.server_port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "x")
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
        try:
            yield authority
        finally:
            server.shutdown()
            thread.join()


def test_an_authority_for_the_registry_is_one_for_aws_too(endpoint, tmp_path):
    with pytest.raises(RemoteFailed, match="CERTIFICATE_VERIFY_FAILED"):
        Keyring(Hosts()).find(PRIVATE, "app", writes=True)
    hosts = Hosts(ca_file=endpoint)
    found = Keyring(hosts).find(PRIVATE, "app", writes=True)
    assert found is not None
    assert found.secret.reveal() == "secret-token"
    places = Places(hosts, None, folder=str(tmp_path))
    assert places.is_immutable(Reference.parse(f"{PRIVATE}/app:1")) is True
    places.close()
