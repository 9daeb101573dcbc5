"""The solver's answers as values, and as errors that say what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from imagekit.errors import BuildFailed, WrongChecksum
from imagekit.lock_packages import NO_REPOSITORY, LockedPackage, Reason
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Fetched
from imagekit.packages import PackageRequest
from imagekit.rpm.evr import Nevra

_LISTED: Final = 20


def check(answer: Mapping[str, Any], request: PackageRequest) -> None:
    """Raise BuildFailed for an answer that is no choice, with all that was wrong."""
    if "unreadable" in answer:
        raise BuildFailed(
            answer["unreadable"], hint=answer["hint"] or "the package repository has it wrong: try another mirror"
        )
    if answer.get("unknown") or answer.get("absent"):
        raise _unknown(answer, request)
    if "problems" in answer:
        lines = [f"  {sentence}" for problem in answer["problems"] for sentence in problem][:_LISTED]
        raise BuildFailed(
            "\n".join((f"{request.architecture}: what is asked for cannot be had together:", *lines)),
            hint="take one of the packages out, or name under `remove` what of the base has to make room",
        )


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


def _unknown(answer: Mapping[str, Any], request: PackageRequest) -> BuildFailed:
    lines = [
        *_lines(answer["unknown"], "no package is, or provides, {}"),
        *_lines(answer["absent"], "the base has no {}"),
    ]
    words = [*answer["unknown"], *answer["absent"]]
    place = request.places.get(words[0]) if len(words) == 1 else None
    lines = [f"{request.architecture}: {line}" for line in lines]
    hint = "correct the name; `only` says that a package is for one architecture"
    return BuildFailed("\n  ".join(lines), hint=hint, place=place)


def _lines(unknown: Mapping[str, list[str]], sentence: str) -> Iterator[str]:
    for word, near in unknown.items():
        yield sentence.format(word) + (f"; there is {', '.join(near)}" if near else "")
