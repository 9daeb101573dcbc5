"""A registry with ECR's ways: it refuses clients that forget them, and takes all that imagekit sends."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from imagekit.errors import RemoteFailed
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.ports import Document
from imagekit.store.answers import Unanswered
from imagekit.store.auth import Keyring
from imagekit.store.hosts import Host, Hosts
from imagekit.store.registry import Registry
from imagekit.store.secret import Credential, Secret
from tests.support.blobs import blob_of, manifest_of, opener
from tests.support.ecr import ACCOUNT, AWS_NAME, PASSWORD, SMALLEST_PART, Ecr, broken, password_until
from tests.support.logins import login

#: Longer than a part, so that a client which cuts it has something to get wrong.
DATA = bytes(range(256)) * (SMALLEST_PART // 256 + 4096)
BLOB = blob_of(DATA)
BASIC = f"Basic {base64.b64encode(f'AWS:{PASSWORD}'.encode()).decode()}"


@pytest.fixture
def ecr() -> Iterator[Ecr]:
    with Ecr() as registry:
        registry.there |= {"app", "base"}
        yield registry


@pytest.fixture
def target(ecr: Ecr, repository: Callable[..., Registry], connect: Callable[..., object]) -> Callable[..., Registry]:
    """Opens a repository under ECR's own name."""
    hosts = Hosts(hosts={AWS_NAME: Host(insecure=True)}, environment=ecr.environment)

    def token(_: str) -> Credential:
        return Credential(origin="AWS", username="AWS", secret=Secret(PASSWORD), renewable=True)

    def opened(name: str = "app", **given: object) -> Registry:
        access = connect(hosts, keyring=Keyring(hosts, ecr=token))
        return repository(f"{AWS_NAME}/{name}", access=access, **given)

    return opened


class Forgetful:
    """A client that knows the distribution specification and nothing of ECR."""

    def __init__(self, ecr: Ecr) -> None:
        self._host = ecr.host

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
        sent = {"Authorization": BASIC} | {key.replace("_", "-"): value for key, value in headers.items()}
        with closing(http.client.HTTPConnection(self._host, timeout=5)) as connection:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            answer.read()
            return answer

    def session(self) -> str:
        return self.location(self.ask("POST", "/v2/app/blobs/uploads/"))

    @staticmethod
    def location(answer: http.client.HTTPResponse) -> str:
        url = urlsplit(answer.headers["Location"])
        return f"{url.path}?{url.query}"

    def closed(self, location: str) -> int:
        digest = hashlib.sha256(DATA).hexdigest()
        return self.ask("PUT", f"{location}&digest=sha256:{digest}").status


class TestAForgetfulClientIsRefused:
    def test_small_parts(self, ecr):
        client = Forgetful(ecr)
        location = client.location(client.ask("PATCH", client.session(), DATA[:1000]))
        assert client.ask("PATCH", location, DATA[1000:]).status == 400

    def test_what_waits_for_202(self, ecr):
        assert Forgetful(ecr).ask("PATCH", Forgetful(ecr).session(), DATA).status == 201

    def test_what_goes_on_where_range_says(self, ecr):
        client = Forgetful(ecr)
        answer = client.ask("PATCH", client.session(), DATA[:SMALLEST_PART])
        start = int(answer.headers["Range"].partition("-")[2]) + 1
        rest = f"{start}-{start + len(DATA) - SMALLEST_PART - 1}"
        again = client.ask("PATCH", client.location(answer), DATA[SMALLEST_PART:], Content_Range=rest)
        assert again.status == 416

    def test_what_sends_all_again_into_a_broken_session(self, ecr):
        client, location = Forgetful(ecr), ""
        ecr.fault("PATCH", broken(1000))
        location = client.session()
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            client.ask("PATCH", location, DATA)
        client.ask("PATCH", location, DATA)
        assert client.closed(location) == 400

    def test_what_takes_every_mount_for_done(self, ecr):
        ecr.add_blob("base", DATA)
        query = f"mount={BLOB.digest}&from=base"
        assert Forgetful(ecr).ask("POST", f"/v2/app/blobs/uploads/?{query}").status == 202
        assert str(BLOB.digest) not in ecr.repository("app").blobs

    def test_an_immutable_tag_that_is_moved(self, ecr):
        ecr.movable = ("latest",)
        first, second = (json.dumps({"layers": [], "n": number}).encode() for number in (1, 2))
        client = Forgetful(ecr)
        assert [client.ask("PUT", "/v2/app/manifests/v1", body).status for body in (first, first, second)] == [
            *(201, 201, 400)
        ]
        assert [client.ask("PUT", "/v2/app/manifests/latest", body).status for body in (first, second)] == [201, 201]

    def test_what_uploads_where_nothing_is(self, ecr):
        assert Forgetful(ecr).ask("POST", "/v2/other/blobs/uploads/").status == 404
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            Forgetful(ecr).ask("PATCH", "/v2/other/blobs/uploads/0", DATA)


class TestImagekit:
    def test_a_blob_longer_than_a_part_is_uploaded(self, ecr, target):
        target().put(BLOB, opener(*(DATA[start : start + 70_000] for start in range(0, len(DATA), 70_000))))
        assert ecr.blobs[str(BLOB.digest)] == DATA
        assert [len(parts) for parts in ecr.parts.values()] == [1]

    def test_an_upload_that_broke_is_begun_in_a_new_session(self, ecr, target):
        ecr.fault("PATCH", broken(1000))
        target().put(BLOB, opener(DATA))
        assert ecr.blobs[str(BLOB.digest)] == DATA

    def test_a_mount_that_ecr_does_not_do_becomes_an_upload(self, ecr, target):
        ecr.add_blob("base", DATA)
        sink = target()
        assert not sink.mount(BLOB, f"{AWS_NAME}/base")
        sink.put(BLOB, opener(DATA))
        assert str(BLOB.digest) in ecr.repository("app").blobs
        assert len(ecr.seen("POST")) == 2, "the request without a login, and the one whose session is used"

    def test_a_mount_that_ecr_does_moves_nothing(self, ecr, target):
        ecr.add_blob("base", DATA)
        document = json.dumps({"layers": [{"digest": str(BLOB.digest)}]}).encode()
        ecr.add_manifest("base", document, media.MANIFEST)
        assert target().mount(BLOB, f"{AWS_NAME}/base")
        assert not ecr.seen("PATCH")

    def test_a_template_creates_the_repository_at_the_first_upload(self, ecr, target):
        ecr.templates = {"team"}
        sink = target("team/app")
        assert sink.digest_of("v1") is None
        sink.put(BLOB, opener(DATA))
        assert "team/app" in ecr.there

    def test_no_repository_is_said_with_the_way_to_one(self, ecr, target):
        with pytest.raises(RemoteFailed, match=f"no such repository: {AWS_NAME}/other") as caught:
            target("other").put(BLOB, opener(DATA))
        assert caught.value.hint == "`imagekit push --create-repository` creates it as Lambda needs it"

    def test_an_immutable_tag_is_said(self, ecr, target):
        ecr.movable = ("latest",)
        sink = target()
        for number in (1, 2):
            blob = blob_of(bytes([number]))
            sink.put(blob, opener(bytes([number])))
            document = manifest_of(blob)
            sink.put_document(document, "latest")
            if number == 1:
                sink.put_document(document, "v1")
                sink.put_document(document, "v1")
        with pytest.raises(RemoteFailed, match=f"{AWS_NAME}/app:v1 is immutable and names another image"):
            sink.put_document(document, "v1")

    @pytest.mark.parametrize(
        ("action", "deed"),
        [
            ("ecr:BatchCheckLayerAvailability", lambda sink: sink.has(BLOB)),
            ("ecr:InitiateLayerUpload", lambda sink: sink.put(BLOB, opener(DATA))),
            ("ecr:UploadLayerPart", lambda sink: sink.put(BLOB, opener(DATA))),
            ("ecr:CompleteLayerUpload", lambda sink: sink.put(BLOB, opener(DATA))),
            ("ecr:PutImage", lambda sink: sink.put_document(EMPTY, "v1")),
            ("ecr:BatchGetImage", lambda sink: sink.document("v1")),
            ("ecr:ListImages", lambda sink: sink.tags()),
        ],
    )
    def test_what_is_denied_is_named_with_the_line_that_grants_it(self, ecr, target, action, deed):
        ecr.denied = {action}
        with pytest.raises(RemoteFailed, match="does not let us ") as caught:
            deed(target())
        arn = f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/app"
        line = json.dumps({"Effect": "Allow", "Action": action, "Resource": arn})
        # An answer to HEAD has no words, and so not whose policy it is.
        whose = "" if action == "ecr:BatchCheckLayerAvailability" else f" of arn:aws:iam::{ACCOUNT}:role/ci"
        assert caught.value.hint == f"an IAM policy{whose} needs {line}"

    def test_the_policy_of_another_accounts_repository_is_told_apart(self, ecr, target):
        ecr.denied, ecr.because = {"ecr:PutImage"}, "no resource-based policy allows the {action} action"
        with pytest.raises(RemoteFailed) as caught:
            target().put_document(EMPTY, "v1")
        assert caught.value.hint.startswith("the repository's policy needs {")
        assert f'"AWS": "arn:aws:iam::{ACCOUNT}:role/ci"' in caught.value.hint

    def test_a_token_that_has_ended_is_said(self, ecr, target):
        ecr.password, ecr.expired = "another", {PASSWORD}
        with pytest.raises(RemoteFailed, match="Your authorization token has expired") as caught:
            target().put(BLOB, opener(DATA))
        assert "log in again" in caught.value.hint or "AWS" in caught.value.hint

    def test_a_connection_that_ecr_breaks_off_is_explained(self, ecr, target):
        ecr.fault("POST", broken_off, times=9)
        with pytest.raises(Unanswered) as caught:
            target().put(BLOB, opener(DATA))
        assert "ECR also breaks off when there is no repository app" in caught.value.hint


def broken_off(handler) -> bool:
    handler.end_connection()
    return True


EMPTY = Document(data=b'{"layers": []}', descriptor=Descriptor.of(b'{"layers": []}', media.MANIFEST))


class TestLogins:
    """`docker login` at ECR is good for twelve hours, and says until when."""

    def find(self, tmp_path, caplog, now: float) -> str:
        environment = login(tmp_path, AWS_NAME, user="AWS", password=password_until(1_900_000_000))
        hosts = Hosts(environment=environment)
        given = Credential(origin="AWS, through boto3", username="AWS", secret=Secret("x"))
        ring = Keyring(hosts, ecr=lambda _: given, now=lambda: now)
        found = [ring.find(AWS_NAME, "app", writes=True) for _ in range(2)]
        assert found[0] == found[1]
        assert found[0] is not None
        return found[0].origin

    def test_one_that_is_good_is_used(self, tmp_path, caplog):
        assert "config.json" in self.find(tmp_path, caplog, 1_899_999_999)
        assert not caplog.records

    def test_one_that_has_ended_is_left_for_awss_own(self, tmp_path, caplog):
        assert self.find(tmp_path, caplog, 1_900_000_000) == "AWS, through boto3"
        (record,) = caplog.records
        assert record.getMessage().startswith(f"the login for {AWS_NAME} as 'AWS' (")
        assert record.getMessage().endswith("has ended; AWS is asked for another one")
