"""Amazon ECR through boto3: tokens, and whether a repository's tags may be moved. boto3 is an extra.

API: "GetAuthorizationToken" and "DescribeRepositories" of ECR; ECR Public has its token service in us-east-1 only.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from imagekit.errors import Missing, RemoteFailed
from imagekit.store.secret import Credential, Secret
from imagekit.store.text import cleaned

#: ECR Public's registry.
PUBLIC: Final = "public.ecr.aws"
_PRIVATE: Final = re.compile(r"([0-9]{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)")

#: Makes a client of a service in a region, as `boto3.client` does.
Factory = Callable[[str, str], Any]


def is_ecr(registry: str) -> bool:
    """True for a registry whose tokens AWS gives."""
    return registry == PUBLIC or _PRIVATE.fullmatch(registry) is not None


def ecr_credential(registry: str, factory: Factory | None = None) -> Credential | None:
    """ECR's token for a registry, good for twelve hours, or None when boto3 is not installed.

    Raises Missing without AWS credentials, RemoteFailed when AWS refuses.
    """
    make = factory or boto3_factory()
    return None if make is None else ecr_token(registry, make)


def ecr_token(registry: str, factory: Factory) -> Credential:
    """ECR's token for a registry; raises as `ecr_credential` does."""
    with _translated(f"the token for {registry}"):
        if registry == PUBLIC:
            data = factory("ecr-public", "us-east-1").get_authorization_token()["authorizationData"]
        else:
            account, region = _place(registry)
            answer = factory("ecr", region).get_authorization_token(registryIds=[account])
            data = answer["authorizationData"][0]
        username, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        if not (username and password):
            raise ValueError("its answer holds no user and password")
    return Credential(origin="AWS, through boto3", username=username, secret=Secret(password), renewable=True)


def tag_mutability(registry: str, repository: str, tag: str, factory: Factory | None = None) -> bool | None:
    """Whether `tag` is immutable in an ECR repository; None when that cannot be known (not ECR, no boto3, no right)."""
    make = factory or (boto3_factory() if is_ecr(registry) and registry != PUBLIC else None)
    if make is None or not _PRIVATE.fullmatch(registry):
        return None
    account, region = _place(registry)
    try:
        with _translated(f"the settings of {registry}/{repository}"):
            client = make("ecr", region)
            found = client.describe_repositories(registryId=account, repositoryNames=[repository])["repositories"][0]
    except (Missing, RemoteFailed):
        return None
    return _is_immutable(found, tag)


def _is_immutable(repository: dict[str, Any], tag: str) -> bool | None:
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


def _place(registry: str) -> tuple[str, str]:
    """Account and region of a private registry."""
    match = _PRIVATE.fullmatch(registry)
    if match is None:
        raise RemoteFailed(f"{registry} is no registry of ECR")
    return match[1], match[2]


def temporary_credentials(profile: str) -> dict[str, str]:
    """Credentials of a profile that end by themselves: `access_key_id`, `secret_access_key`, `session_token`.

    STS is asked for a session where the profile's own are lasting. Raises Missing, RemoteFailed.
    """
    try:
        import boto3
    except ImportError as error:
        raise Missing(
            "boto3 is not installed, which reads AWS profiles",
            hint="install imagekit with its extra: lambda-imagekit[aws]",
        ) from error
    with _translated(f"the credentials of the profile {profile}"):
        session = boto3.session.Session(profile_name=profile)
        found = session.get_credentials()
        if found is None:
            raise ValueError("it has none")
        frozen = found.get_frozen_credentials()
        if frozen.token:
            return _credentials(frozen.access_key, frozen.secret_key, frozen.token)
        given = session.client("sts").get_session_token()["Credentials"]
        return _credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def _credentials(access_key_id: str, secret_access_key: str, session_token: str) -> dict[str, str]:
    return {
        "access_key_id": access_key_id,
        "secret_access_key": secret_access_key,
        "session_token": session_token,
    }


def boto3_factory() -> Factory | None:
    """Clients of boto3, with few and short tries; None when it is not installed."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        return None
    session = boto3.session.Session()
    config = Config(connect_timeout=10, read_timeout=15, retries={"total_max_attempts": 3, "mode": "standard"})

    def make(service: str, region: str) -> Any:
        return session.client(service, region_name=region, config=config)

    return make


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Botocore's errors in words."""
    from botocore import exceptions as theirs

    try:
        yield
    except (theirs.NoCredentialsError, theirs.PartialCredentialsError, theirs.ProfileNotFound) as error:
        raise Missing(
            f"AWS cannot be asked for {what}: {cleaned(str(error))}",
            hint="set AWS_PROFILE or AWS_ACCESS_KEY_ID, log in with `aws sso login`, or use `docker login`",
        ) from error
    except theirs.ClientError as error:
        code = cleaned(str(error.response.get("Error", {}).get("Code", "")), 80)
        said = cleaned(str(error.response.get("Error", {}).get("Message", "")))
        raise RemoteFailed(
            f"AWS does not give {what}: {code}: {said}",
            hint="check whose AWS credentials these are (`aws sts get-caller-identity`), and their right to ECR",
        ) from error
    except (theirs.BotoCoreError, KeyError, IndexError, ValueError, TypeError) as error:
        raise RemoteFailed(f"AWS does not give {what}: {cleaned(str(error))}", hint="try again") from error
