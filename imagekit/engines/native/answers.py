"""The solver's answers as values, and as errors that say what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from imagekit.architecture import ARCHITECTURES
from imagekit.errors import BuildFailed, WrongChecksum
from imagekit.findings import Place
from imagekit.lock_packages import NO_REPOSITORY, LockedPackage, Reason
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Fetched
from imagekit.packages import PackageRequest
from imagekit.rpm.evr import Nevra
from imagekit.values import dataclass

_LISTED: Final = 20
#: What libsolv says of jobs that exclude each other.
_CONFLICT: Final = "conflicting requests"
#: What to do about several names that mean nothing.
_SEVERAL: Final = (
    "correct the names; `{name: …, only: [x86_64]}` says that one of `packages` is for one architecture; `upgrade` and "
    "`remove` are for packages of the base"
)


def check(answer: Mapping[str, Any], request: PackageRequest) -> None:
    """Raise BuildFailed for an answer that is no choice, with all that was wrong."""
    if "unreadable" in answer:
        text = answer["unreadable"]
        raise BuildFailed(
            text,
            hint=answer["hint"] or "the package repository has it wrong: try another mirror",
            place=next((request.places.get(("packages", url)) for url in request.files if text.startswith(url)), None),
        )
    if answer.get("unknown") or answer.get("absent") or answer.get("foreign"):
        raise _unknown(answer, request)
    if "problems" in answer:
        lines = [f"  {_named(sentence, request)}" for problem in answer["problems"] for sentence in problem][:_LISTED]
        raise BuildFailed(
            "\n".join((f"{request.architecture}: what is asked for cannot be had together:", *lines)),
            hint="take one of the packages out, or name under `remove` what of the base has to make room",
        )


def _named(sentence: str, request: PackageRequest) -> str:
    """The solver's sentence, with the names that it leaves out where what comes is to go as well."""
    both = [word for word in request.install if word.partition(" ")[0] in request.remove]
    if sentence != _CONFLICT or not both:
        return sentence
    return f"{sentence}: {', '.join(both)} under `packages` is under `remove` too"


def packages(
    answer: Mapping[str, Any], hrefs: Mapping[str, Callable[..., str]], files: Mapping[str, Fetched]
) -> tuple[LockedPackage, ...]:
    """What is installed, in the order of names; `hrefs` makes URLs of what each repository says, `files` are those
    outside all repositories.
    """
    return tuple(_package(item, hrefs, files) for item in answer["install"])


def removed(answer: Mapping[str, Any]) -> dict[str, Reason]:
    """What of the base goes."""
    return {nevra: Reason.from_mapping(reason) for nevra, reason in answer["remove"].items()}


def _package(
    item: Mapping[str, Any], hrefs: Mapping[str, Callable[..., str]], files: Mapping[str, Fetched]
) -> LockedPackage:
    nevra, because = str(Nevra.parse(item["nevra"])), Reason.from_mapping(item["because"])
    if item["file"]:
        file = files[item["file"]]
        return LockedPackage(
            nevra=nevra,
            repository=NO_REPOSITORY,
            url=item["file"],
            size=file.size,
            digest=file.digest,
            because=because,
        )
    kind, text = item["checksum"] or ("", "")
    if kind != "sha256" or not item["href"]:
        raise WrongChecksum(
            f"{item['repository']} says no sha256 of {nevra}", hint="have the repository made with `--checksum sha256`"
        )
    return LockedPackage(
        nevra=nevra,
        repository=item["repository"],
        url=hrefs[item["repository"]](item["href"], item["base"]),
        size=item["size"],
        digest=Digest.from_hex(text),
        because=because,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wrong:
    """A name that means nothing: what is said of it, where it stands, what to do."""

    sentence: str
    hint: str
    place: Place | None


def _unknown(answer: Mapping[str, Any], request: PackageRequest) -> BuildFailed:
    wrong = [
        *(_nowhere(word, near, answer["elsewhere"].get(word), request) for word, near in answer["unknown"].items()),
        *(_foreign(url, arch, request) for url, arch in answer["foreign"].items()),
        *(_absent(word, near, request) for word, near in answer["absent"].items()),
    ]
    # One of them is shown with its line, several with where they stand.
    where = [f" ({item.place})" if item.place and len(wrong) > 1 else "" for item in wrong]
    lines = [f"{request.architecture}: {item.sentence}{place}" for item, place in zip(wrong, where, strict=True)]
    return BuildFailed(
        "\n  ".join(lines),
        hint=wrong[0].hint if len(wrong) == 1 else _SEVERAL,
        place=wrong[0].place if len(wrong) == 1 else None,
    )


def _nowhere(word: str, near: list[str], elsewhere: list[str] | None, request: PackageRequest) -> _Wrong:
    place = request.places.get(("packages", word))
    if elsewhere:
        sentence = f"{word} is there for {' and '.join(elsewhere)} only"
        return _Wrong(sentence=sentence, hint=_only(word, elsewhere), place=place)
    others = [item.rpm for item in ARCHITECTURES if item.rpm != request.architecture]
    hint = "ask for a version that is there" if near and " " in near[0] else "correct the name"
    if not request.repositories:
        hint = "all package repositories are taken out: name one under `repositories`, or let one of them in again"
    elif not request.is_alone:
        hint += f"; {_only(word, others)} for a package of one architecture alone"
    return _Wrong(sentence=f"no package is, or provides, {word}{_there_is(near)}", hint=hint, place=place)


def _foreign(url: str, arch: str, request: PackageRequest) -> _Wrong:
    return _Wrong(
        sentence=f"{url} is a package for {arch}", hint=_only(url, [arch]), place=request.places.get(("packages", url))
    )


def _absent(word: str, near: list[str], request: PackageRequest) -> _Wrong:
    key = "remove" if word in request.remove else "upgrade"
    return _Wrong(
        sentence=f"the base has no {word}{_there_is(near)}",
        hint=f"correct the name: `{key}` is for packages of the base, on every architecture",
        place=request.places.get((key, word)),
    )


def _only(word: str, arches: list[str]) -> str:
    names = [item.name for item in ARCHITECTURES if item.rpm in arches]
    return f"write `{{name: {word}, only: [{', '.join(names)}]}}`" if names else "name another package"


def _there_is(near: list[str]) -> str:
    return f"; there is {', '.join(near)}" if near else ""
