"""Amazon ECR's names: which registry is one, whose and where it is, and the permission that a request needs.

Endpoints: AWS General Reference, "Amazon ECR endpoints and quotas". Permissions: Service Authorization Reference,
"Actions, resources, and condition keys for Amazon Elastic Container Registry".
"""

from __future__ import annotations

import base64
import json
import re
from typing import Final, Self

from imagekit.values import dataclass

#: ECR Public's registry; its service is in one region only.
PUBLIC: Final = "public.ecr.aws"
PUBLIC_REGION: Final = "us-east-1"
#: AWS's partitions by the domain that their registries are in, and the domain that Lambda knows them by.
_DOMAINS: Final = {
    "amazonaws.com": ("aws", "amazonaws.com"),
    "amazonaws.com.cn": ("aws-cn", "amazonaws.com.cn"),
    "amazonaws.eu": ("aws-eusc", "amazonaws.eu"),
    "c2s.ic.gov": ("aws-iso", "c2s.ic.gov"),
    "sc2s.sgov.gov": ("aws-iso-b", "sc2s.sgov.gov"),
    "on.aws": ("aws", "amazonaws.com"),
    "on.amazonwebservices.com.cn": ("aws-cn", "amazonaws.com.cn"),
}
_DUAL_STACK: Final = frozenset({"on.aws", "on.amazonwebservices.com.cn"})
_GOVERNMENT: Final = "us-gov-"
_HOST: Final = re.compile(r"([0-9]{12})\.dkr[.-]ecr(-fips)?\.([a-z]{2}[a-z0-9-]{1,30})\.([a-z0-9.-]+)")
#: What each request of the distribution specification needs, by method and what its path ends in.
_ACTIONS: Final = (
    ("HEAD", r"/blobs/[^/]+", "BatchCheckLayerAvailability"),
    ("GET", r"/blobs/[^/]+", "GetDownloadUrlForLayer"),
    ("POST", r"/blobs/uploads/?", "InitiateLayerUpload"),
    ("PATCH", r"/blobs/uploads/.+", "UploadLayerPart"),
    ("PUT", r"/blobs/uploads/.+", "CompleteLayerUpload"),
    ("PUT", r"/manifests/[^/]+", "PutImage"),
    ("GET|HEAD", r"/manifests/[^/]+", "BatchGetImage"),
    ("GET", r"/tags/list", "ListImages"),
)
_DENIED: Final = re.compile(r"not authorized to perform: (ecr(?:-public)?:[A-Za-z]{1,60})")
_RESOURCE: Final = re.compile(r"on resource: (arn:[A-Za-z0-9:/._*-]{1,300})")
_CALLER: Final = re.compile(r"User: (arn:[A-Za-z0-9:/._@+=,-]{1,300})")
_EXPLICIT: Final = re.compile(r"with an explicit deny in an? ([a-z -]{1,40}) policy")
_SESSION: Final = re.compile(r"arn:([a-z-]+):sts::([0-9]{12}):assumed-role/([^/]+)/.*")


@dataclass(frozen=True, kw_only=True, slots=True)
class EcrName:
    """A private registry: whose it is, where, and which of its endpoints a name is."""

    account: str
    region: str
    partition: str
    domain: str
    is_fips: bool = False
    is_dual_stack: bool = False

    @classmethod
    def parse(cls, registry: str) -> Self | None:
        """Out of a registry's whole name; None for any other registry, ECR Public's among them."""
        match = _HOST.fullmatch(registry)
        if match is None or match[4] not in _DOMAINS:
            return None
        partition, domain = _DOMAINS[match[4]]
        if match[3].startswith(_GOVERNMENT):
            partition = "aws-us-gov"
        return cls(
            account=match[1],
            region=match[3],
            partition=partition,
            domain=domain,
            is_fips=bool(match[2]),
            is_dual_stack=match[4] in _DUAL_STACK,
        )

    @property
    def for_lambda(self) -> str:
        """The registry's name as Lambda takes it: it refuses those of FIPS endpoints (Lambda guide, "Requirements")."""
        return self.in_region(self.region)

    def in_region(self, region: str) -> str:
        """The same account's registry in a region."""
        return f"{self.account}.dkr.ecr.{region}.{self.domain}"

    def arn(self, repository: str) -> str:
        """A repository's name in policies."""
        return f"arn:{self.partition}:ecr:{self.region}:{self.account}:repository/{repository}"


def is_ecr(registry: str) -> bool:
    """True for a registry whose tokens AWS gives."""
    return registry == PUBLIC or EcrName.parse(registry) is not None


def image_uri(name: str) -> str:
    """A repository's name as Lambda takes it in an ImageUri."""
    registry, slash, repository = name.partition("/")
    found = EcrName.parse(registry)
    return f"{found.for_lambda}{slash}{repository}" if found else name


def arn_of(registry: str, repository: str) -> str:
    """A repository's name in policies; of ECR Public's the account is not in the name."""
    found = EcrName.parse(registry)
    return found.arn(repository) if found else f"arn:aws:ecr-public::*:repository/{repository.partition('/')[2]}"


def action_of(method: str, path: str, registry: str) -> str:
    """The permission that a request to a registry needs; nothing for one that is not known."""
    service = "ecr-public" if registry == PUBLIC else "ecr"
    for methods, end, action in _ACTIONS:
        if method in methods.split("|") and re.fullmatch(rf"/v2/.+{end}", path):
            return f"{service}:{action}"
    return ""


def advice(words: str, action: str, resource: str) -> str:
    """What to do about a no: the line of a policy that grants what AWS's words say is denied.

    `action` and `resource` are what was tried, for words that do not say it.
    """
    denied, named, caller = _DENIED.search(words), _RESOURCE.search(words), _CALLER.search(words)
    action = denied[1] if denied else action
    resource = named[1].rstrip(".") if named else resource
    if not action:
        return "check the IAM permissions and the repository's policy"
    explicit = _EXPLICIT.search(words)
    if explicit:
        return f"a policy ({explicit[1]}) denies {action} outright, and no other can allow it again: change that one"
    statement: dict[str, object] = {"Effect": "Allow", "Action": action}
    if "no resource-based policy allows" in words:
        principal = {"AWS": _lasting(caller[1])} if caller else "*"
        return f"the repository's policy needs {_line({**statement, 'Principal': principal})}"
    whose = f" of {_lasting(caller[1])}" if caller else ""
    return f"an IAM policy{whose} needs {_line({**statement, 'Resource': resource})}"


def expiry(password: str) -> float | None:
    """Until when one of ECR's tokens is good, in seconds since 1970; None when it does not say.

    A token is JSON in base64 with `expiration`, which AWS documents nowhere: what does not look so says nothing.
    """
    try:
        document = json.loads(base64.b64decode(password, validate=True))
        found = document["expiration"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return float(found) if isinstance(found, int) and 0 < found < 2**40 else None


def _lasting(caller: str) -> str:
    """The role that a session is of: sessions come and go, and stand in no policy."""
    match = _SESSION.fullmatch(caller)
    return f"arn:{match[1]}:iam::{match[2]}:role/{match[3]}" if match else caller


def _line(statement: dict[str, object]) -> str:
    return json.dumps(statement)
