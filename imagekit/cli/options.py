"""The parameters that several commands share; commands are composed of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from imagekit.architecture import ARCHITECTURES, Architecture, from_text
from imagekit.cli.frame import option
from imagekit.errors import UsageError

if TYPE_CHECKING:
    from imagekit.lockfile import Use

_Function = TypeVar("_Function", bound=Callable[..., Any])

#: The spec in a folder that is named in its place.
SPEC_FILE: Final = "runtime.yaml"


def spec_path(named: str) -> str:
    """The spec that a person means: the file, or `runtime.yaml` in the folder; relative when it was named so."""
    return os.path.normpath(os.path.join(named, SPEC_FILE) if os.path.isdir(named) else named)


def spec(function: _Function) -> _Function:
    """SPEC, given as the spec's path; by default the one in the current folder."""
    return click.argument("spec", default=".", callback=lambda _c, _p, value: spec_path(value))(function)


def specs(function: _Function) -> _Function:
    """[SPEC]..., given as the specs' paths; by default the one in the current folder."""

    def paths(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
        found = map(spec_path, value or (".",))
        return tuple({os.path.realpath(path): path for path in reversed(tuple(found))}.values())[::-1]

    return click.argument("specs", nargs=-1, metavar="[SPEC]...", callback=paths)(function)


def overrides(function: _Function) -> _Function:
    """`--set KEY=VALUE` and `--engine NAME`, given as `overrides`: texts for `load`."""
    text = "Override a scalar of the spec; keys below others have dots."
    setting = option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help=text)
    names = ("native", "docker")
    engine = option("--engine", type=click.Choice(names), help="What installs packages, over the spec's `engine`.")

    @wraps(function)
    def with_engine(*arguments: Any, overrides: Sequence[str], engine: str | None, **named: Any) -> Any:
        more = (f"engine={engine}",) if engine else ()
        return function(*arguments, overrides=(*overrides, *more), **named)

    return setting(engine(with_engine))  # type: ignore[return-value]  # `overrides` in place of both


def platform(function: _Function) -> _Function:
    """`--platform`, given as `architectures` in their usual order; empty when all are meant."""
    return option(
        "--platform", "architectures", metavar="PLATFORM", multiple=True, callback=_architectures,
        help="Only this platform: linux/arm64, arm64, aarch64 …",
    )(function)  # fmt: skip


def as_json(function: _Function) -> _Function:
    """`--json`, given as `as_json`."""
    return option("--json", "as_json", is_flag=True, help="Print a document for machines.")(function)


def tags(function: _Function) -> _Function:
    """`-t`/`--tag`, given as `tags`."""
    return option("-t", "--tag", "tags", metavar="TAG", multiple=True, help="A tag of the image.")(function)


def destinations(function: _Function) -> _Function:
    """`--to`, given as `destinations`."""
    text = "Where to push, over the spec's push.to."
    return option("--to", "destinations", metavar="REPOSITORY", multiple=True, help=text)(function)


def by_digest(function: _Function) -> _Function:
    """`--by-digest`, given as `by_digest`."""
    text = "Push under no tag, for `imagekit join`, which takes the tags of what several machines have built."
    return option("--by-digest", is_flag=True, help=text)(function)


def only_printed(function: _Function) -> _Function:
    """`--print`, given as `only`: `index`, an architecture, or None for all."""
    choice = click.Choice(["index", *(item.name for item in ARCHITECTURES)])
    return option("--print", "only", type=choice, help="Print one reference only.")(function)


def create_repository(function: _Function) -> _Function:
    """`--create-repository`, given as `create`."""
    text = "Create what is missing of them at ECR, as Lambda needs it: immutable tags, scanned on push."
    return option("--create-repository", "create", is_flag=True, help=text)(function)


def labels(function: _Function) -> _Function:
    """`--label KEY=VALUE`, given as the mapping `labels`."""
    text = "A label of the image, over the spec's."
    return option("--label", "labels", metavar="KEY=VALUE", multiple=True, callback=_pairs, help=text)(function)


def shared_cache(function: _Function) -> _Function:
    """`--cache-from` and `--cache-to`, given as `cache_from` and `cache_to`: repositories."""
    found = "Take layers that other machines have made from this repository."
    kept = "Keep layers in this repository, for other machines."
    source = option("--cache-from", metavar="REPOSITORY", multiple=True, help=found)
    return source(option("--cache-to", metavar="REPOSITORY", multiple=True, help=kept)(function))


def compression(function: _Function) -> _Function:
    """`--compression`, given as `compression`: `default`, `fast`, or None where the lock decides."""
    text = "How hard layers are compressed; another one is another digest. As the lock says when left out."
    return option("--compression", type=click.Choice(["default", "fast"]), help=text)(function)


def lock_use(function: _Function) -> _Function:
    """`--locked` and `--frozen`, given as `use`: an `imagekit.lockfile.Use`."""
    locked = option("--locked", is_flag=True, help="Fail when the lock is missing or stale.")
    frozen = option("--frozen", is_flag=True, help="Build from the lock as it is, whatever the spec says now.")

    @wraps(function)
    def with_use(*arguments: Any, locked: bool, frozen: bool, **named: Any) -> Any:
        return function(*arguments, use=_use(locked=locked, frozen=frozen), **named)

    return locked(frozen(with_use))  # type: ignore[return-value]  # `use` in place of the two flags


def strict(function: _Function) -> _Function:
    """`--strict`, given as `strict`."""
    return option("--strict", is_flag=True, help="Treat warnings as errors.")(function)


def _use(*, locked: bool, frozen: bool) -> Use:
    from imagekit.lockfile import Use

    if locked and frozen:
        raise UsageError("--locked and --frozen exclude each other", hint="--frozen alone never looks at the spec")
    return Use.LOCKED if locked else Use.FROZEN if frozen else Use.RENEW


def _architectures(
    _context: click.Context, _parameter: click.Parameter, value: Sequence[str]
) -> tuple[Architecture, ...]:
    """As Docker's tools do, one option may name several with commas between."""
    asked = {from_text(word) for text in value for word in text.split(",") if word.strip()}
    return tuple(item for item in ARCHITECTURES if item in asked)


def _pairs(_context: click.Context, parameter: click.Parameter, value: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in value:
        key, equals, content = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{parameter.opts[0]} takes KEY=VALUE, not {text!r}")
        found[key.strip()] = content
    return found
