"""AWS through boto3, which is an extra: ECR's tokens, a profile's credentials, and AWS's errors in words.

API: "GetAuthorizationToken" of ECR and of ECR Public. Credentials come the way they come in AWS's own tools: variables,
profiles, single sign-on, a role by web identity (OIDC), the role of a container or an instance.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from imagekit.errors import Missing, RemoteFailed
from imagekit.store.ecr import PUBLIC_REGION, EcrName, advice
from imagekit.store.hosts import Certificates
from imagekit.store.secret import Credential, Secret
from imagekit.store.tls import trusted_files
from imagekit.words import cleaned

_TOKEN: Final = "ecr:GetAuthorizationToken"
_LOG_IN: Final = "set AWS_PROFILE or AWS_ACCESS_KEY_ID, log in with `aws sso login`, or use `docker login`"
#: Botocore's exceptions, by name since not all are in all of its versions, for credentials that are none or not good.
_NOBODY: Final = (
    *("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "CredentialRetrievalError", "SSOError"),
    *("TokenRetrievalError", "ConfigParseError", "ConfigNotFound", "InvalidConfigError", "NoAuthTokenError"),
    *("RefreshWithMFAUnsupportedError", "LoginError"),
)
#: AWS's codes for credentials that it does not know, or not any more.
_EXPIRED: Final = frozenset({
    *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId", "UnrecognizedClientException"),
    *("InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "InvalidIdentityToken"),
})  # fmt: skip

#: Makes a client of a service in a region, as `boto3.client` does.
Factory = Callable[[str, str], Any]


def ecr_credential(
    registry: str, factory: Factory | None = None, certificates: Certificates | None = None
) -> Credential | None:
    """ECR's token for a registry, good for twelve hours, or None when boto3 is not installed.

    Raises Missing without AWS credentials, RemoteFailed when AWS refuses.
    """
    make = factory or factory_for(registry, certificates)
    return None if make is None else ecr_token(registry, make)


def ecr_token(registry: str, factory: Factory) -> Credential:
    """ECR's token for a registry; raises as `ecr_credential` does."""
    with translated(f"the token for {registry}", action=_TOKEN):
        name = EcrName.parse(registry)
        if name is None:
            data = factory("ecr-public", PUBLIC_REGION).get_authorization_token()["authorizationData"]
        else:
            answer = factory("ecr", name.region).get_authorization_token(registryIds=[name.account])
            data = answer["authorizationData"][0]
        username, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        if not (username and password):
            raise ValueError("its answer holds no user and password")
    return Credential(origin="AWS, through boto3", username=username, secret=Secret(password), renewable=True)


def temporary_credentials(profile: str) -> dict[str, str]:
    """Credentials of a profile that end by themselves: `access_key_id`, `secret_access_key`, `session_token`.

    STS is asked for a session where the profile's own are lasting. Raises Missing, RemoteFailed.
    """
    try:
        import boto3
    except ImportError as error:
        raise without_boto3("reads AWS profiles") from error
    with translated(f"the credentials of the profile {profile}"):
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


def without_boto3(does: str) -> Missing:
    """The error of a machine without boto3."""
    hint = "install imagekit with its extra: lambda-imagekit[aws]"
    return Missing(f"boto3 is not installed, which {does}", hint=hint)


def factory_for(registry: str, certificates: Certificates | None = None) -> Factory | None:
    """Clients for a registry's account: its FIPS and dual-stack endpoints are told by its name.

    `certificates` are those that are trusted for the registry: a proxy that looks into its connections looks into AWS's
    too.
    """
    name = EcrName.parse(registry)
    authorities = trusted_files(certificates) if certificates else ()
    return boto3_factory(
        fips=bool(name and name.is_fips), dual_stack=bool(name and name.is_dual_stack), authorities=authorities
    )


def boto3_factory(*, fips: bool = False, dual_stack: bool = False, authorities: tuple[str, ...] = ()) -> Factory | None:
    """Clients of boto3, with few and short tries; None when it is not installed. `authorities` are files in PEM format
    that are trusted instead of botocore's own."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        return None
    endpoints = {"use_fips_endpoint": fips or None, "use_dualstack_endpoint": dual_stack or None}
    retries = {"total_max_attempts": 3, "mode": "standard"}
    config = Config(connect_timeout=10, read_timeout=15, retries=retries, **endpoints)

    bundle = _bundle(authorities) if authorities else None

    # Not before it is used: a profile that is not there, or settings that cannot be read, are refused by the session.
    session = cache(boto3.session.Session)

    def make(service: str, region: str) -> Any:
        return session().client(service, region_name=region, config=config, verify=bundle.name if bundle else None)

    return make


def _bundle(authorities: tuple[str, ...]) -> Any:
    """Several files as the one that botocore takes; it is there as long as whoever holds it."""
    file = tempfile.NamedTemporaryFile(prefix="imagekit-", suffix=".pem")  # noqa: SIM115 (it outlives this function)
    for path in authorities:
        with open(path, "rb") as source:
            file.write(source.read() + b"\n")
    file.flush()
    return file


@contextmanager
def translated(what: str, *, action: str = "", resource: str = "*") -> Iterator[None]:
    """Botocore's errors in words; `action` on `resource` is what needs a permission.

    Raises Missing without credentials that are good, RemoteFailed when AWS refuses or cannot be reached.
    """
    from botocore import exceptions as theirs

    try:
        yield
    except tuple(getattr(theirs, name) for name in _NOBODY if hasattr(theirs, name)) as error:
        raise Missing(f"AWS cannot be asked for {what}: {cleaned(str(error))}", hint=_LOG_IN) from error
    except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
        named = f"{error.filename}: {(error.strerror or 'it cannot be used').lower()}"
        raise Missing(f"AWS cannot be asked for {what}: its settings name {named}", hint=_LOG_IN) from error
    except theirs.ClientError as error:
        raise _refused(error.response.get("Error", {}), what, action, resource) from error
    except (theirs.BotoCoreError, KeyError, IndexError, ValueError, TypeError) as error:
        raise RemoteFailed(f"AWS does not give {what}: {cleaned(str(error))}", hint="try again") from error


def _refused(error: Mapping[str, Any], what: str, action: str, resource: str) -> Missing | RemoteFailed:
    """AWS's no: to nobody it knows any more, to somebody who may not, or to what was asked."""
    code, said = cleaned(str(error.get("Code", "")), 80), cleaned(str(error.get("Message", "")), 600)
    if code in _EXPIRED:
        return Missing(f"the AWS credentials are not good any more for {what}: {code}: {said}", hint=_LOG_IN)
    hint = "check whose AWS credentials these are (`aws sts get-caller-identity`)"
    if code.startswith("AccessDenied"):
        hint = f"{advice(said, action, resource)}; whose credentials these are: `aws sts get-caller-identity`"
    return RemoteFailed(f"AWS does not give {what}: {code}: {said}", hint=hint)
