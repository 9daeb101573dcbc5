"""ECR's repositories by its control plane: creating one as Lambda needs it, whether a tag may be moved, where one is.

API: "CreateRepository", "SetRepositoryPolicy", "DescribeRepositoryCreationTemplates", "DescribeRepositories".
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from imagekit.errors import Missing, RemoteFailed
from imagekit.store.aws import Factory, factory_for, translated, without_boto3
from imagekit.store.ecr import PUBLIC, PUBLIC_REGION, EcrName

logger = logging.getLogger(__name__)

#: What a template says of repositories that a push creates, and the prefix of the one that is for all others.
_ON_PUSH: Final = "CREATE_ON_PUSH"
_ROOT: Final = "ROOT"
_PAGES: Final = 20
#: Tags that stay movable where all others are immutable: `latest`, its platforms, and the tags that name an image's
#: referrers where a registry has no API for them (OCI distribution-spec, "Referrers Tag Schema").
MOVABLE: Final = ("latest", "latest-*", "sha256-*")
_READS: Final = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


def create(registry: str, repository: str, factory: Factory | None = None) -> str:
    """See that a repository is there, and say how it comes to be; one that exists keeps its settings.

    Raises Missing without boto3 or AWS credentials, RemoteFailed when AWS refuses.
    """
    name = EcrName.parse(registry)
    if name is None and registry != PUBLIC:
        return f"{registry} is not ECR: it is left to itself whether a push creates {repository}"
    make = factory or factory_for(registry)
    if make is None:
        raise without_boto3("creates ECR's repositories")
    if name is None:
        return _create_public(make, repository)
    with translated(f"the repository {name.in_region(name.region)}/{repository}"):
        client = make("ecr", name.region)
    return _Private(client, name, repository).create()


def lambda_policy(name: EcrName) -> str:
    """The repository policy by which Lambda reads images for the account's functions and runtimes in its region."""
    statement = {
        "Sid": "LambdaECRImageRetrievalPolicy",
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": list(_READS),
        "Condition": {"StringLike": {"aws:sourceArn": f"arn:{name.partition}:lambda:{name.region}:{name.account}:*"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class _Private:
    """One repository of a private registry, there or not."""

    def __init__(self, client: Any, name: EcrName, repository: str) -> None:
        self._client = client
        self._name = name
        self._repository = repository
        self._where = f"{name.for_lambda}/{repository}"

    def create(self) -> str:
        """Create it with immutable tags, scanned on push, readable for Lambda; or leave it to what is there."""
        template = self._template()
        if template is not None:
            return f"the creation template {template!r} creates {self._where} at the push, with its own settings"
        if not self._created():
            self._complete()
            return f"{self._where} is there already, and keeps its settings"
        self._let_lambda_read()
        return (
            f"created {self._where}: tags are immutable but for {', '.join(MOVABLE)}; scanned on push; Lambda may read"
        )

    def _created(self) -> bool:
        """False when it is there already."""
        with translated(f"a new repository {self._where}", **self._needs("CreateRepository")):
            try:
                self._client.create_repository(
                    registryId=self._name.account,
                    repositoryName=self._repository,
                    imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
                    imageTagMutabilityExclusionFilters=[
                        {"filterType": "WILDCARD", "filter": pattern} for pattern in MOVABLE
                    ],
                    imageScanningConfiguration={"scanOnPush": True},
                )
            except self._client.exceptions.RepositoryAlreadyExistsException:
                return False
        return True

    def _complete(self) -> None:
        """A repository without any policy may be one whose creation broke off before it got Lambda's."""
        here = {"registryId": self._name.account, "repositoryName": self._repository}
        try:
            with translated(f"the policy of {self._where}"):
                try:
                    self._client.get_repository_policy(**here)
                except self._client.exceptions.RepositoryPolicyNotFoundException:
                    self._let_lambda_read()
        except (Missing, RemoteFailed) as error:
            logger.debug("whether Lambda may read is not known: %s", error)

    def _let_lambda_read(self) -> None:
        with translated(f"Lambda the right to read {self._where}", **self._needs("SetRepositoryPolicy")):
            self._client.set_repository_policy(
                registryId=self._name.account,
                repositoryName=self._repository,
                policyText=lambda_policy(self._name),
            )

    def _template(self) -> str | None:
        """The prefix of the template by which a push creates this repository; None as well when we may not know."""
        try:
            with translated("the repository creation templates"):
                found = [
                    str(item["prefix"]) for item in self._templates() if _ON_PUSH in (item.get("appliedFor") or ())
                ]
        except (Missing, RemoteFailed) as error:
            logger.debug("templates are not known: %s", error)
            return None
        # A slash is always taken to be at a prefix's end (API, "RepositoryCreationTemplate"); the longest one counts.
        fitting = [prefix for prefix in found if self._repository.startswith(f"{prefix.rstrip('/')}/")]
        return max(fitting, key=len) if fitting else _ROOT if _ROOT in found else None

    def _templates(self) -> Iterator[Mapping[str, Any]]:
        following: dict[str, str] = {}
        for _ in range(_PAGES):
            answer = self._client.describe_repository_creation_templates(maxResults=100, **following)
            yield from answer["repositoryCreationTemplates"]
            if not answer.get("nextToken"):
                return
            following = {"nextToken": answer["nextToken"]}

    def _needs(self, action: str) -> dict[str, str]:
        return {"action": f"ecr:{action}", "resource": self._name.arn(self._repository)}


def _create_public(factory: Factory, repository: str) -> str:
    """One of ECR Public, whose names begin with the registry's alias; it has neither immutable tags nor scans."""
    _, _, name = repository.partition("/")
    with translated(f"a new repository {PUBLIC}/{repository}", action="ecr-public:CreateRepository"):
        client = factory("ecr-public", PUBLIC_REGION)
        try:
            made = client.create_repository(repositoryName=name)["repository"]["repositoryUri"]
        except client.exceptions.RepositoryAlreadyExistsException:
            return f"{PUBLIC}/{repository} is there already"
    if made != f"{PUBLIC}/{repository}":
        raise RemoteFailed(f"the new repository is {made}", hint=f"push to {made}: that is your registry's alias")
    return f"created {made}, which everybody may read; functions take images of private repositories only"


def tag_mutability(registry: str, repository: str, tag: str, factory: Factory | None = None) -> bool | None:
    """Whether `tag` is immutable in an ECR repository; None when that cannot be known (not ECR, no boto3, no right)."""
    name = EcrName.parse(registry)
    make = (factory or factory_for(registry)) if name else None
    if name is None or make is None:
        return None
    found = _described(make, name, name.region, repository)
    return _is_immutable(found, tag) if found else None


def elsewhere(registry: str, repository: str, regions: tuple[str, ...], factory: Factory | None = None) -> str:
    """The registry of the same account in another of `regions` that has the repository; nothing when none is known."""
    name = EcrName.parse(registry)
    make = (factory or factory_for(registry)) if name else None
    if name is None or make is None:
        return ""
    for region in dict.fromkeys(filter(None, regions)):
        if region != name.region and _described(make, name, region, repository):
            return name.in_region(region)
    return ""


def _described(factory: Factory, name: EcrName, region: str, repository: str) -> Mapping[str, Any] | None:
    """A repository's settings; None when there is none, or we may not know."""
    try:
        with translated(f"the settings of {name.in_region(region)}/{repository}"):
            client = factory("ecr", region)
            found = client.describe_repositories(registryId=name.account, repositoryNames=[repository])["repositories"]
            return dict(found[0])
    except (Missing, RemoteFailed) as error:
        logger.debug("%s", error)
        return None


def _is_immutable(repository: Mapping[str, Any], tag: str) -> bool | None:
    """By the repository's mode and the filters that except tags from it."""
    mode = str(repository.get("imageTagMutability", ""))
    filters = repository.get("imageTagMutabilityExclusionFilters") or ()
    excepted = any(_fits(str(item.get("filter", "")), tag) for item in filters if isinstance(item, dict))
    by_mode = {
        "MUTABLE": False,
        "IMMUTABLE": True,
        "IMMUTABLE_WITH_EXCLUSION": not excepted,
        "MUTABLE_WITH_EXCLUSION": excepted,
    }
    return by_mode.get(mode)


def _fits(pattern: str, tag: str) -> bool:
    """ECR's wildcard: `*` is any text."""
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), tag) is not None
