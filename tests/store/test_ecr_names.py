"""ECR's names, the permissions that requests need, and what is made of AWS's words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.store.ecr import EcrName, action_of, advice, arn_of, expiry, image_uri, is_ecr
from tests.support.ecr import ACCOUNT, AWS_NAME, USER_ARN, password_until

#: Name, region, partition, FIPS, dual stack, and the name that Lambda takes.
NAMES = [
    (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1", "aws", False, False, AWS_NAME),
    (f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1", "aws-cn", False, False, None),
    (f"{ACCOUNT}.dkr.ecr.us-gov-west-1.amazonaws.com", "us-gov-west-1", "aws-us-gov", False, False, None),
    (f"{ACCOUNT}.dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", "aws-eusc", False, False, None),
    (f"{ACCOUNT}.dkr.ecr.us-iso-east-1.c2s.ic.gov", "us-iso-east-1", "aws-iso", False, False, None),
    (f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com", "us-east-1", "aws", True, False,
     f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"),
    (f"{ACCOUNT}.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", "aws-us-gov", True, False,
     f"{ACCOUNT}.dkr.ecr.us-gov-west-1.amazonaws.com"),
    (f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws", "eu-west-1", "aws", False, True, AWS_NAME),
    (f"{ACCOUNT}.dkr-ecr-fips.us-east-1.on.aws", "us-east-1", "aws", True, True,
     f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "region", "partition", "fips", "dual", "for_lambda"), NAMES)
def test_partitions_fips_and_dual_stack_are_told_apart(name, region, partition, fips, dual, for_lambda):
    found = EcrName.parse(name)
    assert found is not None
    assert (found.account, found.region, found.partition) == (ACCOUNT, region, partition)
    assert (found.is_fips, found.is_dual_stack) == (fips, dual)
    assert image_uri(f"{name}/team/app") == f"{for_lambda or name}/team/app"
    assert arn_of(name, "team/app") == f"arn:{partition}:ecr:{region}:{ACCOUNT}:repository/team/app"


@pytest.mark.parametrize(
    ("registry", "is_one"),
    [
        (AWS_NAME, True), ("public.ecr.aws", True), ("docker.io", False), (f"{AWS_NAME}.evil.com", False),
        ("x.dkr.ecr.eu-west-1.amazonaws.com", False), (f"evil.com/{AWS_NAME}", False),
        ("public.ecr.aws.evil.com", False), (f"{ACCOUNT}.dkr.ecr.eu-west-1.evil.com", False),
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.evil.com.amazonaws.com", False), (f"{AWS_NAME}:8080", False),
    ],
)  # fmt: skip
def test_ecr_is_known_by_its_whole_name(registry, is_one):
    assert is_ecr(registry) is is_one


def test_another_registrys_name_is_lambdas_too():
    assert image_uri("127.0.0.1:5000/app") == "127.0.0.1:5000/app"
    assert arn_of("public.ecr.aws", "alias/app") == "arn:aws:ecr-public::*:repository/app"


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("HEAD", "/v2/team/app/blobs/sha256:0", "ecr:BatchCheckLayerAvailability"),
        ("GET", "/v2/team/app/blobs/sha256:0", "ecr:GetDownloadUrlForLayer"),
        ("POST", "/v2/team/app/blobs/uploads/", "ecr:InitiateLayerUpload"),
        ("PATCH", "/v2/team/app/blobs/uploads/0", "ecr:UploadLayerPart"),
        ("PUT", "/v2/team/app/blobs/uploads/0", "ecr:CompleteLayerUpload"),
        ("PUT", "/v2/team/app/manifests/v1", "ecr:PutImage"),
        ("HEAD", "/v2/team/app/manifests/v1", "ecr:BatchGetImage"),
        ("GET", "/v2/team/app/tags/list", "ecr:ListImages"),
        ("GET", "/v2/", ""),
    ],
)
def test_each_request_has_its_permission(method, path, action):
    assert action_of(method, path, AWS_NAME) == action
    assert action_of(method, path, "public.ecr.aws") == action.replace("ecr:", "ecr-public:")


class TestAdvice:
    ARN = f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/team/app"
    SAID = f"User: {USER_ARN} is not authorized to perform: ecr:PutImage on resource: {ARN} because "

    def test_the_line_of_the_policy_is_what_aws_names(self):
        text = advice(f"{self.SAID}no identity-based policy allows the ecr:PutImage action", "ecr:Other", "*")
        assert text.startswith(f"an IAM policy of arn:aws:iam::{ACCOUNT}:role/ci needs ")
        statement = json.loads(text.partition(" needs ")[2])
        assert statement == {"Effect": "Allow", "Action": "ecr:PutImage", "Resource": self.ARN}

    def test_a_repository_of_another_account_has_its_own_policy(self):
        text = advice(f"{self.SAID}no resource-based policy allows the ecr:PutImage action", "", "")
        assert text.startswith("the repository's policy needs ")
        statement = json.loads(text.partition(" needs ")[2])
        principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/ci"}
        assert statement == {"Effect": "Allow", "Action": "ecr:PutImage", "Principal": principal}

    def test_no_line_helps_against_an_explicit_deny(self):
        text = advice(f"{self.SAID.replace(' because ', ' ')}with an explicit deny in a service control policy", "", "")
        assert text == (
            "a policy (service control) denies ecr:PutImage outright, and no other can allow it again: change that one"
        )

    def test_words_that_say_nothing_leave_what_was_tried(self):
        text = advice("denied", "ecr:UploadLayerPart", self.ARN)
        statement = {"Effect": "Allow", "Action": "ecr:UploadLayerPart", "Resource": self.ARN}
        assert text == f"an IAM policy needs {json.dumps(statement)}"
        assert advice("denied", "", self.ARN) == "check the IAM permissions and the repository's policy"

    @given(st.text(max_size=400))
    def test_any_words_give_one_bounded_line(self, words):
        assert len(advice(words, "ecr:PutImage", "*")) < 1000
        assert advice(f"{self.SAID}{words}", "", "").isprintable()


class TestExpiry:
    def test_a_token_says_its_end(self):
        assert expiry(password_until(1_900_000_000)) == 1_900_000_000.0

    @given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda data: data.hex())))
    def test_what_is_no_token_says_nothing(self, text):
        assert expiry(text) is None

    @pytest.mark.parametrize("end", ["x", -1, 2**60, 1.5, None])
    def test_an_end_that_is_none_is_none(self, end):
        import base64

        assert expiry(base64.b64encode(json.dumps({"expiration": end}).encode()).decode()) is None
