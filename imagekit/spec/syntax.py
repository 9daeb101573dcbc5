"""The forms of single values that a pattern in the schema cannot say well. Each check gives a Problem or None."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from imagekit.spec.secret import has_credentials, shown

#: A tag has at most 128 characters (OCI distribution-spec, "Pulling manifests"); `-x86_64` is appended.
MAX_TAG: Final = 121

_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST: Final = r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?"
_REPOSITORY: Final = re.compile(rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*")
_DIGEST: Final = re.compile(r"@sha256:[0-9a-f]{64}\Z")
_LAYOUT: Final = re.compile(r"oci(?:-archive)?:([^:].*)")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL: Final = re.compile(r"[!-<>-~]+")
_MAX_REPOSITORY: Final = 255
#: Names that mean a removal in a layer (image-spec, layer.md, "Whiteouts").
_WHITEOUT: Final = ".wh."


class Problem(NamedTuple):
    """Why a value cannot be used, and what to do."""

    code: str
    message: str
    hint: str


def target(text: str) -> Problem | None:
    """An absolute path in an image without `.`, `..`, empty parts and whiteouts; it may end in `/`."""
    if not text.startswith("/"):
        return Problem("IK0104", f"{shown(text)} is no absolute path", f"begin it with /: {shown('/' + text)}")
    parts = text[1:].removesuffix("/").split("/") if text != "/" else []
    if any(part in ("", ".", "..") for part in parts):
        return Problem("IK0104", f"{shown(text)} has a part that is empty, . or ..", "write the path out")
    if any(part.startswith(_WHITEOUT) for part in parts):
        return Problem(
            "IK0104", f"{shown(text)} has a name that begins with .wh.", "such a name removes files; rename it"
        )
    return None


def local(text: str) -> Problem | None:
    """A path below `root`."""
    if text.startswith("/"):
        hint = "write it relative to `root`, which is the spec's folder when left out"
        return Problem("IK0104", f"{shown(text)} is an absolute path", hint)
    depth = 0
    for part in text.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            hint = "set `root` to a folder that holds both, such as `root: ..`"
            return Problem("IK0104", f"{shown(text)} leaves `root`", hint)
    return None


def is_url(text: str) -> bool:
    """True for what names a scheme: everything else is a path."""
    return "://" in text


def archive(text: str) -> Problem | None:
    """A URL, or a path below `root`."""
    return url(text) if is_url(text) or has_credentials(text) else local(text)


def url(text: str) -> Problem | None:
    """An http or https URL without credentials, which are never repeated in the message."""
    if has_credentials(text):
        hint = "put user and password into imagekit.toml or ~/.netrc, and name the URL without them"
        return Problem("IK0109", "this URL carries user info or a signature", hint)
    if not re.match(r"https?://[^/?#\s]", text):
        hint = "an archive comes from an https:// or http:// URL, or is a path below `root`"
        return Problem("IK0104", f"{shown(text)} is no URL that imagekit can fetch", hint)
    if re.search(r"\s|\\", text):
        return Problem("IK0104", f"{shown(text)} holds a space or a backslash", "write %20, %5C")
    return None


def package(text: str) -> Problem | None:
    """A request as dnf takes it, a package file below `root`, or its URL."""
    if is_url(text) or has_credentials(text):
        return url(text)
    if text.startswith(("./", "../")):
        if not text.endswith(".rpm"):
            return Problem("IK0104", f"{shown(text)} is no .rpm file", "what goes in as it is stands under `files`")
        return local(text)
    if text.endswith(".rpm"):
        return Problem("IK0104", f"{shown(text)} might be a file", f"begin its path with ./: {shown('./' + text)}")
    return installed(text)


def installed(text: str) -> Problem | None:
    """A request for a package by name, version, glob, path, or what it provides."""
    if text.startswith("@"):
        return Problem("IK0104", f"{shown(text)} is a group", "name the packages that you need of it")
    if text.startswith("-") or text != text.strip():
        return Problem("IK0104", f"{shown(text)} is no name of a package", "write the name as `dnf install` takes it")
    return None


def key(text: str) -> Problem | None:
    """A file of OpenPGP keys below `root`, or its URL."""
    return url(text) if is_url(text) or has_credentials(text) else local(text)


def tag(text: str) -> Problem | None:
    """A tag that has room for `-` and an architecture."""
    if len(text) > MAX_TAG:
        hint = f"a tag has at most {MAX_TAG}: imagekit appends the architecture"
        return Problem("IK0104", f"the tag {shown(text)} has {len(text)} characters", hint)
    if not _TAG.fullmatch(text):
        return Problem("IK0104", f"{shown(text)} is no tag", "use letters, digits and _ . - and begin with none of . -")
    return None


def repository(text: str) -> Problem | None:
    """A repository, with or without a host; neither tag nor digest."""
    if "://" in text:
        return Problem("IK0104", f"{shown(text)} is a URL", "leave out the scheme: host/name")
    if _REPOSITORY.fullmatch(text) and len(text) <= _MAX_REPOSITORY:
        return None
    if re.search(r":[^/]*\Z|@", text):
        return Problem("IK0104", f"{shown(text)} is more than a repository", "tags go under `push.tags`")
    hint = "write host/name with lower-case letters, digits and . _ - in the name"
    return Problem("IK0104", f"{shown(text)} is no repository", hint)


def reference(text: str) -> Problem | None:
    """A repository with a tag or a digest or both, or `oci:DIR`, `oci-archive:FILE` below `root`."""
    if "://" in text:
        return Problem("IK0104", f"{shown(text)} is a URL", "leave out the scheme: host/name:tag")
    if path := layout(text):
        return local(path)
    name = _DIGEST.sub("", text)
    head, colon, last = name.rpartition(":")
    if colon and "/" not in last:
        name = head if _TAG.fullmatch(last) and len(last) <= 128 else ""
    if _REPOSITORY.fullmatch(name) and len(name) <= _MAX_REPOSITORY:
        return None
    return Problem(
        "IK0104", f"{shown(text)} is no image reference", "write host/name:tag, host/name@sha256:… or oci:DIR"
    )


def layout(text: str) -> str:
    """The path of a local image, below `root`; empty for a reference. It may be followed by a tag or a digest."""
    found = _LAYOUT.fullmatch(text)
    if not found:
        return ""
    path = found[1].partition("@")[0]
    head, colon, tag = path.rpartition(":")
    return head if colon and "/" not in tag else path


def variable(name: str) -> Problem | None:
    """The name of an environment variable."""
    if _VARIABLE.fullmatch(name):
        return None
    hint = "use letters, digits and _, and begin with no digit"
    return Problem("IK0104", f"{shown(name)} is no name of an environment variable", hint)


def label(name: str) -> Problem | None:
    """The key of a label (OCI image-spec, "Annotations": not empty)."""
    if _LABEL.fullmatch(name):
        return None
    return Problem("IK0104", f"{shown(name)} is no name of a label", "use printable ASCII without spaces and =")
