"""`imagekit push` to Amazon ECR: the token by itself, repositories created, one clear message for what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import boto3
import pytest

from tests.support.aws import control_plane
from tests.support.bench import Bench
from tests.support.ecr import ACCOUNT, AWS_NAME, REGION, Ecr, password_until, template
from tests.support.logins import login

TO = f"{AWS_NAME}/team/app"


@pytest.fixture
def ecr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ecr]:
    """The registry under ECR's own name; what moto creates is there."""
    with Ecr() as registry:
        use(registry, monkeypatch)
        yield registry


def use(registry: Ecr, patch: pytest.MonkeyPatch) -> None:
    """Reach a registry of tests by the name that it has at AWS."""
    for name, value in registry.environment.items():
        patch.setenv(name, value)
    patch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")


@pytest.fixture
def aws(ecr: Ecr, credentials: None) -> Iterator[None]:
    with control_plane():
        client = boto3.client("ecr", REGION)
        ecr.control = lambda: {item["repositoryName"] for item in client.describe_repositories()["repositories"]}
        yield


def known(name: str = "team/app") -> None:
    """Create a repository by hand."""
    boto3.client("ecr", REGION).create_repository(repositoryName=name)


def test_the_token_is_got_by_itself(bench: Bench, ecr: Ecr, aws: None):
    known()
    bench.spec()
    outcome = bench.run("push", "--to", TO, "-t", "v1").ok()
    held = ecr.repository("team/app").tags
    assert sorted(held) == ["v1", "v1-arm64", "v1-x86_64"]
    assert outcome.err.splitlines()[-1] == f"ImageUri of a function for arm64: {TO}@{held['v1-arm64']}"


@pytest.mark.parametrize("command", [["push"], ["build", "--push"]])
def test_a_repository_is_created_and_pushed_to(bench: Bench, ecr: Ecr, aws: None, command):
    bench.spec()
    outcome = bench.run(*command, "--create-repository", "--to", TO).ok()
    assert f"created {TO}: tags are immutable but for latest, latest-*, sha256-*" in outcome.err
    assert sorted(ecr.repository("team/app").tags) == ["latest", "latest-arm64", "latest-x86_64"]
    bench.write("bootstrap", "#!/bin/sh\nexit 1\n")
    again = bench.run("push", "--create-repository", "--to", TO).ok()
    assert f"{TO} is there already, and keeps its settings" in again.err


def test_an_immutable_tag_stops_the_push_before_anything_is_sent(bench: Bench, ecr: Ecr, aws: None):
    known()
    client = boto3.client("ecr", REGION)
    client.put_image_tag_mutability(repositoryName="team/app", imageTagMutability="IMMUTABLE")
    bench.spec()
    bench.run("push", "--to", TO, "-t", "v1").ok()
    bench.write("bootstrap", "#!/bin/sh\nexit 1\n")
    bench.run("build").ok()
    ecr.clear()
    outcome = bench.run("push", "--to", TO, "-t", "v1")
    assert (outcome.code, ecr.seen("^(POST|PATCH|PUT)")) == (4, [])
    assert outcome.error[0].startswith(f"error: {TO}:v1-x86_64 is immutable and names sha256:")


def test_a_creation_template_is_left_to_create_it(bench: Bench, ecr: Ecr, credentials: None):
    bench.spec()
    ecr.templates = {"team"}
    templates: list[Mapping[str, object]] = [template("team")]
    with control_plane(templates):
        outcome = bench.run("push", "--create-repository", "--to", TO).ok()
    assert f"the creation template 'team' creates {TO} at the push" in outcome.err
    assert "latest" in ecr.repository("team/app").tags


def test_a_repository_that_is_not_there_is_told_with_the_way_to_one(bench: Bench, ecr: Ecr, aws: None):
    bench.spec()
    outcome = bench.run("push", "--to", TO)
    assert outcome.code == 4
    assert outcome.error[0].startswith(f"error: no such repository: {TO}")
    assert outcome.error[1] == "  hint: `imagekit push --create-repository` creates it as Lambda needs it"


def test_a_repository_in_another_region_is_told(bench: Bench, ecr: Ecr, aws: None, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    boto3.client("ecr", "us-east-1").create_repository(repositoryName="team/app")
    bench.spec()
    outcome = bench.run("push", "--to", TO)
    assert outcome.code == 4
    there = TO.replace(REGION, "us-east-1")
    assert outcome.error[1].startswith(f"  hint: there is one at {there}; `imagekit push --create-repository`")


@pytest.mark.parametrize("action", ["ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:CompleteLayerUpload"])
def test_a_push_that_is_denied_names_the_permission(bench: Bench, ecr: Ecr, aws: None, action):
    known()
    ecr.denied = {action}
    bench.spec()
    outcome = bench.run("push", "--to", TO)
    assert outcome.code == 4
    assert f"not authorized to perform: {action} on resource" in outcome.error[0]
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/app"
    line = f'{{"Effect": "Allow", "Action": "{action}", "Resource": "{arn}"}}'
    assert outcome.error[1] == f"  hint: an IAM policy of arn:aws:iam::{ACCOUNT}:role/ci needs {line}"


def test_without_aws_credentials_this_machine_lacks_something(bench: Bench, ecr: Ecr):
    bench.spec()
    outcome = bench.run("push", "--to", TO)
    assert outcome.code == 5
    assert outcome.error[0] == (
        f"error: AWS cannot be asked for the token for {AWS_NAME}: Unable to locate credentials"
    )


def test_a_docker_login_that_has_ended_is_replaced_by_awss_own(bench: Bench, ecr: Ecr, aws: None, tmp_path):
    known()
    for name, value in login(tmp_path, AWS_NAME, user="AWS", password=password_until(1)).items():
        if name != "HOME":
            bench.patch.setenv(name, value)
    bench.spec()
    outcome = bench.run("push", "--to", TO).ok()
    assert f"warning: the login for {AWS_NAME} as 'AWS' ({tmp_path}/config.json) has ended; AWS is asked" in outcome.err


def test_lambda_is_given_no_fips_endpoint(bench: Bench, credentials: None, monkeypatch):
    name = f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com"
    with Ecr(name) as registry:
        use(registry, monkeypatch)
        monkeypatch.setenv("DOCKER_CONFIG", str(bench.folder))
        login(bench.folder, name, user="AWS", password=registry.password)
        registry.there.add("app")
        bench.spec()
        outcome = bench.run("push", "--to", f"{name}/app", "--platform", "arm64").ok()
    lines = outcome.err.splitlines()
    assert outcome.lines[0].startswith(f"{name}/app@sha256:")
    assert lines[-1].startswith(f"ImageUri of a function for arm64: {ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/app@")


def test_creating_needs_a_push(bench: Bench):
    bench.spec()
    outcome = bench.run("build", "--create-repository")
    assert (outcome.code, outcome.error[0]) == (2, "error: --create-repository without --push")
