"""ECR's control plane, which moto stands in for: repositories as Lambda needs them, templates, tags, refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from imagekit.errors import ImagekitError, Missing, RemoteFailed
from imagekit.store.aws import factory_for
from imagekit.store.repositories import MOVABLE, create, elsewhere, tag_mutability
from tests.support.aws import control_plane
from tests.support.ecr import ACCOUNT, AWS_NAME, REGION, template


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")


@pytest.fixture
def moto() -> Iterator[None]:
    with control_plane():
        yield


def ecr(region: str = REGION) -> Any:
    return boto3.client("ecr", region)


def described(name: str = "team/app") -> dict[str, Any]:
    (found,) = ecr().describe_repositories(repositoryNames=[name])["repositories"]
    return dict(found)


def names() -> list[str]:
    return [item["repositoryName"] for item in ecr().describe_repositories()["repositories"]]


class TestCreating:
    def test_a_new_repository_is_immutable_scanned_and_readable_for_lambda(self, moto):
        said = create(AWS_NAME, "team/app")
        assert said.startswith(f"created {AWS_NAME}/team/app: tags are immutable but for latest, latest-*, sha256-*;")
        found = described()
        assert found["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
        assert [item["filter"] for item in found["imageTagMutabilityExclusionFilters"]] == list(MOVABLE)
        assert found["imageScanningConfiguration"] == {"scanOnPush": True}
        (statement,) = json.loads(ecr().get_repository_policy(repositoryName="team/app")["policyText"])["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
        assert statement["Action"] == ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        assert statement["Condition"] == {"StringLike": {"aws:sourceArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:*"}}
        assert tag_mutability(AWS_NAME, "team/app", "v1") is True
        assert tag_mutability(AWS_NAME, "team/app", "latest-arm64") is False

    def test_other_partitions_have_their_own_names_in_the_policy(self, moto):
        create(f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn", "app")
        policy = ecr("cn-north-1").get_repository_policy(repositoryName="app")["policyText"]
        assert f"arn:aws-cn:lambda:cn-north-1:{ACCOUNT}:*" in policy

    def test_what_exists_keeps_its_settings(self, moto):
        ecr().create_repository(repositoryName="team/app", imageTagMutability="MUTABLE")
        ecr().set_repository_policy(repositoryName="team/app", policyText=json.dumps(POLICY))
        assert create(AWS_NAME, "team/app") == f"{AWS_NAME}/team/app is there already, and keeps its settings"
        assert described()["imageTagMutability"] == "MUTABLE"
        assert json.loads(ecr().get_repository_policy(repositoryName="team/app")["policyText"]) == POLICY

    def test_a_creation_that_broke_off_before_the_policy_is_completed(self, moto):
        ecr().create_repository(repositoryName="team/app")
        create(AWS_NAME, "team/app")
        assert "lambda.amazonaws.com" in ecr().get_repository_policy(repositoryName="team/app")["policyText"]

    @pytest.mark.parametrize(
        ("templates", "by"),
        [
            ([template("team")], "team"), ([template("team/")], "team/"), ([template("ROOT")], "ROOT"),
            ([template("ROOT"), template("team"), template("te")], "team"),
            ([template("team", "REPLICATION")], None), ([template("te")], None), ([template("team/app")], None),
        ],
    )  # fmt: skip
    def test_a_template_that_creates_on_push_is_left_to_do_it(self, templates, by):
        with control_plane(templates):
            said = create(AWS_NAME, "team/app")
            assert names() == ([] if by else ["team/app"])
        assert by is None or said == (
            f"the creation template {by!r} creates {AWS_NAME}/team/app at the push, with its own settings"
        )

    def test_the_endpoint_that_is_asked_is_of_the_kind_that_the_name_is(self):
        names = {
            "dkr.ecr": "api.ecr.us-east-1.amazonaws.com",
            "dkr.ecr-fips": "ecr-fips.us-east-1.amazonaws.com",
        }
        for kind, endpoint in names.items():
            factory = factory_for(f"{ACCOUNT}.{kind}.us-east-1.amazonaws.com")
            assert factory is not None
            assert factory("ecr", "us-east-1").meta.endpoint_url == f"https://{endpoint}"
        dual = factory_for(f"{ACCOUNT}.dkr-ecr.us-east-1.on.aws")
        assert dual is not None
        assert dual("ecr", "us-east-1").meta.endpoint_url == "https://ecr.us-east-1.api.aws"

    def test_other_registries_are_left_to_themselves(self):
        assert create("127.0.0.1:5000", "app") == (
            "127.0.0.1:5000 is not ECR: it is left to itself whether a push creates app"
        )


POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "Own", "Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}],
}


class Client:
    """Answers one call with an error, all others with nothing; exceptions are botocore's own."""

    def __init__(self, call: str, code: str, message: str) -> None:
        self.exceptions = boto3.client("ecr", REGION).exceptions
        self._call, self._error = call, {"Error": {"Code": code, "Message": message}}

    def __getattr__(self, name: str) -> Any:
        def call(**_: object) -> dict[str, Any]:
            if name == self._call:
                raise ClientError(self._error, name)
            return {"repositoryCreationTemplates": []}

        return call


def refused(call: str, code: str, message: str) -> ImagekitError:
    with pytest.raises(ImagekitError) as caught:
        create(AWS_NAME, "team/app", lambda service, region: Client(call, code, message))
    return caught.value


class TestRefusals:
    @pytest.mark.parametrize(
        ("call", "action"),
        [("create_repository", "ecr:CreateRepository"), ("set_repository_policy", "ecr:SetRepositoryPolicy")],
    )
    def test_a_no_names_the_permission_and_the_line_that_grants_it(self, call, action):
        error = refused(call, "AccessDeniedException", "no words that help")
        assert isinstance(error, RemoteFailed)
        arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/app"
        line = json.dumps({"Effect": "Allow", "Action": action, "Resource": arn})
        assert error.hint.startswith(f"an IAM policy needs {line}; ")

    @pytest.mark.parametrize(
        "code", ["ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException"]
    )
    def test_credentials_that_have_ended_are_what_this_machine_lacks(self, code):
        error = refused("create_repository", code, "The security token included in the request is expired")
        assert isinstance(error, Missing)
        assert "aws sso login" in error.hint

    def test_templates_that_we_may_not_see_are_no_hindrance(self):
        client = Client("describe_repository_creation_templates", "AccessDeniedException", "no")
        assert create(AWS_NAME, "team/app", lambda *_: client).startswith("created ")

    def test_somebody_else_may_create_it_meanwhile(self):
        client = boto3.client("ecr", REGION)
        with Stubber(client) as stub:
            stub.add_response("describe_repository_creation_templates", {"repositoryCreationTemplates": []})
            stub.add_client_error("create_repository", "RepositoryAlreadyExistsException")
            stub.add_client_error("get_repository_policy", "AccessDeniedException")
            assert create(AWS_NAME, "team/app", lambda *_: client).endswith("is there already, and keeps its settings")
            stub.assert_no_pending_responses()


class TestPublic:
    def stubbed(self, uri: str) -> str:
        client = boto3.client("ecr-public", "us-east-1")
        with Stubber(client) as stub:
            answer = {"repository": {"repositoryUri": uri}}
            stub.add_response("create_repository", answer, {"repositoryName": "app"})
            return create("public.ecr.aws", "alias/app", lambda *_: client)

    def test_its_names_begin_with_an_alias(self):
        assert self.stubbed("public.ecr.aws/alias/app").startswith("created public.ecr.aws/alias/app, which everybody")

    def test_another_alias_than_ours_is_told(self):
        with pytest.raises(RemoteFailed, match=r"the new repository is public\.ecr\.aws/ours/app"):
            self.stubbed("public.ecr.aws/ours/app")


class TestElsewhere:
    def test_a_repository_in_another_region_is_found(self, moto):
        ecr("us-east-1").create_repository(repositoryName="team/app")
        other = AWS_NAME.replace(REGION, "us-east-1")
        assert elsewhere(AWS_NAME, "team/app", ("", REGION, "us-east-1")) == other
        assert elsewhere(AWS_NAME, "team/other", ("us-east-1",)) == ""
        assert elsewhere("docker.io", "team/app", ("us-east-1",)) == ""


class TestMutability:
    EXPECTED: ClassVar = {"registryId": "123456789012", "repositoryNames": ["team/app"]}

    @pytest.mark.parametrize(
        ("mode", "filters", "immutable"),
        [
            ("MUTABLE", [], False),
            ("IMMUTABLE", [], True),
            ("IMMUTABLE_WITH_EXCLUSION", ["dev-*"], True),
            ("IMMUTABLE_WITH_EXCLUSION", ["v*.0"], False),
            ("MUTABLE_WITH_EXCLUSION", ["v1.0"], True),
            ("MUTABLE_WITH_EXCLUSION", ["v1.0.*"], False),
        ],
    )
    def test_the_mode_and_its_filters_decide(self, mode, filters, immutable):
        repository: dict[str, Any] = {"imageTagMutability": mode}
        if filters:
            excepted = [{"filterType": "WILDCARD", "filter": item} for item in filters]
            repository["imageTagMutabilityExclusionFilters"] = excepted
        client = boto3.client("ecr", REGION)
        with Stubber(client) as stub:
            stub.add_response("describe_repositories", {"repositories": [repository]}, self.EXPECTED)
            assert tag_mutability(AWS_NAME, "team/app", "v1.0", lambda *_: client) is immutable

    @pytest.mark.parametrize("code", ["AccessDeniedException", "RepositoryNotFoundException"])
    def test_what_may_not_be_known_is_not_known(self, code):
        client = Client("describe_repositories", code, "no")
        assert tag_mutability(AWS_NAME, "team/app", "v1.0", lambda *_: client) is None

    def test_a_mode_of_tomorrow_is_not_known(self):
        class Client:
            def describe_repositories(self, **_: object) -> dict[str, Any]:
                return {"repositories": [{"imageTagMutability": "NEW"}]}

        assert tag_mutability(AWS_NAME, "team/app", "v1.0", lambda name, region: Client()) is None

    @pytest.mark.parametrize("registry", ["docker.io", "public.ecr.aws", "127.0.0.1:5000"])
    def test_other_registries_are_not_asked(self, registry):
        def factory(name: str, region: str) -> Any:
            raise AssertionError

        assert tag_mutability(registry, "app", "v1", factory) is None
        assert tag_mutability(registry, "app", "v1") is None
