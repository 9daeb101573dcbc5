"""Basic and Bearer: who is asked for what, where passwords go, and what is said when nobody is let in."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from imagekit.errors import RemoteFailed
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.store.hosts import Host, Hosts
from imagekit.store.registry import Registry
from tests.support import faults
from tests.support.blobs import blob_of, manifest_of, opener
from tests.support.clock import Clock
from tests.support.logins import USERS, login
from tests.support.registry import Registry as Server
from tests.support.tokens import Doorkeeper

Open = Callable[..., Registry]
BLOB = Descriptor.of(b"data", media.LAYER)


def scopes(server: Server) -> list[list[str]]:
    return [parse_qs(urlsplit(path).query).get("scope", []) for path in server.seen("^GET /token")]


class TestBasic:
    def test_the_login_is_sent_after_the_registry_asked_and_then_at_once(
        self, server: Server, repository: Open, tmp_path: Path
    ):
        server.doorkeeper = Doorkeeper("basic", users=USERS)
        target = repository(f"{server.host}/app", environment=login(tmp_path, server.host))
        assert not target.has(BLOB)
        assert not target.has(BLOB)
        sent = [request.headers.get("authorization", "") for request in server.requests]
        assert sent[0] == ""
        assert sent[1:] == [f"Basic {base64.b64encode('ann:pa:ss wörd'.encode()).decode()}"] * 2

    def test_without_a_login_the_error_says_what_to_do(self, server: Server, repository: Open):
        server.doorkeeper = Doorkeeper("basic", users=USERS)
        with pytest.raises(RemoteFailed, match=rf"{server.host} wants credentials, and none are known.*401") as caught:
            repository(f"{server.host}/app").has(BLOB)
        assert f"docker login {server.host}" in caught.value.hint
        assert len(server.requests) == 1

    def test_a_wrong_login_is_named_with_the_file_that_it_is_from_but_never_shown(
        self, server: Server, repository: Open, tmp_path: Path
    ):
        server.doorkeeper = Doorkeeper("basic", users=USERS)
        environment = login(tmp_path, server.host, password="hunter2")
        with pytest.raises(RemoteFailed, match=rf"refuses us as 'ann' \({tmp_path}/config.json\): 401") as caught:
            repository(f"{server.host}/app", environment=environment).document("v1")
        assert "hunter2" not in f"{caught.value} {caught.value.hint} {caught.value!r}"
        assert len(server.requests) == 2

    def test_a_server_that_repeats_the_password_does_not_get_it_printed(
        self, server: Server, repository: Open, tmp_path: Path
    ):
        environment = login(tmp_path, server.host, password="hunter2")
        echo = b'{"errors":[{"code":"X","message":"got hunter2, that is ' + base64.b64encode(b"ann:hunter2") + b'"}]}'
        server.fault(".", faults.status(401, echo, {"WWW-Authenticate": 'Basic realm="x"'}), times=9)
        with pytest.raises(RemoteFailed, match="got …, that is …") as caught:
            repository(f"{server.host}/app", environment=environment).document("v1")
        assert "hunter2" not in str(caught.value)

    def test_a_helper_whose_answer_is_refused_is_asked_again(self, server: Server, repository: Open, tmp_path: Path):
        """As it is with ECR's helper: its token ends after twelve hours."""
        helper = tmp_path / "docker-credential-store"
        helper.write_text(f"#!/bin/sh\n/bin/cat {tmp_path}/answer\n")
        helper.chmod(0o755)
        (tmp_path / "config.json").write_text('{"credsStore": "store"}')
        (tmp_path / "answer").write_text('{"Username": "ann", "Secret": "old"}')
        server.doorkeeper = Doorkeeper("basic", users={"ann": "old"})
        environment = {"DOCKER_CONFIG": str(tmp_path), "PATH": str(tmp_path)}
        target = repository(f"{server.host}/app", environment=environment)
        target.has(BLOB)
        server.doorkeeper.users["ann"] = "new"
        (tmp_path / "answer").write_text('{"Username": "ann", "Secret": "new"}')
        assert not target.has(BLOB)

    def test_schemes_that_are_not_spoken_are_named(self, server: Server, repository: Open):
        server.fault(".", faults.status(401, headers={"WWW-Authenticate": "Negotiate, NTLM"}), times=9)
        with pytest.raises(RemoteFailed, match="the server names negotiate, ntlm"):
            repository(f"{server.host}/app").has(BLOB)

    def test_bearer_is_taken_where_both_are_offered(self, server: Server, repository: Open):
        server.doorkeeper = Doorkeeper(anonymous="pull")
        value = f'Basic realm="x", Bearer realm="{server.url}/token",service="s"'
        server.fault("HEAD", faults.status(401, headers={"WWW-Authenticate": value}))
        assert not repository(f"{server.host}/app", reads=True).has(BLOB)
        assert len(server.seen("^GET /token")) == 1


class TestTokens:
    def test_anybody_may_pull_where_the_registry_gives_anybody_a_token(self, server: Server, repository: Open):
        server.doorkeeper = Doorkeeper(anonymous="pull")
        there = server.add_blob("team/app", b"data")
        assert repository(f"{server.host}/team/app", reads=True).has(there)
        assert scopes(server) == [["repository:team/app:pull"]]
        assert "authorization" not in server.requests[1].headers

    def test_one_token_serves_all_requests_of_a_scope(self, server: Server, repository: Open, tmp_path: Path):
        server.doorkeeper = Doorkeeper(users=USERS)
        target = repository(f"{server.host}/app", environment=login(tmp_path, server.host))
        for _ in range(3):
            target.has(BLOB)
        assert [request.split("?")[0] for request in server.seen()] == [
            f"HEAD /v2/app/blobs/{BLOB.digest}",
            "GET /token",
            *[f"HEAD /v2/app/blobs/{BLOB.digest}"] * 3,
        ]
        assert scopes(server)[0][0] == "repository:app:pull,push"

    def test_the_service_is_named_and_the_login_sent_to_it(self, server: Server, repository: Open, tmp_path: Path):
        server.doorkeeper = Doorkeeper(users=USERS)
        repository(f"{server.host}/app", environment=login(tmp_path, server.host)).has(BLOB)
        asked = next(request for request in server.requests if request.path.startswith("/token"))
        assert parse_qs(urlsplit(asked.path).query)["service"] == ["test registry"]
        assert asked.headers["authorization"].startswith("Basic ")

    def test_a_mount_has_a_token_for_both_repositories(self, server: Server, repository: Open, tmp_path: Path):
        server.doorkeeper = Doorkeeper(users=USERS)
        there = server.add_blob("base", b"data")
        target = repository(f"{server.host}/app", environment=login(tmp_path, server.host))
        assert target.mount(there, f"{server.host}/base")
        assert scopes(server)[0][:2] == ["repository:app:pull,push", "repository:base:pull"]

    def test_a_mount_that_the_token_service_refuses_is_no_error(self, server: Server, repository: Open, tmp_path: Path):
        server.doorkeeper = Doorkeeper(users=USERS)
        server.fault("/token", faults.status(403))
        target = repository(f"{server.host}/app", environment=login(tmp_path, server.host))
        assert not target.mount(BLOB, f"{server.host}/base")

    def test_a_token_is_renewed_before_it_ends(self, server: Server, repository: Open, clock: Clock, tmp_path: Path):
        server.doorkeeper = Doorkeeper(users=USERS, life=100)
        target = repository(f"{server.host}/app", environment=login(tmp_path, server.host))
        target.has(BLOB)
        clock.now += 89
        target.has(BLOB)
        assert len(scopes(server)) == 1
        clock.now += 2
        target.has(BLOB)
        assert len(scopes(server)) == 2
        assert len(server.seen("^HEAD")) == 4, "the new token is there before the registry asks for one"

    def test_a_token_that_is_refused_early_is_renewed(self, server: Server, repository: Open, tmp_path: Path):
        server.doorkeeper = Doorkeeper(users=USERS)
        target = repository(f"{server.host}/app", environment=login(tmp_path, server.host))
        target.has(BLOB)
        server.doorkeeper.revoke()
        assert not target.has(BLOB)
        assert len(scopes(server)) == 2

    def test_a_token_that_ends_during_an_upload_costs_one_more_try(
        self, server: Server, repository: Open, tmp_path: Path
    ):
        keeper = server.doorkeeper = Doorkeeper(users=USERS)

        def revoked(handler: object) -> bool:
            keeper.revoke()
            return False

        server.fault("PATCH", revoked)
        target = repository(f"{server.host}/app", environment=login(tmp_path, server.host))
        target.put(BLOB, opener(b"data"))
        assert server.blobs[str(BLOB.digest)] == b"data"
        assert len(server.seen("POST")) == 3, "401, a session, and a new session"

    def test_a_token_without_rights_ends_with_401_and_not_in_a_circle(
        self, server: Server, repository: Open, tmp_path: Path
    ):
        server.doorkeeper = Doorkeeper(users=USERS, anonymous="pull")
        with pytest.raises(RemoteFailed, match="wants credentials, and none are known"):
            repository(f"{server.host}/app").put_document(manifest_of(blob_of(b"{}")))
        assert len(server.requests) == 3

    def test_a_refused_login_is_named(self, server: Server, repository: Open, tmp_path: Path):
        server.doorkeeper = Doorkeeper(users=USERS)
        environment = login(tmp_path, server.host, password="hunter2")
        pattern = rf"the token service of {server.host} answers 401 as 'ann' \({tmp_path}/config.json\), UNAUTHORIZED"
        with pytest.raises(RemoteFailed, match=pattern) as caught:
            repository(f"{server.host}/app", environment=environment).has(BLOB)
        assert "docker login" in caught.value.hint
        assert "hunter2" not in str(caught.value)

    def test_an_identity_token_is_a_refresh_token(self, server: Server, repository: Open, tmp_path: Path):
        server.doorkeeper = Doorkeeper(users=USERS)
        server.doorkeeper.refresh["refresh me"] = "ann"
        environment = login(tmp_path, server.host, user="00000000-0000", identitytoken="refresh me")
        assert not repository(f"{server.host}/app", environment=environment).has(BLOB)
        assert server.seen("/token") == ["POST /token"]

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"<html>", b"[]", b"{}", b'{"token": ""}', b'{"token": 7}', b'{"token": "a\\r\\nX-Evil: b"}',
            b'{"token": "\\u00e9"}', b'{"token": "' + b"a" * 40_000 + b'"}',
        ],
        ids=lambda body: repr(body[:24]),
    )  # fmt: skip
    def test_garbage_instead_of_a_token_is_a_remote_failure(self, server: Server, repository: Open, body: bytes):
        server.doorkeeper = Doorkeeper(anonymous="pull")
        server.fault("/token", faults.status(200, body))
        with pytest.raises(RemoteFailed, match="token service's answer"):
            repository(f"{server.host}/app", reads=True).has(BLOB)

    def test_an_endless_token_is_cut(self, server: Server, repository: Open):
        server.doorkeeper = Doorkeeper(anonymous="pull")
        server.fault("/token", faults.endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536))
        with pytest.raises(RemoteFailed, match="larger than 65536 bytes"):
            repository(f"{server.host}/app", reads=True).has(BLOB)

    @pytest.mark.parametrize("life", ["null", "0", "-5", "true", '"x"', "1e300", "1" + "0" * 400])
    def test_a_life_that_makes_no_sense_is_replaced_or_cut(
        self, server: Server, repository: Open, clock: Clock, life: str
    ):
        server.doorkeeper = keeper = Doorkeeper(anonymous="pull")
        keeper.tokens["good"] = (float("inf"), frozenset({"repository:app:pull"}))
        server.fault("/token", faults.status(200, f'{{"token": "good", "expires_in": {life}}}'.encode()))
        source = repository(f"{server.host}/app", reads=True)
        assert not source.has(BLOB)
        clock.now += 13 * 3600
        source.has(BLOB)
        assert len(scopes(server)) == 2, "no token is believed to live for ever"

    def test_many_threads_ask_for_one_token(self, server: Server, repository: Open):
        server.doorkeeper = Doorkeeper(anonymous="pull")
        source = repository(f"{server.host}/app", reads=True)
        failures: list[BaseException] = []

        def look() -> None:
            try:
                source.has(BLOB)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=look) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(scopes(server)) == 1


class TestWhereCredentialsGo:
    def test_a_token_service_on_another_host_without_tls_gets_no_password(
        self, server: Server, repository: Open, tmp_path: Path
    ):
        server.doorkeeper = Doorkeeper(users=USERS, realm="http://auth.example.com/token")
        hosts = Hosts(hosts={"auth.example.com": Host(insecure=True)}, environment=login(tmp_path, server.host))
        with pytest.raises(RemoteFailed, match=r"names the token service .* is not sent there") as caught:
            repository(f"{server.host}/app", hosts=hosts).has(BLOB)
        assert USERS["ann"] not in str(caught.value)

    def test_a_token_service_that_the_guard_refuses_is_not_asked(self, server: Server, repository: Open):
        server.doorkeeper = Doorkeeper(anonymous="pull", realm="http://169.254.169.254/latest/meta-data")
        with pytest.raises(RemoteFailed, match="not followed"):
            repository(f"{server.host}/app", reads=True).has(BLOB)

    def test_a_redirect_to_another_host_carries_no_credentials(self, server: Server, repository: Open, tmp_path: Path):
        there = server.add_blob("app", b"data")
        server.doorkeeper = Doorkeeper("basic", users=USERS)
        with Server() as storage:
            storage.files["/signed"] = b"data"
            server.fault("GET /v2/app/blobs", lambda handler: False)
            server.fault("GET /v2/app/blobs", faults.redirect(f"{storage.url}/signed?X-Amz-Signature=abc"))
            with repository(f"{server.host}/app", environment=login(tmp_path, server.host)).blob(there) as pieces:
                assert b"".join(pieces) == b"data"
            assert storage.seen() == ["GET /signed?X-Amz-Signature=abc"]
            assert "authorization" not in storage.requests[0].headers

    def test_a_redirect_to_the_same_server_keeps_them(self, server: Server, repository: Open, tmp_path: Path):
        there = server.add_blob("app", b"data")
        server.doorkeeper = Doorkeeper("basic", users=USERS)
        target = repository(f"{server.host}/app", environment=login(tmp_path, server.host))
        target.has(there)
        server.fault("HEAD", faults.redirect(f"/v2/app/blobs/{there.digest}?again"))
        assert target.has(there)
        assert "authorization" in server.requests[-1].headers

    def test_an_upload_at_another_server_gets_no_credentials(self, server: Server, repository: Open, tmp_path: Path):
        server.doorkeeper = Doorkeeper("basic", users=USERS)
        target = repository(f"{server.host}/app", environment=login(tmp_path, server.host))
        target.has(BLOB)
        with Server() as storage:
            storage.uploads["ab"] = bytearray()
            location = f"{storage.url}/v2/app/blobs/uploads/ab"
            server.fault("POST", faults.status(202, headers={"Location": location}))
            target.put(BLOB, opener(b"data"))
            assert [request.method for request in storage.requests] == ["PATCH", "PUT"]
            assert not any("authorization" in request.headers for request in storage.requests)

    def test_a_401_of_another_server_does_not_bring_the_credentials_out(
        self, server: Server, repository: Open, tmp_path: Path
    ):
        there = server.add_blob("app", b"data")
        with Server(doorkeeper=Doorkeeper("basic", users=USERS)) as storage:
            server.fault("GET", faults.redirect(f"{storage.url}/v2/app/blobs/{there.digest}"), times=9)
            environment = login(tmp_path, server.host, storage.host)
            with (
                pytest.raises(RemoteFailed, match="401"),
                repository(f"{server.host}/app", environment=environment).blob(there),
            ):
                pass
            assert len(storage.requests) == 1

    def test_a_token_of_the_settings_is_sent_as_it_is(self, server: Server, repository: Open):
        server.doorkeeper = keeper = Doorkeeper()
        keeper.tokens["s3cr3t"] = (float("inf"), frozenset({"repository:app:pull"}))
        hosts = Hosts(hosts={server.host: Host(token_env="CORP_TOKEN")}, environment={"CORP_TOKEN": "s3cr3t\n"})
        assert not repository(f"{server.host}/app", hosts=hosts).has(BLOB)
        assert server.seen("/token") == []
