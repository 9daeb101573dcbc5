"""From a path to a Spec, or to all that is wrong with it."""

from __future__ import annotations

import hashlib
import os.path
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from imagekit import __version__
from imagekit.errors import InvalidSpec
from imagekit.findings import Finding, Place, errors, in_order
from imagekit.spec import merge, rules
from imagekit.spec import overrides as setting
from imagekit.spec import schema as contract
from imagekit.spec.draft import Draft
from imagekit.spec.known import Known, Validated
from imagekit.spec.model import Spec
from imagekit.spec.node import MappingNode, Path, dotted, walk, without

if TYPE_CHECKING:
    from imagekit.spec.validate import Refusal

#: Findings of one spec that are listed.
MAX_FINDINGS: Final = 100


def load(
    path: str,
    read: Callable[[str], bytes],
    known: Known,
    overrides: Sequence[str] = (),
    validated: Validated | None = None,
    cwd: str = "",
) -> tuple[Spec, tuple[Finding, ...]]:
    """The spec at `path` with all that it extends, and warnings.

    `read` gives the bytes of a file, or raises OSError. `overrides` are `KEY=VALUE`, each a scalar. `validated`
    remembers what the schema accepted, so that it is asked once. `Spec.root` is absolute when `path` or `cwd`, the
    folder that `path` is relative to, is. Raises InvalidSpec with all problems and warnings, in order.
    """
    merged = merge.read(path, read)
    if not merged.contents:
        raise _invalid(merged.findings)
    schema = contract.document(known.languages, known.systems)
    node, unset = setting.apply(merged.node, overrides, schema)
    document: dict[str, Any] = contract.value(node, [schema], schema)
    memory = validated if merged.whole and not unset else None
    refused = _refused(document, node, schema, memory, _digest(merged.contents, overrides, known))
    draft = _draft(node, document, schema, known, refused)
    judged = (*(one.finding for one in refused), *rules.findings(draft))
    # A key may seem to be missing only because the text around it could not be read.
    kept = (one for one in judged if merged.whole or one.code != "IK0102")
    findings = _concealed((*merged.findings, *unset, *kept))
    if errors(findings):
        raise _invalid(findings)
    places = {dotted(here): place for here, place in draft.places.items() if here}
    root = _root(path, document.get("root", "."), places.get("root"), cwd)
    spec = Spec.from_document(document, places, path=path, root=root, sources=tuple(merged.contents))
    return spec, findings


def _refused(
    document: Mapping[str, Any],
    node: MappingNode,
    schema: contract.Schema,
    validated: Validated | None,
    digest: str,
) -> tuple[Refusal, ...]:
    """What the schema has against the document; nothing when it accepted the same bytes before."""
    if validated and validated.has(digest):
        return ()
    from imagekit.spec.validate import refusals

    found = refusals(document, schema, node)
    if validated and not found:
        validated.add(digest)
    return found


def _digest(contents: Mapping[str, bytes], overrides: Iterable[str], known: Known) -> str:
    """Names everything that decides what the schema says: texts, overrides, names, the schema, this imagekit."""
    names = [*overrides, "", *sorted(known.languages), "", *sorted(known.systems)]
    texts = [__version__, contract.text(), *names]
    parts = [*(text.encode("utf-8", "surrogatepass") for text in texts), *contents.values()]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()


def _draft(
    node: MappingNode,
    document: Mapping[str, Any],
    schema: contract.Schema,
    known: Known,
    refused: tuple[Refusal, ...],
) -> Draft:
    """What rules look at: the document less what the schema refused."""
    paths = frozenset(one.path for one in refused if one.path)
    smaller = without(node, paths) if paths else node
    if paths:
        document = contract.value(smaller, [schema], schema)
    places: dict[Path, Place] = {}
    keys: dict[Path, Place] = {}
    for path, key_place, value in walk(smaller):
        places[path], keys[path] = value.place, key_place
    language = known.languages.get(document.get("language", ""))
    return Draft(document=document, places=places, keys=keys, refused=paths, language=language)


def _root(path: str, root: str, place: Place | None, cwd: str) -> str:
    """`root` as seen from the file that says it; an override is seen from the spec."""
    said_in = place.file if place and not place.file.startswith(setting.FLAG) else path
    return os.path.normpath(os.path.join(cwd, os.path.dirname(said_in), root))


def _concealed(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """In order, without the lines that hold credentials which could not be starred out."""
    listed = in_order(dict.fromkeys(findings))
    secret = {_line(one.place) for one in listed if one.code == "IK0109" and one.place and not one.place.excerpt}
    return tuple(
        replace(one, place=replace(one.place, excerpt="")) if one.place and _line(one.place) in secret else one
        for one in listed
    )


def _line(place: Place) -> tuple[str, int]:
    return place.file, place.line


def _invalid(findings: tuple[Finding, ...]) -> InvalidSpec:
    count = len(findings)
    message = f"{count} problems found; the first {MAX_FINDINGS} are listed" if count > MAX_FINDINGS else ""
    return InvalidSpec(in_order(findings)[:MAX_FINDINGS], message)
