"""What a schema cannot say of a spec: one small function a rule, all in `RULES`.

A rule sees the document less what the schema refused, so it may trust the shapes and has to expect that keys are
missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from imagekit.findings import Finding
from imagekit.spec import package_rules as packages
from imagekit.spec import placeholders, syntax
from imagekit.spec import step_rules as steps
from imagekit.spec.bootstrap import FORMS, SETTINGS, STARTED, Mode
from imagekit.spec.draft import Draft, placed, repository_urls, tags, templates, under, values, warning
from imagekit.spec.expectation import ANSWERS, EVENTS
from imagekit.spec.forms import templates_have_their_form, texts_have_their_form
from imagekit.spec.node import Path, dotted
from imagekit.spec.reserved import RESERVED

#: A spec with more of them is not what it seems.
MAX_FINDINGS: Final = 1000
#: What a build step is told of the program that it makes.
_OUTPUT: Final = "IMAGEKIT_OUTPUT"
#: The keys whose value may be a mapping by architecture.
BY_ARCHITECTURE: Final = ("base", "path", "source", "sha256", "image")


def findings(draft: Draft) -> tuple[Finding, ...]:
    """What all rules have to say; MAX_FINDINGS at most."""
    return tuple(islice((finding for rule in RULES for finding in rule(draft)), MAX_FINDINGS))


def _known_placeholders(draft: Draft) -> Iterator[Finding]:
    if draft.language is None:
        return
    words = draft.words()
    for path, text in templates(draft):
        yield from placeholders.problems(text, words, draft.places.get(path))
    for path, text in repository_urls(draft):
        yield from placeholders.problems(text, (*words, placeholders.RELEASE), draft.places.get(path))


def _tags_are_the_same_for_all(draft: Draft) -> Iterator[Finding]:
    """One tag names the index of all platforms, so it cannot differ between them."""
    if draft.language is None:
        return
    words = [word for word in draft.words() if word not in placeholders.BY_ARCHITECTURE]
    for path, text in tags(draft):
        used = [word for word in placeholders.words(text) if word in placeholders.BY_ARCHITECTURE]
        if used:
            hint = "leave it out: imagekit appends the architecture to the tags of single platforms"
            yield draft.find("IK0105", path, f"a tag cannot use {{{used[0]}}}", hint)
        else:
            yield from placeholders.problems(text, words, draft.places.get(path))


def _environment_takes_only_base(draft: Draft) -> Iterator[Finding]:
    for path, text in values(("environment",), draft.document.get("environment")):
        yield from placeholders.problems(text, ("base.",), draft.places.get(path))


def _version_is_given_where_used(draft: Draft) -> Iterator[Finding]:
    if draft.wrote("version"):
        return
    hint = 'add the language\'s version, for example `version: "1.2.3"`'
    if draft.language and draft.language.version:
        yield draft.find("IK0102", (), "`version` is missing: the language has no default for it", hint)
    for path, text in (*templates(draft), *repository_urls(draft), *tags(draft)):
        if "version" in placeholders.words(text):
            yield draft.find("IK0102", path, "{version} is used, but the spec has no `version`", hint)


def _function_has_handler_and_bootstrap(draft: Draft) -> Iterator[Finding]:
    if draft.language is None:
        return
    runtime = draft.document.get("kind") == "runtime"
    if not (runtime or draft.language.handler or draft.wrote("handler")):
        hint = "add what Lambda calls, for example `handler: index.handler`, or say `kind: runtime`"
        yield draft.find("IK0102", (), "`handler` is missing: the language has no default for it", hint)
    if not (draft.language.bootstrap or draft.wrote("bootstrap")):
        hint = "add the executable that speaks the Runtime API: `bootstrap: {path: build/bootstrap}`"
        yield draft.find("IK0102", (), "`bootstrap` is missing: the language has no default for it", hint)
    if runtime and "handler" in draft.document:
        message = "`handler` means little for `kind: runtime`: each function names its own"
        hint = "remove `handler`, or say `kind: function`"
        yield warning("IK0107", draft.keys.get(("handler",)), message, hint)


def _bootstrap_is_one_of_its_forms(draft: Draft) -> Iterator[Finding]:
    bootstrap, where = draft.document.get("bootstrap"), ("bootstrap",)
    if not isinstance(bootstrap, dict):
        return
    written = [form for form in FORMS if draft.wrote(*where, form)]
    if len(written) > 1:
        message = f"`bootstrap` has both `{written[0]}` and `{written[1]}`, and Lambda starts one program"
        yield draft.find("IK0107", (*where, written[1]), message, "keep one of them")
    misspelt = any(path[:1] == where for path in draft.refused)
    if not written and not misspelt and draft.language and not draft.language.worker:
        message = "`bootstrap` does not say what to start: the language has no worker of its own"
        yield draft.find("IK0102", where, message, f"add one of {', '.join(f'`{form}`' for form in FORMS)}")
    form = written[0] if written else Mode.WORKER
    for name, fitting in SETTINGS.items():
        if name in bootstrap and form not in fitting:
            message = f"`{name}` is a setting of the runtime client that `{form}` has no use for"
            hint = f"remove it, or start the program with {' or '.join(f'`{mode}`' for mode in fitting)}"
            yield draft.find("IK0107", (*where, name), message, hint)


def _bootstrap_of_an_image_starts_something(draft: Draft) -> Iterator[Finding]:
    where = ("bootstrap",)
    image, named = draft.wrote(*where, "image"), draft.wrote(*where, "paths")
    if image and not named:
        hint = f"add what is taken out of the image, for example `paths: [/opt, {STARTED}]`"
        yield draft.find("IK0102", where, "`bootstrap` has an `image`, but no `paths`", hint)
    if named and not image:
        hint = "add the `image` that they are taken out of"
        yield draft.find("IK0107", (*where, "paths"), "`bootstrap` has `paths`, but no `image`", hint)
    paths = [text for _, text in under(draft, *where, "paths")]
    if image and paths and not any(f"{STARTED}/".startswith(f"{path.rstrip('/')}/") for path in paths):
        message = f"`paths` bring no {STARTED}, which is what Lambda starts"
        yield draft.find("IK0107", (*where, "paths"), message, f"add {STARTED}, or a folder above it")


def _output_is_a_program_of_the_spec(draft: Draft) -> Iterator[Finding]:
    """Only the program of `bootstrap.path` has a place that a step can be told."""
    own = draft.wrote("bootstrap", "path") or not draft.wrote("bootstrap")
    if draft.language is None or (own and not draft.language.worker):
        return
    for path, step in draft.items("build"):
        where, run = ((*path, "run"), step.get("run", "")) if isinstance(step, dict) else (path, step)
        if _OUTPUT in run and not draft.wrote("bootstrap", "path"):
            message = f"{_OUTPUT} is the program that `bootstrap.path` names, and this spec names none"
            hint = "write to a file below `root`, such as build/$IMAGEKIT_ARCHITECTURE/app, and name it under `files`"
            yield draft.find("IK0107", where, message, hint)


def _environment_names(draft: Draft) -> Iterator[Finding]:
    for name in draft.document.get("environment", {}):
        place = draft.keys.get(("environment", name))
        if problem := syntax.variable(name):
            yield placed(problem, place)
        elif name in RESERVED:
            message = f"Lambda sets {name} itself and takes no other value for it"
            yield Finding(code="IK0106", message=message, place=place, hint="remove it, or choose another name")
        elif name.startswith("_"):
            message = f"Lambda drops variables that begin with _, such as {name}"
            hint = "choose a name that begins with a letter"
            yield warning("IK0106", place, message, hint)
    for path, step in draft.items("build"):
        for name in step.get("environment", {}) if isinstance(step, dict) else ():
            if problem := syntax.variable(name):
                yield placed(problem, draft.keys.get((*path, "environment", name)))


def _label_names(draft: Draft) -> Iterator[Finding]:
    for name in draft.document.get("labels", {}):
        if problem := syntax.label(name):
            yield placed(problem, draft.keys.get(("labels", name)))


def _every_architecture_has_a_value(draft: Draft) -> Iterator[Finding]:
    waiting: list[tuple[Path, Mapping[str, Any]]] = [((), draft.document)]
    waiting += [one for key in ("bootstrap", "archives", "files") for one in draft.items(key)]
    for path, item in waiting:
        wanted = [one for one in draft.architectures() if one in item.get("only", (one,))]
        for name in BY_ARCHITECTURE:
            here = (*path, name)
            if isinstance(item.get(name), dict):
                missing = [one for one in wanted if not draft.wrote(*here, one)]
                if missing:
                    message = f"`{dotted(here)}` has no value for {' and '.join(missing)}"
                    hint = f"add `{missing[0]}: …`, or say what the item is for with `only`"
                    yield draft.find("IK0102", here, message, hint)


def _only_names_architectures_of_the_spec(draft: Draft) -> Iterator[Finding]:
    known = draft.architectures()
    for key in ("build", "packages", "repositories", "archives", "files", "tests"):
        for path, item in draft.items(key):
            for index, name in enumerate(item.get("only", ()) if isinstance(item, dict) else ()):
                if name and name not in known:
                    message = f"`only` names {name}, which this spec does not build for"
                    hint = f"add {name} to `architectures`, or remove it here"
                    yield warning("IK0107", draft.places.get((*path, "only", index)), message, hint)


def _tests_ask_one_thing(draft: Draft) -> Iterator[Finding]:
    names: dict[str, Path] = {}
    for path, item in draft.items("tests"):
        for keys in (EVENTS, ANSWERS):
            written = [key for key in keys if draft.wrote(*path, key)]
            if len(written) > 1:
                message = f"a test has both `{written[0]}` and `{written[1]}`"
                yield draft.find("IK0107", (*path, written[1]), message, "keep one of them")
        name = item.get("name")
        if name in names:
            yield draft.find("IK0107", (*path, "name"), f"two tests are called {name!r}", "give each its own name")
        names[name] = path
        for key in ("event", "expect"):
            if key in item and not _is_json(item[key]):
                hint = "JSON has neither .inf nor .nan, and no keys but texts"
                yield draft.find("IK0104", (*path, key), f"`{key}` is no JSON", hint)


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


#: All rules, in the order in which they are asked.
RULES: Final[tuple[Callable[[Draft], Iterator[Finding]], ...]] = (
    _known_placeholders,
    _tags_are_the_same_for_all,
    _environment_takes_only_base,
    _version_is_given_where_used,
    _function_has_handler_and_bootstrap,
    _bootstrap_is_one_of_its_forms,
    _bootstrap_of_an_image_starts_something,
    _output_is_a_program_of_the_spec,
    _environment_names,
    _label_names,
    templates_have_their_form,
    texts_have_their_form,
    _every_architecture_has_a_value,
    _only_names_architectures_of_the_spec,
    _tests_ask_one_thing,
    *steps.RULES,
    *packages.RULES,
)
