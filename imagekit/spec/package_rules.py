"""What a schema cannot say of the packages and the package repositories of a spec."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from imagekit.findings import Finding
from imagekit.spec.draft import Draft, warning
from imagekit.spec.node import Path, dotted
from imagekit.spec.packages import NATIVE
from imagekit.spec.syntax import is_url


def _checksums_are_of_files(draft: Draft) -> Iterator[Finding]:
    for path, item in draft.items("packages"):
        if isinstance(item, dict) and "sha256" in item:
            name = item.get("name", "./")
            if not is_url(name) and not name.startswith(("./", "../")):
                hint = "the lock has the checksum of what comes out of a package repository"
                yield draft.find("IK0107", (*path, "sha256"), "`sha256` is for a `.rpm` file or its URL", hint)


def _nothing_comes_and_goes(draft: Draft) -> Iterator[Finding]:
    """A name under `remove` is of the base: it cannot be wanted at the same time."""
    removed = {item: path for path, item in draft.items("remove") if isinstance(item, str)}
    for key in ("packages", "upgrade"):
        for path, item in draft.items(key):
            name = item.get("name") if isinstance(item, dict) else item
            if name in removed:
                message = f"{name} is under `{key}` and under `remove`"
                yield draft.find(
                    "IK0107", removed[name], message, f"take it out of one of them; the other is {dotted(path)}"
                )


def _repositories_have_one_place(draft: Draft) -> Iterator[Finding]:
    names: dict[tuple[str, str], Path] = {}
    for path, item in draft.items("repositories"):
        if draft.wrote(*path, "baseurl") and draft.wrote(*path, "mirrorlist"):
            message = "a repository has both `baseurl` and `mirrorlist`"
            yield draft.find("IK0107", (*path, "mirrorlist"), message, "keep one of them")
        for architecture in item.get("only") or draft.architectures():
            key = (item.get("name", ""), architecture or "")
            if key in names and names[key] != path and key[0]:
                message = f"two repositories are called {key[0]!r}"
                yield draft.find("IK0107", (*path, "name"), message, "give each its own name")
                break
            names[key] = path


def _keys_are_known(draft: Draft) -> Iterator[Finding]:
    """A key behind a URL is whatever the server sends: only its fingerprint says that it is the right one."""
    for path, item in draft.items("repositories"):
        named = item.get("gpgkey", ())
        keys = [named] if isinstance(named, str) else [text for text in named if text]
        remote = [text for text in keys if is_url(text)]
        if remote and not draft.wrote(*path, "fingerprint"):
            hint = "add the `fingerprint` that its owner publishes, or put the key into a file below `root`"
            yield draft.find("IK0102", (*path, "gpgkey"), "`gpgkey` is a URL, and there is no `fingerprint`", hint)
        if draft.wrote(*path, "fingerprint") and not keys:
            yield draft.find("IK0107", (*path, "fingerprint"), "`fingerprint` has no `gpgkey`", "add the key itself")
        if item.get("gpgcheck") is False and item.get("enabled", True):
            message = f"packages of {item.get('name', 'this repository')} are taken without a signature"
            hint = "have them signed, and name the key with `gpgkey`"
            yield warning("IK0110", draft.places.get((*path, "gpgcheck")), message, hint)


def _commands_have_a_container(draft: Draft) -> Iterator[Finding]:
    if draft.document.get("run") and draft.document.get("engine", NATIVE) == NATIVE:
        hint = "add `engine: docker`, or build with --engine docker"
        yield draft.find("IK0107", ("run",), "`run` needs a container, which the engine `native` has not", hint)


RULES: Final[tuple[Callable[[Draft], Iterator[Finding]], ...]] = (
    _checksums_are_of_files,
    _nothing_comes_and_goes,
    _repositories_have_one_place,
    _keys_are_known,
    _commands_have_a_container,
)
