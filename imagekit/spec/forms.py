"""Every single value has its form, as far as it can be known before placeholders are filled in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from imagekit.findings import Finding
from imagekit.spec import syntax
from imagekit.spec.bootstrap import Mode
from imagekit.spec.draft import Draft, placed, repository_urls, tags, under, values
from imagekit.spec.model import BASE, HOST
from imagekit.spec.node import Path

_Check: TypeAlias = Callable[[str], syntax.Problem | None]
_Checked: TypeAlias = Iterator[tuple[_Check, Iterator[tuple[Path, str]]]]


def templates_have_their_form(draft: Draft) -> Iterator[Finding]:
    """Values that may hold placeholders."""
    for check, pairs in _templates(draft):
        for path, text in pairs:
            sample = draft.sample(text)
            # What begins with a placeholder may become anything: it is looked at again when it is filled in.
            opens = check is not syntax.tag and text.startswith("{") and not text.startswith("{{")
            if sample is not None and not opens and (problem := check(sample)):
                yield placed(problem, draft.places.get(path), text)


def texts_have_their_form(draft: Draft) -> Iterator[Finding]:
    """Values that are taken as they are."""
    for check, pairs in _texts(draft):
        for path, text in pairs:
            if problem := check(text):
                yield placed(problem, draft.places.get(path), text)


def _templates(draft: Draft) -> _Checked:
    local = [(path, item) for path, item in draft.items("files") if not draft.wrote(*path, "image")]
    foreign = [(path, item) for path, item in draft.items("files") if draft.wrote(*path, "image")]
    yield syntax.reference, values(("base",), draft.document.get("base"))
    yield syntax.reference, under(draft, "files", "image")
    yield syntax.reference, under(draft, "bootstrap", "image")
    yield syntax.target, under(draft, "bootstrap", "paths")
    yield syntax.reference, (pair for pair in under(draft, "build", "in") if pair[1] not in (HOST, BASE))
    yield syntax.local, under(draft, "build", "outputs")
    yield syntax.local, under(draft, "bootstrap", "path")
    yield syntax.target, (pair for pair in under(draft, "bootstrap", *Mode) if pair[0][-1] == 0)
    yield syntax.local, (pair for path, item in local for pair in values((*path, "source"), item.get("source")))
    yield syntax.target, (pair for path, item in foreign for pair in values((*path, "source"), item.get("source")))
    yield syntax.archive, under(draft, "archives", "source")
    yield syntax.target, under(draft, "archives", "target")
    yield syntax.target, under(draft, "files", "target")
    yield syntax.url, repository_urls(draft)
    yield syntax.tag, tags(draft)


def _texts(draft: Draft) -> _Checked:
    steps = [(path, item) for path, item in draft.items("build") if isinstance(item, dict)]
    yield syntax.repository, under(draft, "push", "to")
    yield syntax.package, under(draft, "packages", "name")
    yield syntax.package, ((path, item) for path, item in draft.items("packages") if isinstance(item, str))
    for key in ("upgrade", "remove"):
        yield syntax.installed, ((path, text) for path, text in draft.items(key) if len(path) > 1)
    yield syntax.key, under(draft, "repositories", "gpgkey")
    yield syntax.local, ((path, text) for path, text in draft.items("certificates"))
    yield syntax.local, under(draft, "tests", "event_file", "expect_file", "code")
    yield syntax.variable, (pair for path, step in steps for pair in values((*path, "secrets"), step.get("secrets")))
    yield syntax.installed, (pair for path, step in steps for pair in values((*path, "packages"), step.get("packages")))
    for key in ("directory", "inputs"):
        yield syntax.local, (pair for path, step in steps for pair in values((*path, key), step.get(key)))
