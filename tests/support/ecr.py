"""Amazon ECR on loopback: the registry of tests with ECR's own ways, each of which refuses a client that forgets it.

They are those that peers' issues tell of, and ECR's documented limits. `AWS_NAME` is reached through the settings of
`environment`, which name the registry as the proxy for plain http.
"""

from __future__ import annotations

import base64
import fnmatch
import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from imagekit.store.ecr import EcrName, action_of
from tests.support.registry import Handler, Query, Registry

ACCOUNT, REGION = "123456789012", "eu-west-1"
AWS_NAME = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
USER_ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/session"
#: What moto gives as the token's password.
PASSWORD = f"{ACCOUNT}-auth-token"
#: UploadLayerPart takes no smaller part than this but the last.
SMALLEST_PART = 5 * 1024 * 1024


class Ecr(Registry):
    """The registry; what it refuses is set while it runs."""

    def __init__(self, name: str = AWS_NAME) -> None:
        super().__init__()
        self.like_ecr = True
        self.name = name
        #: Only what exists is pushed to: here, or at the control plane, which gives its names.
        self.there: set[str] = set()
        self.control: Callable[[], set[str]] = set
        #: Prefixes for which the first upload creates a repository.
        self.templates: set[str] = set()
        #: Tags that match one of these may be moved although the repository is immutable.
        self.movable: tuple[str, ...] = ()
        #: Permissions that our user has not, such as `ecr:PutImage`; and why.
        self.denied: set[str] = set()
        self.because = "no identity-based policy allows the {action} action"
        self.password = PASSWORD
        #: Passwords that were good for twelve hours.
        self.expired: set[str] = set()
        self.parts: dict[str, list[int]] = {}
        self.rules = _rules

    @property
    def environment(self) -> dict[str, str]:
        """What leads to it under ECR's name."""
        return {"HTTP_PROXY": self.url, "IMAGEKIT_INSECURE": self.name}


def password_until(moment: int) -> str:
    """A token in ECR's form that is good until then."""
    return base64.b64encode(json.dumps({"payload": "x", "type": "DATA_KEY", "expiration": moment}).encode()).decode()


def _rules(handler: Handler, path: str, query: Query) -> bool:
    """True when ECR's own ways have answered."""
    return any(rule(handler, path, query) for rule in (_login, _permission, _repository, _mount, _part, _tag))


def _ecr(handler: Handler) -> Ecr:
    registry = handler.registry
    assert isinstance(registry, Ecr)
    return registry


def _login(handler: Handler, path: str, query: Query) -> bool:
    registry, header = _ecr(handler), handler.headers.get("Authorization", "")
    user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
    if user == "AWS" and password == registry.password:
        return False
    if password in registry.expired:
        handler.refuse(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")
        return True
    realm = f'Basic realm="https://{registry.name}/",service="ecr.amazonaws.com"'
    handler.refuse(401, "UNAUTHORIZED", "Not Authorized", {"WWW-Authenticate": realm})
    return True


def _permission(handler: Handler, path: str, query: Query) -> bool:
    registry = _ecr(handler)
    action, name = action_of(handler.command, path, registry.name), EcrName.parse(registry.name)
    if action not in registry.denied or name is None:
        return False
    match = re.match(r"/v2/(.+?)/(?:blobs|manifests|tags)/", path)
    assert match
    words = f"User: {USER_ARN} is not authorized to perform: {action} on resource: {name.arn(match[1])} because "
    handler.refuse(403, "DENIED", words + registry.because.format(action=action))
    return True


def _repository(handler: Handler, path: str, query: Query) -> bool:
    """Who uploads to a repository that does not exist loses the connection; other requests are told."""
    registry, match = _ecr(handler), re.match(r"/v2/(.+?)/(?:blobs|manifests|tags)/", path)
    if match is None or match[1] in registry.there | registry.control():
        return False
    if handler.command == "POST" and match[1].partition("/")[0] in registry.templates:
        registry.there.add(match[1])
        return False
    if handler.command == "PATCH":
        handler.end_connection()
        return True
    words = f"The repository with name '{match[1]}' does not exist in the registry with id '{ACCOUNT}'"
    handler.refuse(404, "NAME_UNKNOWN", words)
    return True


def _mount(handler: Handler, path: str, query: Query) -> bool:
    """Only what a manifest names already is mounted; else an upload is opened (202)."""
    registry = _ecr(handler)
    origin = registry.repositories.get(query.get("from", [""])[0])
    if "mount" in query:
        named = b"".join(data for _, data in origin.manifests.values()) if origin else b""
        registry.mounts = query["mount"][0].encode() in named
    return False


def _part(handler: Handler, path: str, query: Query) -> bool:
    """Parts that are not the last have 5 MiB; where one goes is counted by ECR, and Range does not tell it."""
    registry, key = _ecr(handler), path.rpartition("/")[2]
    if handler.command != "PATCH" or key not in registry.uploads:
        return False
    parts, start = registry.parts.setdefault(key, []), handler.headers.get("Content-Range", "").partition("-")[0]
    if start and int(start) != sum(parts):
        handler.refuse(416, "BLOB_UPLOAD_INVALID", f"the part begins at {start}, and {sum(parts)} bytes are here")
        return True
    if parts and parts[-1] < SMALLEST_PART:
        handler.refuse(400, "BLOB_UPLOAD_INVALID", "Layer parts other than the last must have 5242880 bytes")
        return True
    parts.append(len(handler.body))
    return False


def _tag(handler: Handler, path: str, query: Query) -> bool:
    """Tags stay what they are, but for those that an exclusion filter names."""
    registry, match = _ecr(handler), re.fullmatch(r"/v2/.+/manifests/([^/]+)", path)
    if registry.movable and match and handler.command == "PUT":
        registry.immutable = not any(fnmatch.fnmatchcase(match[1], pattern) for pattern in registry.movable)
    return False


def broken(after: int) -> object:
    """A fault: the connection ends within a PATCH, and what came until then stays in its session."""

    def fault(handler: Handler) -> bool:
        key = urlsplit(handler.path).path.rpartition("/")[2]
        handler.registry.uploads[key] += handler.rfile.read(after)
        handler.end_connection()
        return True

    fault.before_body = True  # type: ignore[attr-defined]
    return fault


def template(prefix: str, applied: str = "CREATE_ON_PUSH") -> Mapping[str, object]:
    """A repository creation template as the API describes it."""
    return {"prefix": prefix, "appliedFor": [applied]}
