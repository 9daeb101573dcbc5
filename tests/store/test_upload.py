"""Uploads: one streamed PATCH, a fresh session after each break, no closing PUT for what is not right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from imagekit.errors import RemoteFailed, WrongDigest
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
DATA = b"0123456789abcdef" * 65536
BLOB = blob_of(DATA)


def methods(server: Server) -> list[str]:
    return [request.method for request in server.requests]


class TestTheWay:
    def test_a_blob_is_one_session_one_patch_one_put(self, server: Server, repository: Open):
        repository(f"{server.host}/app").put(BLOB, opener(DATA[:7], DATA[7:]))
        assert methods(server) == ["POST", "PATCH", "PUT"]
        patch = server.requests[1]
        assert patch.headers["content-length"] == str(len(DATA))
        assert patch.headers["content-type"] == "application/octet-stream"
        assert "transfer-encoding" not in patch.headers
        assert server.blobs[str(BLOB.digest)] == DATA

    def test_the_way_is_good_for_ecr(self, server: Server, repository: Open):
        server.like_ecr = True
        repository(f"{server.host}/app").put(BLOB, opener(DATA))
        assert server.blobs[str(BLOB.digest)] == DATA

    def test_the_location_of_each_answer_is_followed_with_its_query(self, server: Server, repository: Open):
        repository(f"{server.host}/app").put(BLOB, opener(DATA))
        assert "?_state=secret-" in server.requests[1].path
        assert "?_state=next-" in server.requests[2].path
        assert server.requests[2].path.endswith(f"&digest=sha256%3A{BLOB.digest.hex}")

    def test_a_patch_without_a_location_is_closed_where_it_was(self, server: Server, repository: Open):
        server.fault("PATCH", faults.headed({"Location": ""}))
        repository(f"{server.host}/app").put(BLOB, opener(DATA))
        assert "?_state=secret-" in server.requests[2].path

    def test_an_empty_blob_is_uploaded(self, server: Server, repository: Open):
        repository(f"{server.host}/app").put(blob_of(b""), opener())
        assert server.blobs[str(blob_of(b"").digest)] == b""

    def test_a_session_without_a_location_is_refused(self, server: Server, repository: Open):
        server.fault("POST", faults.status(202))
        with pytest.raises(RemoteFailed, match="without saying where"):
            repository(f"{server.host}/app").put(BLOB, opener(DATA))


class TestWhatIsNotRight:
    @pytest.mark.parametrize(
        ("pieces", "how"),
        [((DATA[:-1],), "fewer"), ((DATA, b"x"), "more"), ((), "fewer")],
        ids=["short", "long", "none"],
    )
    def test_a_source_of_another_size_gets_no_closing_put(
        self, server: Server, repository: Open, pieces: tuple[bytes, ...], how: str
    ):
        with pytest.raises(WrongDigest, match=f"gives {how} bytes"):
            repository(f"{server.host}/app").put(BLOB, opener(*pieces))
        assert "PUT" not in methods(server)
        assert server.blobs == {}

    def test_a_source_that_finds_its_bytes_wrong_gets_no_closing_put(self, server: Server, repository: Open):
        server.add_blob("base", DATA)
        server.blobs[str(BLOB.digest)] = DATA[:-1] + b"!"
        source = repository(f"{server.host}/base", reads=True)
        with pytest.raises(WrongDigest):
            repository(f"{server.host}/app").put(BLOB, lambda: source.blob(BLOB))
        assert "PUT" not in methods(server)
        assert methods(server).count("POST") == 1, "wrong bytes are not asked for again"

    def test_an_error_of_the_disk_is_the_disks_and_no_networks(self, server: Server, repository: Open):
        def pieces() -> Iterator[bytes]:
            yield DATA[:100]
            raise OSError(5, "Input/output error")

        with pytest.raises(OSError, match="Input/output error"):
            repository(f"{server.host}/app").put(BLOB, opener_of(pieces))
        assert "PUT" not in methods(server)

    def test_a_registry_that_took_the_blob_for_another_is_not_believed(self, server: Server, repository: Open):
        server.fault("PUT", faults.headed({"Docker-Content-Digest": f"sha256:{'0' * 64}"}))
        with pytest.raises(WrongDigest, match="the registry names sha256:000"):
            repository(f"{server.host}/app").put(BLOB, opener(DATA))

    def test_a_registry_that_finds_the_digest_wrong_says_so(self, server: Server, repository: Open):
        wrong = Descriptor(media_type=media.LAYER, digest=blob_of(b"other").digest, size=len(DATA))
        with pytest.raises(RemoteFailed, match="DIGEST_INVALID: provided digest did not match"):
            repository(f"{server.host}/app").put(wrong, opener(DATA))


class TestBreaks:
    @pytest.mark.parametrize(
        "fault",
        [faults.unread(), faults.hang_up(), *(faults.status(code) for code in (500, 503, 429, 404, 416))],
        ids=["cut", "no answer", "500", "503", "429", "404", "416"],
    )
    def test_a_broken_patch_is_begun_again_in_a_fresh_session(
        self, server: Server, repository: Open, clock: Clock, fault: faults.Fault
    ):
        server.fault("PATCH", fault)
        opened = []

        def again() -> object:
            opened.append(1)
            return opener(DATA)()

        repository(f"{server.host}/app").put(BLOB, again)  # type: ignore[arg-type]
        assert server.blobs[str(BLOB.digest)] == DATA
        assert len(opened) == 2
        assert clock.slept == [0.25]
        sessions = [request.path.partition("?")[0] for request in server.requests if request.method == "PATCH"]
        assert len(set(sessions)) == 2, "the old session is never sent to again"

    def test_a_registry_that_asks_for_a_pause_in_between_gets_it(self, server: Server, repository: Open, clock: Clock):
        server.fault("PATCH", faults.status(429, headers={"Retry-After": "9"}))
        repository(f"{server.host}/app").put(BLOB, opener(DATA))
        assert clock.slept == [9.0625]

    def test_three_breaks_are_enough(self, server: Server, repository: Open):
        server.fault("PATCH", faults.status(503), times=99)
        with pytest.raises(RemoteFailed, match="503"):
            repository(f"{server.host}/app").put(BLOB, opener(DATA))
        assert len(server.seen("PATCH")) == 3

    def test_a_no_is_not_asked_again(self, server: Server, repository: Open):
        server.fault("PATCH", faults.status(403))
        with pytest.raises(RemoteFailed, match="403"):
            repository(f"{server.host}/app").put(BLOB, opener(DATA))
        assert len(server.seen("PATCH")) == 1

    def test_a_session_that_cannot_be_had_is_not_asked_for_over_and_over(self, server: Server, repository: Open):
        server.fault("POST", faults.status(503), times=99)
        with pytest.raises(RemoteFailed, match="has trouble"):
            repository(f"{server.host}/app").put(BLOB, opener(DATA))
        assert len(server.requests) == 6, "the tries of one request, and no more"

    @pytest.mark.parametrize("fault", [faults.hang_up(), faults.status(502)])
    def test_a_closing_put_that_is_lost_is_sent_again_with_its_blob(
        self, server: Server, repository: Open, fault: faults.Fault
    ):
        server.fault("PUT", fault)
        repository(f"{server.host}/app").put(BLOB, opener(DATA))
        assert methods(server) == ["POST", "PATCH", "PUT", "HEAD", "POST", "PATCH", "PUT"]

    def test_a_closing_put_whose_answer_is_lost_is_not_done_twice(self, server: Server, repository: Open):
        def done_but_silent(handler: object) -> bool:
            server.add_blob("app", DATA)
            return faults.hang_up()(handler)  # type: ignore[arg-type]

        server.fault("PUT", done_but_silent)
        repository(f"{server.host}/app").put(BLOB, opener(DATA))
        assert methods(server) == ["POST", "PATCH", "PUT", "HEAD"]

    def test_a_source_that_breaks_off_is_opened_again(self, server: Server, repository: Open):
        server.add_blob("base", DATA)
        server.fault("GET /v2/base", faults.cut(300_000))
        source = repository(f"{server.host}/base", reads=True)
        target = repository(f"{server.host}/app")
        target.put(BLOB, lambda: source.blob(BLOB))
        assert str(BLOB.digest) in server.repositories["app"].blobs
        assert len(server.seen("GET /v2/base")) == 2

    def test_a_source_that_has_no_such_blob_is_not_asked_again(self, server: Server, repository: Open):
        source = repository(f"{server.host}/base", reads=True)
        with pytest.raises(RemoteFailed, match="no such image, or no access to it"):
            repository(f"{server.host}/app").put(BLOB, lambda: source.blob(BLOB))
        assert len(server.seen("GET")) == 1

    def test_a_session_of_a_mount_is_used_once_only(self, server: Server, repository: Open):
        server.mounts = False
        server.fault("PATCH", faults.hang_up())
        target = repository(f"{server.host}/app")
        target.mount(BLOB, f"{server.host}/base")
        target.put(BLOB, opener(DATA))
        assert methods(server) == ["POST", "PATCH", "HEAD", "POST", "PATCH", "PUT"]

    def test_a_second_try_at_mounting_ends_the_session_of_the_first(self, server: Server, repository: Open):
        server.mounts = False
        target = repository(f"{server.host}/app")
        target.mount(BLOB, f"{server.host}/one")
        target.mount(BLOB, f"{server.host}/two")
        assert methods(server) == ["POST", "POST", "DELETE"]
        assert len(server.uploads) == 1
        server.add_blob("three", DATA)
        server.mounts = True
        assert target.mount(BLOB, f"{server.host}/three")
        assert server.uploads == {}


class TestRefusals:
    @pytest.mark.parametrize(
        ("code", "message", "hint"),
        [
            (403, "{host} does not let us push to {host}/app without credentials", "docker login {host}"),
            (404, "no such repository: {host}/app", "create the repository"),
            (429, "{host} has had too many requests", "wait a while"),
            (500, "{host} has trouble with {host}/app", "try again later"),
            (413, "{host} does not take {host}/app", "the registry's own words"),
        ],
    )
    def test_each_status_of_a_push_has_its_own_words(
        self, server: Server, repository: Open, code: int, message: str, hint: str
    ):
        server.fault("POST", faults.status(code, b'{"errors":[{"code":"SOME","message":"thing"}]}'), times=99)
        with pytest.raises(RemoteFailed) as caught:
            repository(f"{server.host}/app").put(BLOB, opener(DATA))
        assert message.format(host=server.host) in str(caught.value)
        assert f": SOME: thing ({code} to POST {server.url}/v2/app/blobs/uploads/)" in str(caught.value)
        assert hint.format(host=server.host) in caught.value.hint

    @pytest.mark.parametrize(
        ("code", "message", "hint"),
        [
            (403, "{host} does not let us pull {host}/app:v1 without credentials", "docker login"),
            (404, "no such image, or no access to it: {host}/app:v1 without credentials", "check name and tag"),
            (429, "{host} has had too many requests", "--mirror"),
            (500, "{host} has trouble with {host}/app:v1", "try again later"),
            (204, "{host} answers {host}/app:v1 with something unexpected", "proxy"),
        ],
    )
    def test_each_status_of_a_pull_has_its_own_words(
        self, server: Server, repository: Open, code: int, message: str, hint: str
    ):
        server.fault("GET", faults.status(code), times=99)
        with pytest.raises(RemoteFailed) as caught:
            repository(f"{server.host}/app", reads=True).document("v1")
        assert message.format(host=server.host) in str(caught.value)
        assert hint in caught.value.hint

    def test_a_repository_that_is_not_there_is_named(self, server: Server, repository: Open):
        server.known = {"other"}
        with pytest.raises(RemoteFailed, match=rf"no such repository: {server.host}/app: NAME_UNKNOWN"):
            repository(f"{server.host}/app").put(BLOB, opener(DATA))

    def test_a_connection_that_ecr_breaks_off_may_be_a_missing_repository(self, server: Server, repository: Open):
        """The in-process registry is the proxy on the way to a registry with ECR's name."""
        name = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
        hosts = Hosts(hosts={name: Host(insecure=True)}, environment={"HTTP_PROXY": f"http://{server.host}"})
        server.fault("POST", faults.hang_up(), times=9)
        with pytest.raises(RemoteFailed, match="the proxy gives no way") as caught:
            repository(f"{name}/team/app", hosts=hosts).put(BLOB, opener(DATA))
        assert "no repository team/app" in caught.value.hint

    def test_an_immutable_tag_is_said_to_be_one(self, server: Server, repository: Open):
        server.immutable = True
        config, other = server.add_blob("app", b"{}"), server.add_blob("app", b"[]")
        target = repository(f"{server.host}/app")
        target.put_document(manifest_of(config), "v1")
        target.put_document(manifest_of(config), "v1")
        with pytest.raises(RemoteFailed, match=rf"{server.host}/app:v1 is immutable and names another image") as caught:
            target.put_document(manifest_of(other), "v1")
        assert "another tag" in caught.value.hint

    @pytest.mark.parametrize(
        ("code", "body"),
        [
            (400, b'{"errors":[{"code":"ImageTagAlreadyExistsException","message":"no"}]}'),
            (409, b'{"errors":[{"code":"CONFLICT","message":"tag v1 is immutable"}]}'),
            (403, b'{"errors":[{"code":"DENIED","message":"The tag already exists"}]}'),
            (412, b"cannot be overwritten"),
        ],
    )
    def test_each_registrys_way_to_say_it_is_understood(self, server: Server, repository: Open, code: int, body: bytes):
        server.fault("PUT", faults.status(code, body))
        with pytest.raises(RemoteFailed, match="immutable and names another"):
            repository(f"{server.host}/app").put_document(manifest_of(BLOB), "v1")

    def test_a_manifest_that_the_registry_takes_for_another_is_not_believed(self, server: Server, repository: Open):
        server.fault("PUT", faults.status(201, headers={"Docker-Content-Digest": f"sha256:{'0' * 64}"}))
        with pytest.raises(WrongDigest):
            repository(f"{server.host}/app").put_document(manifest_of(BLOB), "v1")

    def test_what_a_registry_says_is_bounded_and_obeys_no_terminal(self, server: Server, repository: Open):
        server.fault("PUT", faults.status(400, b"\x1b[2J\x07evil\r\nline " + b"x" * 10_000))
        with pytest.raises(RemoteFailed, match="evil line") as caught:
            repository(f"{server.host}/app").put_document(manifest_of(BLOB), "v1")
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 1000

    def test_a_page_of_html_is_not_repeated(self, server: Server, repository: Open):
        server.fault("PUT", faults.status(400, b"<html><body>Bad gateway here</body></html>"))
        with pytest.raises(RemoteFailed) as caught:
            repository(f"{server.host}/app").put_document(manifest_of(BLOB), "v1")
        assert "html" not in str(caught.value)

    @pytest.mark.parametrize("told", ["sha256:zz", "sha256:"])
    def test_a_digest_header_that_is_none_is_a_remote_failure(self, server: Server, repository: Open, told: str):
        server.fault("PUT", faults.status(201, headers={"Docker-Content-Digest": told}))
        with pytest.raises(RemoteFailed):
            repository(f"{server.host}/app").put_document(manifest_of(BLOB), "v1")

    def test_a_digest_of_another_algorithm_says_nothing(self, server: Server, repository: Open):
        server.fault("PUT", faults.status(201, headers={"Docker-Content-Digest": "sha512:abc"}))
        repository(f"{server.host}/app").put_document(manifest_of(BLOB), "v1")


class TestMirrors:
    def test_reads_go_to_the_mirror_and_writes_do_not(self, server: Server, repository: Open, connect):
        there = server.add_blob("cache/lambda/provided", DATA)
        access = connect(Hosts().given(mirrors=[f"public.ecr.aws={server.host}/cache"]))
        source = repository("public.ecr.aws/lambda/provided", reads=True, access=access)
        assert source.has(there)
        assert source.name == "public.ecr.aws/lambda/provided"
        assert server.seen() == [f"HEAD /v2/cache/lambda/provided/blobs/{there.digest}"]

    def test_what_was_read_through_a_mirror_is_mounted_where_the_mirror_is(
        self, server: Server, repository: Open, connect
    ):
        there = server.add_blob("cache/lambda/provided", DATA)
        access = connect(Hosts().given(mirrors=[f"public.ecr.aws={server.host}/cache"]))
        target = repository(f"{server.host}/app", access=access)
        assert target.mount(there, "public.ecr.aws/lambda/provided")

    def test_what_is_read_through_a_mirror_elsewhere_is_not_mounted(self, server: Server, repository: Open, connect):
        server.add_blob("base", DATA)
        access = connect(Hosts().given(mirrors=[f"{server.host}=mirror.corp"]))
        assert not repository(f"{server.host}/app", access=access).mount(BLOB, f"{server.host}/base")
        assert server.requests == []

    def test_the_mirrors_own_login_is_sent_to_it(self, server: Server, repository: Open, tmp_path):
        server.doorkeeper = Doorkeeper("basic", users=USERS)
        there = server.add_blob("lambda/provided", DATA)
        hosts = Hosts(environment=login(tmp_path, server.host)).given(mirrors=[f"public.ecr.aws={server.host}"])
        assert repository("public.ecr.aws/lambda/provided", reads=True, hosts=hosts).has(there)


def opener_of(pieces: Callable[[], Iterator[bytes]]):
    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        yield pieces()

    return opened
