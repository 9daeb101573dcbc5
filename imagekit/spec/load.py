"""From a path to a Spec, or to all that is wrong with it."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from imagekit.errors import InvalidSpec
from imagekit.findings import Finding, Place, errors, in_order
from imagekit.spec import merge, rules
from imagekit.spec import overrides as setting
from imagekit.spec import schema as contract
from imagekit.spec.accept import accepts
from imagekit.spec.draft import Draft
from imagekit.spec.known import Known
from imagekit.spec.model import Spec
from imagekit.spec.node import MappingNode, Path, dotted, walk, without
from imagekit.values import dataclass

#: Findings of one spec that are listed.
MAX_FINDINGS: Final = 100


def load(
    path: str,
    read: Callable[[str], bytes],
    known: Known,
    overrides: Sequence[str] = (),
    cwd: str = "",
) -> tuple[Spec, tuple[Finding, ...]]:
    """The spec at `path` with all that it extends, and warnings.

    `read` gives the bytes of a file, or raises OSError. `overrides` are `KEY=VALUE`, each a scalar. `Spec.root` is
    absolute when `path` or `cwd`, the folder that `path` is relative to, is. Raises InvalidSpec with all problems and
    warnings, in order.
    """
    accepted = _accepted(path, read, known, overrides)
    document = accepted.reading.document
    places = {dotted(here): value.place for here, _, value in walk(accepted.reading.node) if here}
    root = _root(path, document.get("root", "."), places.get("root"), cwd)
    folder = _below(cwd, path)
    spec = Spec.from_document(document, places, path=path, folder=folder, root=root, sources=accepted.sources)
    return spec, accepted.findings


def merged(
    path: str,
    read: Callable[[str], bytes],
    known: Known,
    overrides: Sequence[str] = (),
) -> tuple[MappingNode, tuple[Finding, ...]]:
    """What `load` makes a Spec of: one tree out of all files and overrides, each value with its place; and warnings.

    Takes and raises what `load` does.
    """
    accepted = _accepted(path, read, known, overrides)
    return accepted.reading.node, accepted.findings


@dataclass(frozen=True, kw_only=True, slots=True)
class _Accepted:
    """A spec without errors; `sources` are the files that it was read from, base first."""

    reading: _Reading
    sources: tuple[str, ...]
    findings: tuple[Finding, ...]


def _accepted(path: str, read: Callable[[str], bytes], known: Known, overrides: Sequence[str]) -> _Accepted:
    merged = merge.read(path, read)
    if not merged.contents:
        raise _invalid(merged.findings)
    schema = contract.document(known.languages, known.systems)
    node, unset = setting.apply(merged.node, overrides, schema)
    reading = _Reading(node=node, schema=schema, document=contract.value(node, [schema], schema))
    judged = reading.judged(known)
    # A key may seem to be missing only because the text around it could not be read.
    kept = (one for one in judged if merged.whole or one.code != "IK0102")
    findings = _concealed((*merged.findings, *unset, *kept))
    if errors(findings):
        raise _invalid(findings)
    return _Accepted(reading=reading, sources=tuple(merged.contents), findings=findings)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """The merged spec as nodes and, read by the schema, as a document."""

    node: MappingNode
    schema: contract.Schema
    document: dict[str, Any]

    def judged(self, known: Known) -> Iterable[Finding]:
        """What the schema and the rules say; jsonschema is not asked about what is plainly right."""
        if accepts(self.document, self.schema, self.schema):
            return rules.findings(self._draft(self.node, frozenset(), known))
        from imagekit.spec.validate import Verdict

        verdict = Verdict.from_document(self.document, self.schema, self.node)
        found = [one.finding for one in verdict.refusals]
        if not verdict.complete:
            return found
        paths = frozenset(one.path for one in verdict.refusals if one.path)
        return [*found, *rules.findings(self._draft(without(self.node, paths), paths, known))]

    def _draft(self, node: MappingNode, refused: frozenset[Path], known: Known) -> Draft:
        """What rules look at: the document less what the schema refused."""
        document = contract.value(node, [self.schema], self.schema) if refused else self.document
        places: dict[Path, Place] = {}
        keys: dict[Path, Place] = {}
        for path, key_place, value in walk(node):
            places[path], keys[path] = value.place, key_place
        language = known.languages.get(document.get("language", ""))
        return Draft(document=document, places=places, keys=keys, refused=refused, language=language)


def _root(path: str, root: str, place: Place | None, cwd: str) -> str:
    """`root` as seen from the file that says it; an override is seen from the spec."""
    said_in = place.file if place and not place.file.startswith(setting.FLAG) else path
    return os.path.normpath(os.path.join(_below(cwd, said_in), root))


def _below(cwd: str, file: str) -> str:
    """The folder of a file."""
    return os.path.normpath(os.path.join(cwd, os.path.dirname(file)))


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
    more = f"more than {MAX_FINDINGS} problems found; the first {MAX_FINDINGS} are listed"
    return InvalidSpec(in_order(findings)[:MAX_FINDINGS], more if len(findings) > MAX_FINDINGS else "")
