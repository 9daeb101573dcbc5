"""What a schema cannot say of the steps of a build."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from imagekit.findings import Finding
from imagekit.spec import placeholders
from imagekit.spec.draft import Draft, values
from imagekit.spec.model import BASE, HOST
from imagekit.spec.node import Path

#: Names that begin so are imagekit's own settings, which no step sees.
_OWN: Final = "IMAGEKIT_"
_IN_CONTAINERS: Final = ("packages", "outputs")


def _steps(draft: Draft) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    yield from ((path, step) for path, step in draft.items("build") if isinstance(step, dict))


def _containers_have_what_hosts_have_not(draft: Draft) -> Iterator[Finding]:
    for path, step in _steps(draft):
        for key in _IN_CONTAINERS:
            if key in step and step.get("in", HOST) == HOST and (*path, "in") not in draft.refused:
                message = f"`{key}` is for a step in a container, and this one runs on this machine"
                yield draft.find("IK0107", (*path, key), message, f"add `in: {BASE}` or an image, or remove `{key}`")


def _containers_give_something(draft: Draft) -> Iterator[Finding]:
    """Only what is declared comes out; without `outputs` that is the program that the image starts."""
    if draft.language is None:
        return
    has_program = draft.wrote("bootstrap", "path") or (draft.language.build and not draft.wrote("bootstrap"))
    for path, step in _steps(draft):
        if step.get("in", HOST) != HOST and not has_program and not draft.wrote(*path, "outputs"):
            message = "nothing would come out of the container: the step has no `outputs`, the spec no `bootstrap.path`"
            hint = "name what it makes, below `directory`: `outputs: [build/{architecture}]`"
            yield draft.find("IK0102", path, message, hint)


def _outputs_are_apart(draft: Draft) -> Iterator[Finding]:
    """What one architecture's container gives must not be overwritten by the other's."""
    for path, step in _steps(draft):
        if step.get("in", HOST) == HOST:
            continue
        several = len(step.get("only") or draft.architectures()) > 1
        for where, text in values((*path, "outputs"), step.get("outputs")):
            if os.path.normpath(text) in (".", "..") or text.strip() != text:
                hint = "name the files and folders that the command makes"
                yield draft.find("IK0104", where, "an output is below `directory`, not all of it", hint)
            elif several and not any(word in placeholders.BY_ARCHITECTURE for word in placeholders.words(text)):
                message = f"both architectures would write {text}, and the second would overwrite the first"
                better = f"build/{{architecture}}/{os.path.basename(os.path.normpath(text))}"
                hint = f"name {better}, and let the command write to build/$IMAGEKIT_ARCHITECTURE"
                yield draft.find("IK0107", where, message, hint)


def _secrets_are_secret(draft: Draft) -> Iterator[Finding]:
    for path, step in _steps(draft):
        for where, name in values((*path, "secrets"), step.get("secrets")):
            if name in step.get("environment", {}):
                message = f"{name} is under `secrets` and, for all to read, under `environment`"
                yield draft.find("IK0107", where, message, "remove it from `environment`")
            elif name.startswith(_OWN):
                hint = "choose another name"
                yield draft.find("IK0107", where, f"{name} is one of imagekit's own variables", hint)


RULES: Final[tuple[Callable[[Draft], Iterator[Finding]], ...]] = (
    _containers_have_what_hosts_have_not,
    _containers_give_something,
    _outputs_are_apart,
    _secrets_are_secret,
)
